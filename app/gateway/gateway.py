"""The gateway's own things in one process: readers, places, connections, calls under way."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Digester
from app.core.ratelimit import RateLimiter
from app.core.writer import Writer
from app.domain.billing.bound_facts import BoundFacts, dearest_facts
from app.domain.billing.leases import start_lease
from app.domain.channels.offers import Offer, OfferBook, Route, Way
from app.gateway.authentication import Keys
from app.gateway.dialing import Target, parse_base_url
from app.gateway.exchange import Timeouts
from app.gateway.health import ChannelHealth
from app.gateway.limits import BodyBudget, RunningCounts, Slots, Uploads
from app.gateway.measures import Measures
from app.gateway.model_facts import facts_of
from app.gateway.upstream import UpstreamPool, header_lines

NEWS_PAUSE_S = 60.0


class Running(Protocol):
    """A call that delivers: what the heartbeat stores of it, in case the process dies."""

    @property
    def call_id(self) -> int: ...
    @property
    def delivered_frames(self) -> int: ...
    def local_input_tokens(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Wire:
    """Where and how a route's requests go: made once a channel."""

    target: Target
    prefix: str
    headers: bytes


@dataclass
class Gateway:
    """Built once a process, shared by its threads. `boot` holds the boot settings by name."""

    boot: dict[str, Any]
    engine: Engine
    digester: Digester
    writer: Writer
    offers: OfferBook
    keys: Keys
    slots: Slots
    pool: UpstreamPool
    limiter: RateLimiter
    measures: Measures
    bodies: BodyBudget = field(default_factory=BodyBudget)
    health: ChannelHealth = field(default_factory=ChannelHealth)
    running: dict[int, Running] = field(default_factory=dict)
    running_counts: RunningCounts = field(default_factory=RunningCounts)
    is_draining: bool = False
    _wires: dict[tuple[int, bool, Way], Wire] = field(default_factory=dict)
    _facts: dict[int, tuple[Offer, tuple[Route, ...], BoundFacts]] = field(default_factory=dict)
    _told: dict[Hashable, float] = field(default_factory=dict)
    _lease_id: int | None = None
    _lease_lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.uploads = Uploads(self.slots.places)
        self.drains = threading.BoundedSemaphore(self.boot["DRAIN_STREAMS"])
        connect_s, idle_s = self.boot["UPSTREAM_CONNECT_S"], self.boot["UPSTREAM_IDLE_S"]
        total_s = self.boot["UPSTREAM_TOTAL_S"]
        self.timeouts = {
            is_streamed: Timeouts(connect_s, self.boot[name], idle_s, total_s)
            for is_streamed, name in (
                (True, "UPSTREAM_FIRST_CONTENT_STREAM_S"),
                (False, "UPSTREAM_FIRST_CONTENT_WHOLE_S"),
            )
        }

    @property
    def lease_id(self) -> int:
        """This process's lease, taken at its first call; the heartbeat renews it."""
        if self._lease_id is None:
            with self._lease_lock:
                if self._lease_id is None:
                    with Session(self.engine) as session:
                        self._lease_id = start_lease(session)
                        session.commit()
        return self._lease_id

    def is_news(self, cause: Hashable) -> bool:
        """Whether this cause was not told within the last minute. A provider may give every answer
        the same fault: each telling is a write."""
        now_s = clock.monotonic()
        if self._told.get(cause, -NEWS_PAUSE_S) > now_s - NEWS_PAUSE_S:
            return False
        self._told[cause] = now_s
        return True

    def facts(self, offer: Offer, routes: tuple[Route, ...]) -> BoundFacts:
        """What bounds a call's cost, the dearest over `routes`; kept while the snapshot stays."""
        kept = self._facts.get(offer.model_id)
        if kept is None or kept[0] is not offer or kept[1] is not routes:
            facts = dearest_facts(facts_of(offer, route) for route in routes)
            kept = self._facts[offer.model_id] = (offer, routes, facts)
        return kept[2]

    def wire(self, route: Route) -> Wire:
        """The route's target, path prefix and header lines. `ValueError`: an unusable URL."""
        key = (route.channel_id, route.allow_private, route.way)
        found = self._wires.get(key)
        if found is None:
            target, prefix = parse_base_url(
                route.base_url, allow_private=route.allow_private, proxy=route.proxy
            )
            # A server of the operator's own may ask for no key: then none is sent, not an empty
            # one, which some refuse.
            bearer = [(b"Authorization", b"Bearer " + route.api_key.encode())]
            headers = header_lines(
                [
                    *(bearer if route.api_key else ()),
                    (b"Content-Type", b"application/json"),
                    (b"Accept", b"application/json, text/event-stream"),
                    (b"User-Agent", b"FlowHubLLM"),
                ]
            )
            found = self._wires[key] = Wire(target, prefix, headers)
        return found
