"""What a rate limit counts in: the interface of its storages, and the one in memory.

A sliding window is two periods: what the current one counted, and of the one before the share that
the window still covers. The same way of counting as the `limits` library's, which speaks to Redis
for us (``rate_redis.py``); its own memory is not exact under threads and starts a timer thread
while it counts.
"""

import threading
from typing import NamedTuple, Protocol

from app.core import clock

CLEANED_FROM_KEYS = 1024


class Window(NamedTuple):
    """What was counted; the current period ends in `left_s`."""

    previous: int
    current: int
    left_s: float

    def weight(self, window_s: int) -> int:
        """How much of the amount is taken now."""
        return self.current + int(self.previous * self.left_s / window_s)


class Windows(Protocol):
    """A storage. What it counts belongs to a `key`, which is always asked with one `window_s`."""

    def take(self, key: str, *, limit: int, window_s: int, cost: int) -> tuple[bool, Window]:
        """Count `cost` unless the window would then weigh more than `limit`; whether it did, and
        the window afterwards. Exact, whoever else counts at the same time."""

    def add(self, key: str, *, window_s: int, cost: int) -> None:
        """Count `cost` whatever the window weighs."""

    def look(self, key: str, *, window_s: int) -> Window:
        """The window as it is."""


class _Count:
    """Two neighbouring periods; `number` is the current one's since the epoch."""

    __slots__ = ("current", "number", "previous", "window_s")

    def __init__(self, number: int, window_s: int) -> None:
        self.number = number
        self.window_s = window_s
        self.previous = 0
        self.current = 0

    def roll(self, number: int) -> None:
        """Go on to a later period; a clock that was set back does not lead to an earlier one."""
        if number <= self.number:
            return
        self.previous = self.current if number == self.number + 1 else 0
        self.current = 0
        self.number = number


class MemoryWindows:
    """Counts in this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, _Count] = {}
        self._clean_at = CLEANED_FROM_KEYS

    def take(self, key: str, *, limit: int, window_s: int, cost: int) -> tuple[bool, Window]:
        with self._lock:
            count, left_s = self._now(key, window_s)
            window = Window(count.previous, count.current, left_s)
            if window.weight(window_s) + cost > limit:
                return False, window
            count.current += cost
            return True, Window(count.previous, count.current, left_s)

    def add(self, key: str, *, window_s: int, cost: int) -> None:
        with self._lock:
            count, _ = self._now(key, window_s)
            count.current += cost

    def look(self, key: str, *, window_s: int) -> Window:
        with self._lock:
            if key not in self._counts:
                return Window(0, 0, 0.0)
            count, left_s = self._now(key, window_s)
            return Window(count.previous, count.current, left_s)

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._counts)

    def _now(self, key: str, window_s: int) -> tuple[_Count, float]:
        """The key's count in the present period, and how long that still lasts."""
        number, passed_s = divmod(clock.now_s(), window_s)
        count = self._counts.get(key)
        if count is None:
            if len(self._counts) >= self._clean_at:
                self._forget_old()
            count = self._counts[key] = _Count(int(number), window_s)
        else:
            count.roll(int(number))
        return count, window_s - passed_s

    def _forget_old(self) -> None:
        """Drop what no window covers. Done when the keys have doubled, so it costs each hit little,
        however many invent new subjects."""
        now_s = clock.now_s()
        self._counts = {
            key: count
            for key, count in self._counts.items()
            if now_s < (count.number + 2) * count.window_s
        }
        self._clean_at = max(CLEANED_FROM_KEYS, 2 * len(self._counts))
