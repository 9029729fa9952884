"""Which ways to a model are healthy, as this process sees it: breakers, rests, suspicions.

Each attempt takes its way with `begin` and reports once, in the same thread: `succeeded` or
`failed`. `broke` takes a success back: the answer began, and broke off by the provider's fault. A
caller's own fault is reported as `Sort.CALLER` and changes nothing but that the place of a
half-open breaker is free again.

A dead channel is only a suspicion here: `probing` asks the provider itself. What it learns is
told by `cleared`; for a minute after that, a seemingly dead channel is taken for one customer's
doing.
"""

import logging
import random
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from math import ceil
from threading import get_ident
from typing import NamedTuple

from app.core import clock
from app.domain.channels import breaker as breakers
from app.domain.channels.breaker import CLOSED, Breaker, BreakerRules
from app.domain.channels.models import BreakerTurn
from app.domain.channels.offers import Route, Way
from app.domain.channels.states import StoreTurn
from app.gateway.provider_errors import Sort

log = logging.getLogger(__name__)

REST_MAX_S = 60
PROBE_PAUSE_S = 60.0
IDLE_S = 60.0

Pair = tuple[int, int]
"""A channel's id and a model's id."""


class Suspicion(NamedTuple):
    """A channel that seems dead, and the attempt that made it seem so."""

    route: Route
    model_id: int
    outcome: str


class _Health:
    """One pair. `uncounted` are successes in the slice `slot` that the breaker has yet to see:
    counting them one by one would cost each call more than it tells."""

    __slots__ = (
        *("breaker", "cleared_at_s", "last_failure", "lock"),
        *("rests_until_s", "slot", "uncounted", "way"),
    )

    def __init__(self, way: Way) -> None:
        self.lock = threading.Lock()
        self.way = way
        self.breaker = CLOSED
        self.slot = 0
        self.uncounted = 0
        self.rests_until_s = 0.0
        self.cleared_at_s = -PROBE_PAUSE_S
        self.last_failure: str | None = None


class ChannelHealth:
    """Shared by the threads of a process. `monotonic` and `chance` are replaced by tests."""

    def __init__(
        self,
        rules: BreakerRules | None = None,
        *,
        monotonic: Callable[[], float] = clock.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.rules = rules or BreakerRules()
        self._monotonic = monotonic
        self._chance = chance
        self._slots_per_s = self.rules.window_slots / self.rules.window_s
        self._pairs: dict[Pair, _Health] = {}
        self._ailing: dict[Pair, _Health] = {}
        self._narrowed: dict[int, tuple[Route, ...]] = {}
        self._turns: dict[Pair, StoreTurn] = {}
        self._suspicions: dict[int, Suspicion] = {}
        self._probed_at_s: dict[int, float] = {}
        self._lock = threading.Lock()

    def healthy(self, routes: tuple[Route, ...], model_id: int) -> tuple[Route, ...]:
        """The routes that may be tried now; the very tuple where all may."""
        if not self._ailing:
            return routes
        fit = tuple(route for route in routes if self.is_healthy(route, model_id))
        if len(fit) == len(routes):
            return routes
        # One tuple as long as nothing changes: what is derived from it is kept by its identity.
        kept = self._narrowed.get(model_id)
        if kept is not None and kept == fit:
            return kept
        self._narrowed[model_id] = fit
        return fit

    def is_healthy(self, route: Route, model_id: int) -> bool:
        """Whether a call may take this route now; takes no place."""
        pair = (route.channel_id, model_id)
        health = self._ailing.get(pair)
        if health is None:
            return True
        now_s = self._monotonic()
        if health.way != route.way:
            self._start_afresh(pair, health, route)
            return True
        if now_s < health.rests_until_s:
            return False
        if health.breaker.turn is BreakerTurn.CLOSED:
            with health.lock:
                if health.breaker.turn is BreakerTurn.CLOSED:  # still: another thread may report
                    self._is_well(pair, health)
            return True
        return breakers.may_try(health.breaker, now_s, rules=self.rules)

    def begin(self, route: Route, model_id: int) -> bool:
        """Whether this attempt may be made now. Takes the one place of a half-open breaker, which
        the report of this thread gives back; without a report it is free after a while."""
        pair = (route.channel_id, model_id)
        health = self._ailing.get(pair)
        if health is None:
            return True
        with health.lock:
            now_s = self._monotonic()
            if now_s < health.rests_until_s:
                return False
            tried = breakers.try_one(health.breaker, now_s, rules=self.rules, trier=get_ident())
            if tried is None:
                return False
            self._turn(pair, health, tried, route)
        return True

    def succeeded(self, route: Route, model_id: int) -> None:
        """An attempt began to answer."""
        pair = (route.channel_id, model_id)
        health = self._pairs.get(pair) or self._new(pair, route)
        now_s = self._monotonic()
        slot = int(now_s * self._slots_per_s)
        with health.lock:
            if health.breaker.turn is BreakerTurn.CLOSED:
                if slot != health.slot:
                    self._count(health)
                    health.slot = slot
                health.uncounted += 1
            else:
                closed = breakers.succeed(
                    health.breaker, now_s, rules=self.rules, trier=get_ident()
                )
                self._turn(pair, health, closed, route)

    def failed(
        self, route: Route, model_id: int, *, sort: Sort, outcome: str, wait_s: int | None = None
    ) -> None:
        """An attempt did not begin to answer. `outcome` is a machine word of ours, `wait_s` how
        long the provider told our account to wait."""
        pair = (route.channel_id, model_id)
        health = self._pairs.get(pair) or self._new(pair, route)
        with health.lock:
            now_s = self._monotonic()
            if sort is Sort.WAIT and wait_s is not None:
                rest_s = min(max(wait_s, 1), REST_MAX_S)
                health.rests_until_s = max(health.rests_until_s, now_s + rest_s)
                health.way = route.way
                self._ailing[pair] = health
            counts = sort is not Sort.CALLER and not (sort is Sort.WAIT and wait_s is not None)
            if sort is Sort.DEAD:
                counts = now_s >= health.cleared_at_s + PROBE_PAUSE_S
                self._suspect(Suspicion(route, model_id, outcome), now_s)
            if counts:
                self._fail(pair, health, route, outcome)
            else:
                given_up = breakers.give_up(health.breaker, trier=get_ident())
                self._turn(pair, health, given_up, route)

    def broke(self, route: Route, model_id: int, *, outcome: str) -> None:
        """An answer that had begun broke off by the provider's fault."""
        pair = (route.channel_id, model_id)
        health = self._pairs.get(pair) or self._new(pair, route)
        with health.lock:
            self._count(health)
            health.last_failure = outcome
            broken = breakers.break_off(
                health.breaker, self._monotonic(), rules=self.rules, random=self._chance
            )
            self._turn(pair, health, broken, route)

    def cleared(self, route: Route, model_id: int) -> None:
        """Our own request was answered: the breaker closes, and what seemed dead was not."""
        pair = (route.channel_id, model_id)
        health = self._pairs.get(pair) or self._new(pair, route)
        with health.lock:
            health.cleared_at_s = self._monotonic()
            health.uncounted = 0
            self._turn(pair, health, CLOSED, route)

    def soonest_s(self, routes: Iterable[Route], model_id: int) -> int:
        """In how many seconds the first of these routes may be tried again, from 1 to 60."""
        now_s = self._monotonic()
        waits_s = [self._free_at_s(route, model_id) - now_s for route in routes]
        return min(max(ceil(min(waits_s, default=1.0)), 1), REST_MAX_S)

    def take_turns(self) -> Sequence[StoreTurn]:
        """What turned since the last time, the latest of each pair, to be stored."""
        with self._lock:
            turns, self._turns = list(self._turns.values()), {}
        return turns

    def keep_turns(self, turns: Iterable[StoreTurn]) -> None:
        """Turns that could not be stored; later ones of the same pair win."""
        with self._lock:
            self._turns = {(turn.channel_id, turn.model_id): turn for turn in turns} | self._turns

    def take_suspicions(self) -> Sequence[Suspicion]:
        """The channels to probe now; each at most once a minute."""
        with self._lock:
            taken = list(self._suspicions.values())
            self._suspicions.clear()
            for suspicion in taken:
                self._probed_at_s[suspicion.route.channel_id] = self._monotonic()
        return taken

    def overdue(self) -> Collection[Pair]:
        """The pairs that might have been tried again for a minute, and were not."""
        by_s = self._monotonic() - IDLE_S
        with self._lock:
            ailing = list(self._ailing.items())
        return {
            pair
            for pair, health in ailing
            if health.breaker.turn is not BreakerTurn.CLOSED
            and breakers.next_try_s(health.breaker, rules=self.rules) <= by_s
        }

    def recall(self, route: Route, model_id: int, *, opened_ms: int, failure: str | None) -> None:
        """What an earlier process stored: the breaker is open, and the first call tries."""
        pair = (route.channel_id, model_id)
        health = self._new(pair, route)
        now_s = self._monotonic()
        age_s = max(clock.now_ms() - opened_ms, 0) / 1000
        with health.lock:
            if health.breaker.turn is BreakerTurn.CLOSED:
                health.last_failure = failure
                health.breaker = Breaker(
                    turn=BreakerTurn.OPEN,
                    opened_at_s=now_s - age_s,
                    resumes_at_s=now_s,
                    openings=1,
                )
                self._ailing[pair] = health

    def _new(self, pair: Pair, route: Route) -> _Health:
        with self._lock:
            return self._pairs.setdefault(pair, _Health(route.way))

    def _count(self, health: _Health) -> None:
        """Let the breaker see the successes that were only added up."""
        if health.uncounted:
            health.breaker = breakers.count(
                health.breaker,
                health.slot,
                succeeded=health.uncounted,
                failed=0,
                slots_max=self.rules.window_slots,
            )
            health.uncounted = 0

    def _fail(self, pair: Pair, health: _Health, route: Route, outcome: str) -> None:
        self._count(health)
        health.last_failure = outcome
        failed = breakers.fail(
            health.breaker,
            self._monotonic(),
            rules=self.rules,
            random=self._chance,
            trier=get_ident(),
        )
        self._turn(pair, health, failed, route)

    def _turn(self, pair: Pair, health: _Health, after: Breaker, route: Route) -> None:
        """Put the breaker in its new state; a turn is logged and waits to be stored."""
        before, health.breaker = health.breaker, after
        if before.turn is after.turn and before.openings == after.openings:
            return
        if after.turn is BreakerTurn.CLOSED:
            self._is_well(pair, health)
        else:
            health.way = route.way
            self._ailing[pair] = health
        now_s, now_ms = self._monotonic(), clock.now_ms()
        opened_ms = None
        if after.opened_at_s is not None:
            opened_ms = now_ms - int((now_s - after.opened_at_s) * 1000)
        turn = StoreTurn(*pair, after.turn, opened_ms, now_ms, health.last_failure)
        with self._lock:
            self._turns[pair] = turn
        log.warning(
            "a breaker turned",
            extra={
                "channel": route.channel_name,
                "model_id": pair[1],
                "turn": after.turn.value,
                "pause_s": round(max(after.resumes_at_s - now_s, 0), 1),
                "failure": health.last_failure,
            },
        )

    def _is_well(self, pair: Pair, health: _Health) -> None:
        if self._monotonic() >= health.rests_until_s:
            self._ailing.pop(pair, None)

    def _start_afresh(self, pair: Pair, health: _Health, route: Route) -> None:
        """The operator gave the channel another URL, key or proxy: what was is no longer true."""
        with health.lock:
            health.way = route.way
            health.rests_until_s = 0.0
            health.uncounted = 0
            self._ailing.pop(pair, None)
            self._turn(pair, health, CLOSED, route)

    def _suspect(self, suspicion: Suspicion, now_s: float) -> None:
        channel_id = suspicion.route.channel_id
        with self._lock:
            if now_s >= self._probed_at_s.get(channel_id, -PROBE_PAUSE_S) + PROBE_PAUSE_S:
                self._suspicions.setdefault(channel_id, suspicion)

    def _free_at_s(self, route: Route, model_id: int) -> float:
        health = self._ailing.get((route.channel_id, model_id))
        if health is None:
            return 0.0
        return max(health.rests_until_s, breakers.next_try_s(health.breaker, rules=self.rules))
