"""`flask channels …`: where models are bought."""

from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import joinedload

import config
from app.cli.groups import OperatorGroup, Text, print_json
from app.core.database import db
from app.domain.audit import AuditAction, record
from app.domain.catalog.models import Model
from app.domain.channels import buying
from app.domain.channels.models import Channel
from app.services import services

LONGEST_UPSTREAM_NAME = 256
_STEPS = 1_000

channels_commands = OperatorGroup("channels", help="Channels: provider accounts that serve models.")


@channels_commands.command("add")
@click.argument("name", type=Text(most_characters=64))
@click.option("--base-url", required=True, type=Text(most_characters=512),
              help="Used as given, e.g. https://api.openai.com/v1")  # fmt: skip
@click.option("--api-key-env", required=True, help="Environment variable that holds its key.")
@click.option("--model", "models", multiple=True, required=True, metavar="SOLD=UPSTREAM",
              help="A model it serves: our name, and its name there. Repeat.")  # fmt: skip
@click.option("--allow-private", is_flag=True, help="The host may be on a private network.")
@click.option("--priority", type=click.IntRange(-_STEPS, _STEPS), default=0,
              show_default=True, help="Higher is tried first.")  # fmt: skip
@click.option("--weight", type=click.IntRange(1, _STEPS), default=1, show_default=True,
              help="Share within its priority.")  # fmt: skip
def add_channel(
    name: str,
    base_url: str,
    api_key_env: str,
    models: tuple[str, ...],
    allow_private: bool,
    priority: int,
    weight: int,
) -> None:
    """Add an enabled channel NAME; its key is sealed before it is stored."""
    session = db.session()
    channel = buying.add_channel(
        session,
        buying.NewChannel(
            name=name,
            base_url=base_url,
            api_key=_key_from(api_key_env),
            models=_pairs(models),
            allow_private=allow_private,
            priority=priority,
            weight=weight,
        ),
        sealer=services().sealer,
    )
    _record(channel, AuditAction.CHANNEL_CHANGED)
    session.commit()
    click.echo(f"Channel {channel.name} is enabled. It serves {', '.join(_pairs(models))}.")


@channels_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_channels(as_json: bool) -> None:
    """Show every channel with the models it serves. Keys are never shown."""
    named = db.session.execute(select(Model.id, Model.name))
    names = {row.id: row.name for row in named}
    channels = db.session.scalars(
        select(Channel).options(joinedload(Channel.models)).order_by(Channel.id)
    ).unique()
    rows = [_facts(channel, names) for channel in channels]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        state = "enabled" if row["is_enabled"] else "disabled"
        click.echo(f"{row['name']:<24} {state:<9} {row['base_url']}")
        for sold, upstream in row["models"].items():
            click.echo(f"    {sold}" + ("" if sold == upstream else f" as {upstream}"))


@channels_commands.command("disable")
@click.argument("name")
def disable_channel(name: str) -> None:
    """Stop buying from channel NAME; running requests end as they are."""
    _set_enabled(name, is_enabled=False)
    click.echo(f"Channel {name} is disabled.")


@channels_commands.command("enable")
@click.argument("name")
def enable_channel(name: str) -> None:
    """Buy from channel NAME again."""
    _set_enabled(name, is_enabled=True)
    click.echo(f"Channel {name} is enabled.")


def _set_enabled(name: str, *, is_enabled: bool) -> None:
    session = db.session()
    channel = buying.find_channel(session, name)
    buying.set_enabled(session, channel=channel, is_enabled=is_enabled)
    _record(channel, AuditAction.CHANNEL_CHANGED if is_enabled else AuditAction.CHANNEL_DISABLED)
    session.commit()


def _record(channel: Channel, action: AuditAction) -> None:
    details = {"channel": channel.name, "base_url": channel.base_url}
    record(db.session(), actor="operator", action=action, details=details)


def _key_from(variable: str) -> str:
    key = config.secret_from_environment(variable)
    if key is None:
        raise click.BadParameter(
            f"{variable} is not set. Put the provider's key there, so that it is in no history.",
            param_hint="--api-key-env",
        )
    return key


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [_pair(text) for text in texts]
    names = dict(pairs)
    if len(names) < len(pairs):
        raise click.BadParameter("A model is named twice.", param_hint="--model")
    return names


def _pair(text: str) -> tuple[str, str]:
    sold, equals, upstream = text.partition("=")
    if not equals or not sold or not upstream or len(upstream) > LONGEST_UPSTREAM_NAME:
        raise click.BadParameter(
            f"{text[:80]!r} is not SOLD=UPSTREAM, such as gpt-4o=gpt-4o.", param_hint="--model"
        )
    return sold, upstream


def _facts(channel: Channel, names: dict[int, str]) -> dict[str, Any]:
    return {
        "name": channel.name,
        "base_url": channel.base_url,
        "is_enabled": channel.is_enabled,
        "allow_private": channel.allow_private,
        "priority": channel.priority,
        "weight": channel.weight,
        "models": {names[served.model_id]: served.upstream_name for served in channel.models},
    }
