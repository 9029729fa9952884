"""A value kept in the process and looked at again every half second: in force within a second."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from app.core import clock

POLL_S = 0.5
OLDEST_S = 0.9

T = TypeVar("T")


class Polled(Generic[T]):
    """Calls `load(previous)` at most every `POLL_S`, from one thread at a time.

    While one thread reads, the others go on with the value at hand, unless it is older than
    `OLDEST_S`: then they wait, so that no value is ever a second behind. What `load` raises is
    raised to the caller, and the next call tries again.
    """

    def __init__(
        self, load: Callable[[T | None], T], *, now: Callable[[], float] = clock.monotonic
    ) -> None:
        self._load = load
        self._now = now
        self._lock = threading.Lock()
        self._value: T | None = None
        self._read_at = float("-inf")

    def value(self) -> T:
        value, age_s = self._value, self._now() - self._read_at
        if value is not None and age_s < POLL_S:
            return value
        if not self._lock.acquire(blocking=value is None or age_s >= OLDEST_S):
            assert value is not None
            return value
        try:
            return self._read()
        finally:
            self._lock.release()

    def _read(self) -> T:
        started = self._now()
        if self._value is not None and started - self._read_at < POLL_S:
            return self._value  # another thread read it while this one waited
        self._value = self._load(self._value)
        self._read_at = started
        return self._value
