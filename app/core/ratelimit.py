"""Rate limits by the `limits` library: a sliding window in memory, or in Redis by its URL.

In memory each process counts for itself. The window is real time: it is the library's own clock.
"""

import math
import threading
from dataclasses import dataclass
from typing import cast

from limits import RateLimitItemPerSecond
from limits.storage import SlidingWindowCounterSupport, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `amount` hits by `subject` (an IP, an id) in any `window_s`; `name` says of what."""

    name: str
    subject: str
    amount: int
    window_s: int = 60


class RateLimiter:
    """Counts hits. The storage opens at the first one: in memory it starts a timer thread."""

    def __init__(self, storage_url: str = "memory://") -> None:
        self._storage_url = storage_url
        self._opening = threading.Lock()
        self._opened: SlidingWindowCounterRateLimiter | None = None

    def hit(self, *quotas: Quota) -> int | None:
        """Count one hit on each quota; None where all allow it, else the seconds to wait.

        Quotas are asked in order up to the first that refuses, and a refused hit is not counted
        there: put the narrowest first.
        """
        strategy = self._strategy()
        for quota in quotas:
            item = RateLimitItemPerSecond(max(quota.amount, 1), quota.window_s)
            if quota.amount <= 0:
                return quota.window_s
            if not strategy.hit(item, quota.name, quota.subject):
                return self._wait_s(strategy, item, quota)
        return None

    def _strategy(self) -> SlidingWindowCounterRateLimiter:
        with self._opening:
            if self._opened is None:
                storage = storage_from_string(self._storage_url)
                self._opened = SlidingWindowCounterRateLimiter(storage)
            return self._opened

    def _wait_s(
        self, strategy: SlidingWindowCounterRateLimiter, item: RateLimitItemPerSecond, quota: Quota
    ) -> int:
        """Until the window has slid far enough for one more hit.

        The window's weight is what the current period counted, and of the previous one the share
        that the window still covers.
        """
        storage = cast(SlidingWindowCounterSupport, strategy.storage)
        window_s = quota.window_s
        previous, previous_ttl_s, current, current_ttl_s = storage.get_sliding_window(
            item.key_for(quota.name, quota.subject), window_s
        )
        room = quota.amount - 1
        if current > room:
            # Once the current period is over it weighs less and less itself.
            wait_s = current_ttl_s - window_s + (current - room) * window_s / current
        elif previous:
            wait_s = previous_ttl_s - (room - current) * window_s / previous
        else:
            wait_s = 1.0  # the window slid on between the refusal and this look
        return min(max(math.ceil(wait_s), 1), 2 * window_s)
