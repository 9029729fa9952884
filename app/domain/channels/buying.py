"""Where models are bought: add, enable and disable channels. Rules; the edge commits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Sealer
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.selling import REVISION, find_model
from app.domain.channels.errors import ChannelExists, ChannelUnknown, InvalidChannel
from app.domain.channels.models import Channel, ChannelModel, CostVersion, LimitField, StreamUsage
from app.domain.settings.revisions import bump

_VISIBLE_TEXT = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChannel:
    """A channel to add. `models` maps each sold name to the name at the provider."""

    name: str
    base_url: str
    api_key: str
    models: Mapping[str, str]
    allow_private: bool = False
    priority: int = 0
    weight: int = 1


def add_channel(session: Session, new: NewChannel, *, sealer: Sealer) -> Channel:
    """Add an enabled channel. Raises `ChannelExists`, `InvalidChannel`, `ModelUnknown`."""
    if session.scalar(select(Channel.id).where(Channel.name == new.name)) is not None:
        raise ChannelExists(field="name")
    _check(new)
    channel = Channel(
        name=new.name,
        base_url=new.base_url.rstrip("/"),
        sealed_key=sealer.seal(new.api_key),
        is_enabled=True,
        allow_private=new.allow_private,
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


def serve_model(session: Session, *, channel: Channel, sold: str, upstream: str) -> ChannelModel:
    """Let `channel` serve a model, with the facts of a plain OpenAI-compatible server.

    A limit includes reasoning and is not relied upon; usage in streams is asked for.
    """
    row = ChannelModel(
        channel_id=channel.id,
        model_id=find_model(session, sold).id,
        upstream_name=upstream,
        limit_field=LimitField.MAX_TOKENS,
        limit_includes_reasoning=True,
        enforces_limit=True,
        stream_usage=StreamUsage.ASK,
        cancel_stops_billing=False,
        cut_member=None,
        base64_embeddings=True,
        knows_service_tier=False,
        knows_safety_identifier=False,
        retry_after_timeout=False,
    )
    session.add(row)
    session.flush()
    return row


def find_channel(session: Session, name: str) -> Channel:
    """Raises `ChannelUnknown`."""
    channel = session.scalar(select(Channel).where(Channel.name == name))
    if channel is None:
        raise ChannelUnknown
    return channel


def set_enabled(session: Session, *, channel: Channel, is_enabled: bool) -> None:
    channel.is_enabled = is_enabled
    bump(session, REVISION)


def set_base_url(session: Session, *, channel: Channel, base_url: str) -> None:
    """Raises `InvalidChannel`."""
    _check_url(base_url, allow_private=channel.allow_private)
    channel.base_url = base_url.rstrip("/")
    bump(session, REVISION)


def set_cost(
    session: Session, *, channel_model: ChannelModel, sheet: PriceSheet, author: str, reason: str
) -> CostVersion:
    """Record what the channel charges us for a model from now on."""
    version = CostVersion(
        channel_model_id=channel_model.id,
        effective_at=clock.now(),
        sheet=sheet.to_json(),
        author=author,
        reason=reason,
        created_at=clock.now(),
    )
    session.add(version)
    session.flush()
    bump(session, REVISION)
    return version


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


def _check(new: NewChannel) -> None:
    _check_url(new.base_url, allow_private=new.allow_private)
    if not _VISIBLE_TEXT.fullmatch(new.api_key):
        raise InvalidChannel(
            "The provider's key must be printable ASCII without spaces.", field="api_key"
        )
    if not new.models:
        raise InvalidChannel("Name at least one model as SOLD=UPSTREAM.", field="models")
    if new.weight < 1:
        raise InvalidChannel("The weight must be at least 1.", field="weight")
