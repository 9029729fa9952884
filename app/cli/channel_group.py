"""What the commands about channels share."""

from typing import Any

import click

import config
from app.cli.groups import OperatorGroup
from app.core.crypto import SealBroken
from app.core.database import db
from app.domain.audit import AuditAction, record
from app.domain.channels.models import Channel
from app.domain.channels.presets import preset_of
from app.domain.channels.proxies import proxy_of
from app.gateway import Provider
from app.services import services

OPERATOR = "operator"
LONGEST_UPSTREAM_NAME = 256
MOST_STEPS = 1_000

channels_commands = OperatorGroup("channels", help="Channels: provider accounts that serve models.")


def record_change(
    channel: Channel, *, action: AuditAction = AuditAction.CHANNEL_CHANGED, **details: Any
) -> None:
    """Leave a trace of an act on a channel; the command commits both."""
    what = {"channel": channel.name, "base_url": channel.base_url, **details}
    record(db.session(), actor=OPERATOR, action=action, details=what)


def key_from(variable: str) -> str:
    """The provider's key in this environment variable."""
    return _secret_from(variable, what="the provider's key", option="--api-key-env")


def proxy_from(variable: str) -> str:
    """The proxy's URL in this environment variable."""
    return _secret_from(variable, what="the proxy's URL", option="--proxy-env")


def provider_of(channel: Channel) -> Provider:
    """The channel as somebody to be asked."""
    sealer = services().sealer
    try:
        api_key, proxy = sealer.open(channel.sealed_key), proxy_of(channel, sealer=sealer)
    except SealBroken:
        raise click.ClickException(sealed_shut(channel)) from None
    return Provider(
        preset=preset_of(channel.preset),
        base_url=channel.base_url,
        api_key=api_key,
        allow_private=channel.allow_private,
        proxy=proxy,
    )


def proxy_place(channel: Channel) -> str | None:
    """Host and port of the channel's proxy, never who we are there; None where it has none."""
    try:
        proxy = proxy_of(channel, sealer=services().sealer)
    except SealBroken:
        return "a proxy that SEALING_KEYS no longer open"
    return None if proxy is None else proxy.place


def sealed_shut(channel: Channel) -> str:
    what, option = "key", "--api-key-env …"
    if channel.sealed_proxy is not None:
        what, option = "key or the proxy", "--api-key-env … --proxy-env …"
    return (
        f"SEALING_KEYS no longer open the {what} of {channel.name}. Give it anew: "
        f"flask channels change {channel.name} {option}"
    )


def pairs_of(texts: tuple[str, ...]) -> dict[str, str]:
    """Each `SOLD` or `SOLD=UPSTREAM` as our name and the name there."""
    pairs = [pair_of(text) for text in texts]
    names = dict(pairs)
    if len(names) < len(pairs):
        raise click.BadParameter("A model is named twice.", param_hint="--model")
    return names


def pair_of(text: str) -> tuple[str, str]:
    sold, equals, upstream = text.partition("=")
    upstream = upstream if equals else sold
    if not sold or not upstream or len(upstream) > LONGEST_UPSTREAM_NAME:
        raise click.BadParameter(
            f"{text[:80]!r} is not SOLD or SOLD=UPSTREAM, such as gpt-4o=gpt-4o-2024-11-20.",
            param_hint="--model",
        )
    return sold, upstream


def _secret_from(variable: str, *, what: str, option: str) -> str:
    secret = config.secret_from_environment(variable)
    if secret is None:
        raise click.BadParameter(
            f"{variable} is not set. Put {what} there, so that it is in no history.",
            param_hint=option,
        )
    return secret
