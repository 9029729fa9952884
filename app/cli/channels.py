"""`flask channels …`: where models are bought."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.cli import channel_changes, channel_costs, channel_reports
from app.cli.breaker_words import STANDING
from app.cli.channel_group import (
    MOST_STEPS,
    channels_commands,
    key_from,
    pairs_of,
    proxy_from,
    proxy_place,
    record_change,
)
from app.cli.groups import Text, print_json
from app.core.database import db
from app.domain.audit import AuditAction
from app.domain.catalog.models import Model
from app.domain.channels import buying
from app.domain.channels.matching import sold_models_among
from app.domain.channels.models import BreakerTurn, Channel
from app.domain.channels.presets import PRESETS, Preset
from app.domain.channels.proxies import parse_proxy
from app.domain.channels.states import StateView, breaker_states
from app.gateway import Provider, list_models
from app.services import services

__all__ = ["channel_changes", "channel_costs", "channel_reports", "channels_commands"]


@channels_commands.command("presets")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_presets(as_json: bool) -> None:
    """Show the providers that we know, for: flask channels add NAME --preset PRESET."""
    if as_json:
        print_json([_preset_facts(preset) for preset in PRESETS.values()])
        return
    for preset in PRESETS.values():
        where = preset.base_url or f"--base-url {preset.base_url_hint}"
        key = "" if preset.needs_key else "  no key"
        click.echo(f"{preset.name:<16} {preset.title:<36} {where}{key}")


@channels_commands.command("add")
@click.argument("name", type=Text(most_characters=64))
@click.option("--preset", type=click.Choice(list(PRESETS)),
              help="A provider we know: its base URL and its ways.")  # fmt: skip
@click.option("--base-url", type=Text(most_characters=512),
              help="Used as given, e.g. https://api.openai.com/v1; else the preset's.")  # fmt: skip
@click.option("--api-key-env", help="Environment variable that holds its key.")
@click.option("--proxy-env", help="Environment variable that holds the proxy on the way there:"
              " http://[user:password@]host:port.")  # fmt: skip
@click.option("--model", "models", multiple=True, metavar="SOLD[=UPSTREAM]",
              help="A model it serves: our name, and its name there. Repeat.")  # fmt: skip
@click.option("--models-from-provider", is_flag=True,
              help="Serve every model we sell that the provider lists.")  # fmt: skip
@click.option("--allow-private/--no-allow-private", default=None,
              help="The host may be on a private network.")  # fmt: skip
@click.option("--priority", type=click.IntRange(-MOST_STEPS, MOST_STEPS), default=0,
              show_default=True, help="Higher is tried first.")  # fmt: skip
@click.option("--weight", type=click.IntRange(1, MOST_STEPS), default=1, show_default=True,
              help="Share within its priority.")  # fmt: skip
def add_channel(
    name: str,
    preset: str | None,
    base_url: str | None,
    api_key_env: str | None,
    proxy_env: str | None,
    models: tuple[str, ...],
    models_from_provider: bool,
    allow_private: bool | None,
    priority: int,
    weight: int,
) -> None:
    """Add an enabled channel NAME; its key and its proxy are sealed before they are stored."""
    session = db.session()
    new = buying.NewChannel(
        name=name,
        preset=preset,
        base_url=base_url,
        api_key="" if api_key_env is None else key_from(api_key_env),
        models=pairs_of(models),
        allow_private=allow_private,
        priority=priority,
        weight=weight,
        proxy_url=None if proxy_env is None else proxy_from(proxy_env),
    )
    if models_from_provider:
        named = {**_offered(session, new), **new.models}
        new = replace(new, models=named)
    channel = buying.add_channel(session, new, sealer=services().sealer)
    record_change(
        channel, preset=channel.preset, models=dict(new.models), proxy=proxy_place(channel)
    )
    session.commit()
    click.echo(f"Channel {channel.name} is enabled. It serves {', '.join(new.models)}.")


@channels_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_channels(as_json: bool) -> None:
    """Show every channel with the models it serves, and which of them is in trouble.

    Keys are never shown, and of a proxy only host and port.
    """
    session = db.session()
    names = {row.id: row.name for row in session.execute(select(Model.id, Model.name))}
    channels = session.scalars(
        select(Channel).options(joinedload(Channel.models)).order_by(Channel.id)
    ).unique()
    troubles = _troubles(session)
    rows = [_facts(channel, names, troubles.get(channel.name, {})) for channel in channels]
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("No channel yet: flask channels add NAME --preset PRESET …", err=True)
    for row in rows:
        state = "enabled" if row["is_enabled"] else "disabled"
        proxy = f"  through {row['proxy']}" if row["proxy"] else ""
        click.echo(f"{row['name']:<24} {state:<9} {row['preset']:<14} {row['base_url']}{proxy}")
        for sold, upstream in row["models"].items():
            trouble = row["troubles"].get(sold)
            told = "" if trouble is None else f"  {_told(trouble)}"
            click.echo(f"    {sold}" + ("" if sold == upstream else f" as {upstream}") + told)


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


def _offered(session: Session, new: buying.NewChannel) -> dict[str, str]:
    """What the provider lists of what we sell, as our name and its name."""
    where = buying.where_it_leads(new)
    provider = Provider(
        preset=where.preset,
        base_url=where.base_url,
        api_key=new.api_key,
        allow_private=where.allow_private,
        proxy=None if new.proxy_url is None else parse_proxy(new.proxy_url),
    )
    listed = list_models(services().gateway.pool, provider)
    offered = sold_models_among(session, listed)
    if not offered and not new.models:
        raise click.ClickException(
            f"The provider lists {len(listed)} models, none of them in the catalogue by that name. "
            "Add them (flask catalog import --starting, or catalog add), or name them: --model "
            "SOLD=UPSTREAM."
        )
    return offered


def _set_enabled(name: str, *, is_enabled: bool) -> None:
    session = db.session()
    channel = buying.find_channel(session, name)
    buying.set_enabled(session, channel=channel, is_enabled=is_enabled)
    action = AuditAction.CHANNEL_CHANGED if is_enabled else AuditAction.CHANNEL_DISABLED
    record_change(channel, action=action, is_enabled=is_enabled)
    session.commit()


def _troubles(session: Session) -> dict[str, dict[str, dict[str, Any]]]:
    """By channel and model, what its breaker last did where it is not closed."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for view in breaker_states(session, is_troubled=True):
        found.setdefault(view.channel_name, {})[view.model_name] = _trouble(view)
    return found


def _trouble(view: StateView) -> dict[str, Any]:
    since = view.state.opened_at or view.state.turned_at
    return {
        "turn": view.state.turn.value,
        "since": since.isoformat(timespec="seconds"),
        "last_failure": view.state.last_failure,
    }


def _told(trouble: Mapping[str, Any]) -> str:
    standing = STANDING[BreakerTurn(trouble["turn"])]
    why = trouble["last_failure"]
    return f"{standing}, in trouble since {trouble['since'][:19]}" + (f": {why}" if why else "")


def _facts(
    channel: Channel, names: Mapping[int, str], troubles: Mapping[str, Any]
) -> dict[str, Any]:
    served = [row for row in channel.models if row.is_served]
    return {
        "name": channel.name,
        "preset": channel.preset or "plain",
        "base_url": channel.base_url,
        "is_enabled": channel.is_enabled,
        "allow_private": channel.allow_private,
        "proxy": proxy_place(channel),
        "priority": channel.priority,
        "weight": channel.weight,
        "models": {names[row.model_id]: row.upstream_name for row in served},
        "troubles": dict(troubles),
    }


def _preset_facts(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "title": preset.title,
        "dialect": preset.dialect.value,
        "base_url": preset.base_url,
        "base_url_hint": preset.base_url_hint,
        "allow_private": preset.allow_private,
        "needs_key": preset.needs_key,
        "facts": asdict(preset.facts),
    }
