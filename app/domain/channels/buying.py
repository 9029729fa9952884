"""Where models are bought: add and change channels. Rules; the edge commits.

What a channel serves, and how, is in `serving.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Sealer
from app.domain.catalog.selling import REVISION
from app.domain.channels.errors import (
    ChannelExists,
    ChannelUnknown,
    InvalidChannel,
    PresetUnknown,
)
from app.domain.channels.models import Channel
from app.domain.channels.presets import PLAIN, PRESETS, Preset, preset_of
from app.domain.channels.proxies import sealed_proxy, set_proxy
from app.domain.channels.serving import serve_model, set_cost, stop_serving
from app.domain.settings.revisions import bump

__all__ = [
    "NewChannel",
    "Place",
    "add_channel",
    "find_channel",
    "find_preset",
    "replace_key",
    "serve_model",
    "set_base_url",
    "set_cost",
    "set_enabled",
    "set_order",
    "set_proxy",
    "stop_serving",
    "where_it_leads",
]

_VISIBLE_TEXT = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChannel:
    """A channel to add. `models` maps each sold name to the name at the provider.

    `base_url` and `allow_private` that are None are the preset's. An empty `api_key` is for servers
    that ask for none: then no header of authorisation is sent. `proxy_url` leads there; it may
    hold a password.
    """

    name: str
    api_key: str = field(repr=False)
    models: Mapping[str, str]
    preset: str | None = None
    base_url: str | None = None
    allow_private: bool | None = None
    priority: int = 0
    weight: int = 1
    proxy_url: str | None = field(default=None, repr=False)


class Place(NamedTuple):
    """Where a channel leads."""

    preset: Preset
    base_url: str
    allow_private: bool


def add_channel(session: Session, new: NewChannel, *, sealer: Sealer) -> Channel:
    """Add an enabled channel. Raises `ChannelExists`, `PresetUnknown`, `InvalidChannel`,
    `ModelUnknown`."""
    if session.scalar(select(Channel.id).where(Channel.name == new.name)) is not None:
        raise ChannelExists(field="name")
    place = where_it_leads(new)
    _check_key(new.api_key, may_be_empty=place.allow_private or not place.preset.needs_key)
    _check_order(weight=new.weight)
    if not new.models:
        raise InvalidChannel("Name at least one model as SOLD=UPSTREAM.", field="models")
    channel = Channel(
        name=new.name,
        preset=new.preset,
        base_url=place.base_url,
        sealed_key=sealer.seal(new.api_key),
        sealed_proxy=sealed_proxy(new.proxy_url, sealer=sealer),
        is_enabled=True,
        allow_private=place.allow_private,
        priority=new.priority,
        weight=new.weight,
        created_at=clock.now(),
    )
    session.add(channel)
    session.flush()
    for sold, upstream in new.models.items():
        serve_model(session, channel=channel, sold=sold, upstream=upstream)
    bump(session, REVISION)
    return channel


def where_it_leads(new: NewChannel) -> Place:
    """What the preset leaves to say, filled in. Raises `PresetUnknown`, `InvalidChannel`."""
    preset = find_preset(new.preset)
    base_url = preset.base_url if new.base_url is None else new.base_url
    if base_url is None:
        raise InvalidChannel(
            f"{preset.title} has no base URL of its own: give it, as {preset.base_url_hint}.",
            field="base_url",
        )
    allow_private = preset.allow_private if new.allow_private is None else new.allow_private
    _check_url(base_url, allow_private=allow_private)
    return Place(preset, base_url.rstrip("/"), allow_private)


def find_preset(name: str | None) -> Preset:
    """The preset to make a channel from; plain where none is named. Raises `PresetUnknown`."""
    if name is None:
        return PLAIN
    preset = PRESETS.get(name)
    if preset is None:
        raise PresetUnknown(f"There is no preset {name!r}. Known are {', '.join(PRESETS)}.")
    return preset


def find_channel(session: Session, name: str) -> Channel:
    """Raises `ChannelUnknown`."""
    channel = session.scalar(select(Channel).where(Channel.name == name))
    if channel is None:
        raise ChannelUnknown
    return channel


def set_enabled(session: Session, *, channel: Channel, is_enabled: bool) -> None:
    channel.is_enabled = is_enabled
    bump(session, REVISION)


def set_base_url(
    session: Session, *, channel: Channel, base_url: str, allow_private: bool | None = None
) -> None:
    """Where the channel leads, and whether it may lead to a private host; None leaves that. Raises
    `InvalidChannel`."""
    is_private_allowed = channel.allow_private if allow_private is None else allow_private
    _check_url(base_url, allow_private=is_private_allowed)
    channel.base_url = base_url.rstrip("/")
    channel.allow_private = is_private_allowed
    bump(session, REVISION)


def replace_key(session: Session, *, channel: Channel, api_key: str, sealer: Sealer) -> None:
    """Calls under way go on with the old key. Raises `InvalidChannel`."""
    needs_key = preset_of(channel.preset).needs_key and not channel.allow_private
    _check_key(api_key, may_be_empty=not needs_key)
    channel.sealed_key = sealer.seal(api_key)
    bump(session, REVISION)


def set_order(
    session: Session, *, channel: Channel, priority: int | None = None, weight: int | None = None
) -> None:
    """When the channel is tried, and how often within its priority; None leaves it. Raises
    `InvalidChannel`."""
    if priority is not None:
        channel.priority = priority
    if weight is not None:
        _check_order(weight=weight)
        channel.weight = weight
    bump(session, REVISION)


def _check_url(base_url: str, *, allow_private: bool) -> None:
    parts = _split(base_url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidChannel("The base URL must look like https://host/v1.", field="base_url")
    if parts.scheme == "http" and not allow_private:
        raise InvalidChannel(
            "Plain http is for private hosts only: use https, or --allow-private.", field="base_url"
        )
    if parts.username is not None or "?" in base_url or "#" in base_url:
        raise InvalidChannel(
            "The base URL must not hold a user, a query or a fragment.", field="base_url"
        )


def _split(base_url: str) -> SplitResult | None:
    """The URL's parts; None where it is none. `urlsplit` forgives blanks: what is stored may not
    be another text than what was judged."""
    if not _VISIBLE_TEXT.fullmatch(base_url):
        return None
    try:
        parts = urlsplit(base_url)
        return None if parts.port == 0 else parts
    except ValueError:
        return None


def _check_key(api_key: str, *, may_be_empty: bool) -> None:
    if not api_key and may_be_empty:
        return
    if not api_key:
        raise InvalidChannel(
            "This provider needs a key: name its variable with --api-key-env.", field="api_key"
        )
    if not _VISIBLE_TEXT.fullmatch(api_key):
        raise InvalidChannel(
            "The provider's key must be printable ASCII without spaces.", field="api_key"
        )


def _check_order(*, weight: int) -> None:
    if weight < 1:
        raise InvalidChannel("The weight must be at least 1.", field="weight")
