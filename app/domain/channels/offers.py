"""The catalogue as the hot path sees it: frozen offers, read once and kept while nothing changes.

An `Offer` is a model with its prices and the routes by which it can be bought. The snapshot is
reloaded when the revision moves, so that a change is in force within a second in every process.
"""

import logging
import threading
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import SealBroken, Sealer
from app.domain.catalog.kinds import SERVED_KINDS, ModelKind
from app.domain.catalog.models import Model, PriceVersion
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.selling import REVISION
from app.domain.channels.models import (
    Channel,
    ChannelModel,
    CostVersion,
    LimitField,
    StreamUsage,
)
from app.domain.channels.presets import PLAIN, Dialect, preset_of
from app.domain.channels.proxies import OutgoingProxy, proxy_of
from app.domain.settings.revisions import RevisionWatch

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Price:
    """One version of a sale or cost price."""

    version_id: int
    effective_ms: int
    sheet: PriceSheet


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """Versions in the order in which they come into force."""

    versions: tuple[Price, ...]
    _moments: tuple[int, ...]

    @classmethod
    def of(cls, versions: list[Price]) -> "PriceHistory":
        ordered = sorted(versions, key=lambda price: (price.effective_ms, price.version_id))
        return cls(tuple(ordered), tuple(price.effective_ms for price in ordered))

    def in_force(self, at_ms: int) -> Price | None:
        """The version in force at a moment; None before the first."""
        position = bisect_right(self._moments, at_ms)
        return self.versions[position - 1] if position else None


Way = tuple[str, str, OutgoingProxy | None]
"""Base URL, key and proxy: what makes a provider's account, reached so, another one."""


@dataclass(frozen=True, slots=True)
class Route:
    """One enabled channel that serves a model, with all the gateway must know of it.

    `api_key` is the opened secret: it never leaves the process but in the request to the provider;
    so it is with the credentials of `proxy`, which that proxy alone gets.
    """

    channel_id: int
    channel_name: str
    base_url: str
    api_key: str
    allow_private: bool
    priority: int
    weight: int
    upstream_name: str
    limit_field: LimitField
    limit_includes_reasoning: bool
    enforces_limit: bool
    stream_usage: StreamUsage
    cancel_stops_billing: bool
    cut_member: str | None
    base64_embeddings: bool
    knows_service_tier: bool
    knows_safety_identifier: bool
    retry_after_timeout: bool
    costs: PriceHistory
    preset: str = PLAIN.name
    dialect: Dialect = Dialect.PLAIN
    proxy: OutgoingProxy | None = None

    @property
    def way(self) -> Way:
        """While it stays the same, what was learned of the channel's health holds."""
        return self.base_url, self.api_key, self.proxy


@dataclass(frozen=True, slots=True)
class Offer:
    """A published model. It is *sellable* while `is_sellable` says so."""

    model_id: int
    name: str
    provider: str
    kind: ModelKind
    abilities: frozenset[str]
    max_input_tokens: int | None
    max_output_tokens: int | None
    max_tokens_per_input_image: int | None
    max_tokens_per_output_image: int | None
    allows_trial: bool
    retires_on: date | None
    created_s: int
    prices: PriceHistory
    routes: tuple[Route, ...]

    def is_sellable(self, at_ms: int) -> bool:
        """For sale, and on an enabled channel."""
        return bool(self.routes) and self.is_for_sale(at_ms)

    def is_for_sale(self, at_ms: int) -> bool:
        """Not retired, of a kind we serve, and priced: sellable, but for the channel."""
        return (
            self.kind in SERVED_KINDS
            and self.prices.in_force(at_ms) is not None
            and not self.is_retired(at_ms)
        )

    def is_retired(self, at_ms: int) -> bool:
        """Whether the retirement date (UTC) has come."""
        return self.retires_on is not None and at_ms >= _midnight_ms(self.retires_on)


Offers = Mapping[str, Offer]


class OfferBook:
    """The process's snapshot of all published models by name."""

    def __init__(self, engine: Engine, *, sealer: Sealer, revisions: RevisionWatch) -> None:
        self._engine = engine
        self._sealer = sealer
        self._revisions = revisions
        self._lock = threading.Lock()
        self._loaded: tuple[int, Offers] | None = None

    def offers(self) -> Offers:
        """The published models now. Reloads when the catalogue has changed."""
        number = self._revisions.number(REVISION)
        loaded = self._loaded
        if loaded is not None and loaded[0] == number:
            return loaded[1]
        with self._lock:
            if self._loaded is None or self._loaded[0] != number:
                with Session(self._engine) as session:
                    self._loaded = (number, load_offers(session, sealer=self._sealer))
            return self._loaded[1]

    def sellable(self) -> list[Offer]:
        """What can be sold at this moment, in the order of the names."""
        now_ms = clock.now_ms()
        found = [offer for offer in self.offers().values() if offer.is_sellable(now_ms)]
        return sorted(found, key=lambda offer: offer.name)


class _Secrets(NamedTuple):
    """What of a channel is sealed, opened."""

    api_key: str
    proxy: OutgoingProxy | None


def load_offers(session: Session, *, sealer: Sealer) -> Offers:
    """Read every published model with its prices and enabled channels."""
    prices = _histories(session, PriceVersion, PriceVersion.model_id)
    routes = _routes(session, sealer)
    models = session.scalars(select(Model).where(Model.is_published))
    return {model.name: _offer(model, prices, routes) for model in models}


def route_of(channel: Channel, served: ChannelModel, *, sealer: Sealer) -> Route:
    """One channel model as a route, enabled or not, without costs: to try it out.

    Raises `SealBroken`.
    """
    secrets = _secrets(channel, sealer)
    return _route(channel, served, secrets=secrets, costs=PriceHistory.of([]))


def _offer(
    model: Model, prices: Mapping[int, PriceHistory], routes: Mapping[int, list[Route]]
) -> Offer:
    return Offer(
        model_id=model.id,
        name=model.name,
        provider=model.provider,
        kind=model.kind,
        abilities=frozenset(model.abilities),
        max_input_tokens=model.max_input_tokens,
        max_output_tokens=model.max_output_tokens,
        max_tokens_per_input_image=model.max_tokens_per_input_image,
        max_tokens_per_output_image=model.max_tokens_per_output_image,
        allows_trial=model.allows_trial,
        retires_on=model.retires_on,
        created_s=int(model.created_at.timestamp()),
        prices=prices.get(model.id, PriceHistory.of([])),
        routes=tuple(routes.get(model.id, ())),
    )


def _routes(session: Session, sealer: Sealer) -> dict[int, list[Route]]:
    costs = _histories(session, CostVersion, CostVersion.channel_model_id)
    rows = session.execute(
        select(ChannelModel, Channel)
        .join(Channel, Channel.id == ChannelModel.channel_id)
        .where(Channel.is_enabled, ChannelModel.is_served)
        .order_by(ChannelModel.id)
    )
    found: dict[int, list[Route]] = {}
    for served, channel in rows:
        secrets = _secrets_if_open(channel, sealer)
        if secrets is not None:
            history = costs.get(served.id, PriceHistory.of([]))
            route = _route(channel, served, secrets=secrets, costs=history)
            found.setdefault(served.model_id, []).append(route)
    return found


def _route(
    channel: Channel, served: ChannelModel, *, secrets: _Secrets, costs: PriceHistory
) -> Route:
    preset = preset_of(channel.preset)
    return Route(
        channel_id=channel.id,
        channel_name=channel.name,
        base_url=channel.base_url,
        api_key=secrets.api_key,
        allow_private=channel.allow_private,
        priority=channel.priority,
        weight=channel.weight,
        upstream_name=served.upstream_name,
        limit_field=served.limit_field,
        limit_includes_reasoning=served.limit_includes_reasoning,
        enforces_limit=served.enforces_limit,
        stream_usage=served.stream_usage,
        cancel_stops_billing=served.cancel_stops_billing,
        cut_member=served.cut_member,
        base64_embeddings=served.base64_embeddings,
        knows_service_tier=served.knows_service_tier,
        knows_safety_identifier=served.knows_safety_identifier,
        retry_after_timeout=served.retry_after_timeout,
        costs=costs,
        preset=preset.name,
        dialect=preset.dialect,
        proxy=secrets.proxy,
    )


def _secrets_if_open(channel: Channel, sealer: Sealer) -> _Secrets | None:
    """What is sealed; None, and a line in the log, where SEALING_KEYS no longer open it: the other
    channels must go on, and nobody is reached without the proxy meant for it."""
    try:
        return _secrets(channel, sealer)
    except SealBroken:
        log.error("a channel's key or proxy cannot be opened", extra={"channel": channel.name})
        return None


def _secrets(channel: Channel, sealer: Sealer) -> _Secrets:
    return _Secrets(sealer.open(channel.sealed_key), proxy_of(channel, sealer=sealer))


def _histories(
    session: Session, table: type[PriceVersion] | type[CostVersion], owner: object
) -> dict[int, PriceHistory]:
    found: dict[int, list[Price]] = {}
    rows = session.execute(select(owner, table.id, table.effective_at, table.sheet))  # type: ignore[call-overload]
    for owner_id, version_id, effective_at, sheet in rows:
        effective_ms = clock.ms_of(effective_at)
        price = Price(version_id, effective_ms, PriceSheet.from_json(sheet))
        found.setdefault(owner_id, []).append(price)
    return {owner_id: PriceHistory.of(versions) for owner_id, versions in found.items()}


def _midnight_ms(day: date) -> int:
    return (day - date(1970, 1, 1)).days * 86_400_000
