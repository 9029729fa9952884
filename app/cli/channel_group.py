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
    key = config.secret_from_environment(variable)
    if key is None:
        raise click.BadParameter(
            f"{variable} is not set. Put the provider's key there, so that it is in no history.",
            param_hint="--api-key-env",
        )
    return key


def provider_of(channel: Channel) -> Provider:
    """The channel as somebody to be asked."""
    try:
        api_key = services().sealer.open(channel.sealed_key)
    except SealBroken:
        raise click.ClickException(sealed_shut(channel)) from None
    return Provider(
        preset=preset_of(channel.preset),
        base_url=channel.base_url,
        api_key=api_key,
        allow_private=channel.allow_private,
    )


def sealed_shut(channel: Channel) -> str:
    return (
        f"SEALING_KEYS no longer open the key of {channel.name}. Give it anew: "
        f"flask channels change {channel.name} --api-key-env …"
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
