"""Places for running calls. Threads less 16 are slots for ``/v1``; without one a call is refused at
once, never queued, so that health, pages and refusals always find a thread."""

import threading

from app.domain.accounts.models import KeyScope
from app.gateway.authentication import Caller
from app.gateway.errors import ServerBusy

RESERVED_THREADS = 16
TRIAL_SHARE = 4
BODIES_MAX_BYTES = 512 * 1024 * 1024


class Slots:
    """Counts the calls that run. Trial keys together get a quarter of the places."""

    def __init__(self, threads: int) -> None:
        self._places = max(threads - RESERVED_THREADS, 1)
        self._trial_places = max(self._places // TRIAL_SHARE, 1)
        self._lock = threading.Lock()
        self._taken = 0
        self._taken_by_trial = 0

    def take(self, caller: Caller) -> "Slot":
        """A place, to be given back once. Raises `ServerBusy`."""
        is_trial = caller.scope is KeyScope.TRIAL
        with self._lock:
            if self._taken >= self._places or (
                is_trial and self._taken_by_trial >= self._trial_places
            ):
                raise ServerBusy(retry_after_s=1)
            self._taken += 1
            self._taken_by_trial += is_trial
        return Slot(self, is_trial=is_trial)

    @property
    def taken(self) -> int:
        return self._taken

    def give_back(self, *, is_trial: bool) -> None:
        with self._lock:
            self._taken -= 1
            self._taken_by_trial -= is_trial


class Slot:
    """One place; giving it back again does nothing."""

    __slots__ = ("_is_trial", "_slots")

    def __init__(self, slots: Slots, *, is_trial: bool) -> None:
        self._slots: Slots | None = slots
        self._is_trial = is_trial

    def release(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.give_back(is_trial=self._is_trial)


class BodyBudget:
    """Bytes of request bodies in flight, all together."""

    def __init__(self, limit_bytes: int = BODIES_MAX_BYTES) -> None:
        self._left_bytes = limit_bytes
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> None:
        """Raises `ServerBusy` where the bodies in flight are too many."""
        with self._lock:
            if size_bytes > self._left_bytes:
                raise ServerBusy(retry_after_s=2)
            self._left_bytes -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        with self._lock:
            self._left_bytes += size_bytes


class Places:
    """What one call occupies; released once, at its very end, whoever ends it."""

    __slots__ = ("_bodies", "_body_bytes", "_slot")

    def __init__(self, slot: Slot, bodies: BodyBudget) -> None:
        self._slot = slot
        self._bodies = bodies
        self._body_bytes = 0

    def hold_body(self, size_bytes: int) -> None:
        """Count a body that is about to be read. Raises `ServerBusy`."""
        self._bodies.take(size_bytes)
        self._body_bytes = size_bytes

    def release(self) -> None:
        self._slot.release()
        size_bytes, self._body_bytes = self._body_bytes, 0
        if size_bytes:
            self._bodies.give_back(size_bytes)
