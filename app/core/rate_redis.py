"""Rate limits that several processes share by Redis, and what counts while it is out."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.core import clock
from app.core.rate_storage import Window, Windows

log = logging.getLogger(__name__)

ANSWERS_WITHIN_S = 0.5
ASKED_AGAIN_AFTER_S = 5.0
KEY_PREFIX = "flowhub"

Answer = TypeVar("Answer")


class RedisWindows:
    """Counts in Redis by the scripts of the `limits` library. Raises `RedisError`."""

    def __init__(self, url: str) -> None:
        self._storage = RedisStorage(
            url,
            key_prefix=KEY_PREFIX,
            socket_connect_timeout=ANSWERS_WITHIN_S,
            socket_timeout=ANSWERS_WITHIN_S,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # passed on to the client
        )

    def take(self, key: str, *, limit: int, window_s: int, cost: int) -> tuple[bool, Window]:
        is_allowed = self._storage.acquire_sliding_window_entry(key, limit, window_s, cost)
        return is_allowed, self.look(key, window_s=window_s)

    def add(self, key: str, *, window_s: int, cost: int) -> None:
        self.look(key, window_s=window_s)  # moves a period that is over out of the way
        self._storage.incr(self._storage._current_window_key(key), 2 * window_s, cost)

    def look(self, key: str, *, window_s: int) -> Window:
        previous, _, current, current_ttl_s = self._storage.get_sliding_window(key, window_s)
        # A period's row outlives it by one window, to be the previous one.
        return Window(previous, current, max(current_ttl_s - window_s, 0.0))


class Standby:
    """Asks `main`; while that is out, `standby`. Every few seconds one caller tries `main` again.

    What one counted the other does not know: after a change a window may let through its amount
    once more.
    """

    def __init__(self, main: Windows, standby: Windows) -> None:
        self._main = main
        self._standby = standby
        self._lock = threading.Lock()
        self._is_out = False
        self._try_at_s = 0.0

    def take(self, key: str, *, limit: int, window_s: int, cost: int) -> tuple[bool, Window]:
        return self._ask(lambda one: one.take(key, limit=limit, window_s=window_s, cost=cost))

    def add(self, key: str, *, window_s: int, cost: int) -> None:
        self._ask(lambda one: one.add(key, window_s=window_s, cost=cost))

    def look(self, key: str, *, window_s: int) -> Window:
        return self._ask(lambda one: one.look(key, window_s=window_s))

    def _ask(self, question: Callable[[Windows], Answer]) -> Answer:
        if self._is_out and not self._is_my_turn():
            return question(self._standby)
        try:
            answer = question(self._main)
        except RedisError as error:
            self._note_outage(error)
            return question(self._standby)
        if self._is_out:
            self._note_return()
        return answer

    def _is_my_turn(self) -> bool:
        """Of all that ask during an outage one tries again, so that nobody else waits for it."""
        with self._lock:
            is_due = clock.monotonic() >= self._try_at_s
            if is_due:
                self._try_at_s = clock.monotonic() + ASKED_AGAIN_AFTER_S
            return is_due

    def _note_outage(self, error: RedisError) -> None:
        with self._lock:
            was_out, self._is_out = self._is_out, True
            self._try_at_s = clock.monotonic() + ASKED_AGAIN_AFTER_S
        if not was_out:
            log.error("Redis is out: rate limits count without it", extra={"error": str(error)})

    def _note_return(self) -> None:
        with self._lock:
            was_out, self._is_out = self._is_out, False
        if was_out:
            log.warning("Redis is back: rate limits count in it again")
