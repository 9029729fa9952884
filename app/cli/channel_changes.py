"""`flask channels change, serve, unserve, facts`: changing a channel that is there."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from app.cli.channel_group import (
    MOST_STEPS,
    channels_commands,
    key_from,
    pair_of,
    proxy_from,
    proxy_place,
    record_change,
)
from app.cli.groups import Text, print_json
from app.core.database import db
from app.domain.channels import buying
from app.domain.channels.models import ChannelModel, LimitField, StreamUsage
from app.domain.channels.presets import preset_of
from app.domain.channels.serving import FACTS, change_facts, find_served
from app.services import services

_FLAGS = {
    "limit_includes_reasoning": "The output limit bounds reasoning too.",
    "enforces_limit": "Without a limit an answer stays within the model's output maximum.",
    "cancel_stops_billing": "It bills nothing that comes after the client left.",
    "base64_embeddings": "It answers embeddings as base64.",
    "knows_service_tier": "It takes service_tier.",
    "knows_safety_identifier": "It takes safety_identifier.",
    "retry_after_timeout": "A request that timed out may be sent to another channel: it is not"
    " paid for twice.",
}
"""The facts that are claims, each as it is explained; a flag changes one."""


def _fact_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command an option for each fact of a channel model."""
    for name, explained in reversed(_FLAGS.items()):
        word = name.replace("_", "-")
        command = click.option(f"--{word}/--no-{word}", name, default=None, help=explained)(command)
    others = (
        click.option("--limit-field", type=click.Choice([each.value for each in LimitField]),
                     help="The name of the output limit there."),
        click.option("--stream-usage", type=click.Choice([each.value for each in StreamUsage]),
                     help="Whether streams report usage when asked, always, or never."),
        click.option("--cut-member", help="A member to cut from each frame; '' cuts none."),
    )  # fmt: skip
    for option in reversed(others):
        command = option(command)
    return command


@channels_commands.command("change")
@click.argument("name")
@click.option("--api-key-env", help="Environment variable that holds its new key.")
@click.option("--proxy-env", help="Environment variable that holds the proxy on the way there:"
              " http://[user:password@]host:port.")  # fmt: skip
@click.option("--no-proxy", is_flag=True, help="Go there straight.")
@click.option("--base-url", type=Text(most_characters=512), help="Where it listens from now on.")
@click.option("--allow-private/--no-allow-private", default=None,
              help="The host may be on a private network.")  # fmt: skip
@click.option("--priority", type=click.IntRange(-MOST_STEPS, MOST_STEPS),
              help="Higher is tried first.")  # fmt: skip
@click.option("--weight", type=click.IntRange(1, MOST_STEPS), help="Share within its priority.")
def change_channel(
    name: str,
    api_key_env: str | None,
    proxy_env: str | None,
    no_proxy: bool,
    base_url: str | None,
    allow_private: bool | None,
    priority: int | None,
    weight: int | None,
) -> None:
    """Change key, proxy, place or order of channel NAME; what is not named stays."""
    if proxy_env is not None and no_proxy:
        raise click.UsageError("Either --proxy-env or --no-proxy.")
    session = db.session()
    channel = buying.find_channel(session, name)
    changed: dict[str, Any] = {}
    if api_key_env is not None:
        buying.replace_key(
            session, channel=channel, api_key=key_from(api_key_env), sealer=services().sealer
        )
        changed["key"] = "replaced"
    if proxy_env is not None or no_proxy:
        proxy_url = None if proxy_env is None else proxy_from(proxy_env)
        changed["proxy_before"] = proxy_place(channel)
        buying.set_proxy(session, channel=channel, proxy_url=proxy_url, sealer=services().sealer)
        changed["proxy"] = proxy_place(channel)
    if base_url is not None or allow_private is not None:
        changed["base_url_before"] = channel.base_url
        buying.set_base_url(
            session,
            channel=channel,
            base_url=base_url or channel.base_url,
            allow_private=allow_private,
        )
        changed["allow_private"] = channel.allow_private
    if priority is not None or weight is not None:
        buying.set_order(session, channel=channel, priority=priority, weight=weight)
        changed |= {"priority": channel.priority, "weight": channel.weight}
    if not changed:
        raise click.UsageError("Say what to change: --help lists it.")
    record_change(channel, **changed)
    session.commit()
    click.echo(f"Channel {name} is changed.")


@channels_commands.command("serve")
@click.argument("name")
@click.argument("model", metavar="SOLD[=UPSTREAM]")
def serve_model(name: str, model: str) -> None:
    """Let channel NAME serve one more model: our name, and its name there.

    It comes with the facts of the channel's preset; costs of before hold again.
    """
    session = db.session()
    channel = buying.find_channel(session, name)
    sold, upstream = pair_of(model)
    buying.serve_model(session, channel=channel, sold=sold, upstream=upstream)
    record_change(channel, served=sold, upstream=upstream)
    session.commit()
    click.echo(f"Channel {name} serves {sold}.")


@channels_commands.command("unserve")
@click.argument("name")
@click.argument("model", metavar="SOLD")
def unserve_model(name: str, model: str) -> None:
    """Stop buying the model SOLD from channel NAME; running requests end as they are."""
    session = db.session()
    channel = buying.find_channel(session, name)
    buying.stop_serving(session, channel=channel, sold=model)
    record_change(channel, no_longer_served=model)
    session.commit()
    click.echo(f"Channel {name} no longer serves {model}.")


@channels_commands.command("facts")
@click.argument("name")
@click.argument("model", metavar="SOLD")
@_fact_options
@click.option("--from-preset", is_flag=True, help="First put back all facts of the preset.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_facts(name: str, model: str, from_preset: bool, as_json: bool, **given: Any) -> None:
    """Show how channel NAME serves the model SOLD, and change what is named."""
    session = db.session()
    channel = buying.find_channel(session, name)
    served = find_served(session, channel=channel, sold=model)
    changes = _changes(given)
    if from_preset:
        changes = asdict(preset_of(channel.preset).facts) | changes
    if changes:
        change_facts(session, channel=channel, sold=model, changes=changes)
        record_change(channel, model=model, facts=changes)
        session.commit()
    facts = _facts(served)
    if as_json:
        print_json(facts)
        return
    for fact, value in facts.items():
        click.echo(f"{fact:<26} {_word(value)}")


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    changes = {name: value for name, value in given.items() if value is not None}
    if "limit_field" in changes:
        changes["limit_field"] = LimitField(changes["limit_field"])
    if "stream_usage" in changes:
        changes["stream_usage"] = StreamUsage(changes["stream_usage"])
    if changes.get("cut_member") == "":
        changes["cut_member"] = None
    return changes


def _facts(served: ChannelModel) -> dict[str, Any]:
    return {"upstream_name": served.upstream_name} | {name: getattr(served, name) for name in FACTS}


def _word(value: object) -> str:
    if value is None:
        return "-"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
