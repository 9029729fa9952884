"""Rate limits: at most so many hits, or so much of anything, in a sliding window.

Where is counted: one process counts in its memory; several share, by Redis where there is one, else
by the database. While Redis is out, limits hold by what there would be without it.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Engine

from app.core.errors import TooManyRequests
from app.core.rate_redis import RedisWindows, Standby
from app.core.rate_storage import MemoryWindows, Window, Windows
from app.core.rate_windows import TableWindows


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `amount` hits by `subject` (an IP, an id) in any `window_s`; `name` says of what.

    The amount may change from one hit to the next: what was counted stays.
    """

    name: str
    subject: str
    amount: int
    window_s: int = 60

    @property
    def key(self) -> str:
        return f"{self.name}/{self.subject}/{self.window_s}"


class Taken(NamedTuple):
    """What a quota said. `remaining` may still be taken now; a refused one allows the same after
    `wait_s` (0 where it was allowed); after `reset_s` without hits all of it is free again."""

    is_allowed: bool
    remaining: int
    wait_s: int
    reset_s: int


class RateLimiter:
    """Counts hits in `windows`: where none are given, in this object's own memory."""

    def __init__(self, windows: Windows | None = None) -> None:
        self._windows = windows or MemoryWindows()

    def hit(self, *quotas: Quota) -> int | None:
        """Count one hit on each quota; None where all allow it, else the seconds to wait.

        Quotas are asked in order up to the first that refuses, and a refused hit is not counted
        there: put the narrowest first.
        """
        for quota in quotas:
            taken = self.take(quota)
            if not taken.is_allowed:
                return taken.wait_s
        return None

    def require(self, *quotas: Quota, longest_wait_s: int | None = None) -> None:
        """`hit`, and `TooManyRequests` where one refuses; it tells to wait `longest_wait_s` at
        most."""
        wait_s = self.hit(*quotas)
        if wait_s is not None:
            told_s = wait_s if longest_wait_s is None else min(wait_s, longest_wait_s)
            raise TooManyRequests(retry_after_s=told_s)

    def take(self, quota: Quota, cost: int = 1) -> Taken:
        """Count `cost` where all of it fits; a refused one is not counted.

        A cost above the whole amount never fits: its `wait_s` is only the window's length.
        """
        if quota.amount <= 0:
            return Taken(False, 0, quota.window_s, quota.window_s)
        is_allowed, window = self._windows.take(
            quota.key, limit=quota.amount, window_s=quota.window_s, cost=cost
        )
        return _taken(quota, window, wait_s=0 if is_allowed else _wait_s(quota, window, cost))

    def add(self, quota: Quota, cost: int) -> None:
        """Count `cost` whether it fits or not: what was used already. Later hits feel it."""
        self._windows.add(quota.key, window_s=quota.window_s, cost=cost)

    def give_back(self, quota: Quota, cost: int) -> None:
        """Take back what `take` counted, as far as the current period holds it: one that ended
        meanwhile fades by itself, and the next must not begin below nothing."""
        window = self._windows.look(quota.key, window_s=quota.window_s)
        returned = min(cost, window.current)
        if returned > 0:
            self._windows.add(quota.key, window_s=quota.window_s, cost=-returned)

    def peek(self, quota: Quota) -> Taken:
        """What `take` of one would say; counts nothing."""
        window = self._windows.look(quota.key, window_s=quota.window_s)
        is_full = window.weight(quota.window_s) >= quota.amount
        return _taken(quota, window, wait_s=_wait_s(quota, window, 1) if is_full else 0)


def open_windows(engine: Engine, *, redis_url: str) -> Windows:
    """The storage of this process; opens no connection yet. Only SQLite is one process's own."""
    own = MemoryWindows() if engine.dialect.name == "sqlite" else TableWindows(engine)
    return Standby(RedisWindows(redis_url), own) if redis_url else own


def _taken(quota: Quota, window: Window, *, wait_s: int) -> Taken:
    window_s = quota.window_s
    remaining = max(quota.amount - window.weight(window_s), 0)
    reset_s = 0.0
    if window.current:
        reset_s = window.left_s + window_s
    elif window.previous:
        reset_s = window.left_s
    return Taken(not wait_s, remaining, wait_s, math.ceil(reset_s))


def _wait_s(quota: Quota, window: Window, cost: int) -> int:
    """Until the window has slid far enough for `cost` more."""
    window_s = quota.window_s
    room = quota.amount - cost
    if room < 0:
        return window_s
    if window.current > room:
        # Once the current period is over it weighs less and less itself.
        wait_s = window.left_s + (window.current - room) * window_s / window.current
    elif window.previous:
        wait_s = window.left_s - (room - window.current) * window_s / window.previous
    else:
        wait_s = 1.0  # the window slid on between the refusal and this look
    return min(max(math.ceil(wait_s), 1), 2 * window_s)
