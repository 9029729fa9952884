"""Places for running calls. Threads less 16 are slots for ``/v1``; without one a call is refused at
once, never queued, so that health, pages and refusals always find a thread."""

import threading

from app.domain.accounts.models import KeyScope
from app.domain.billing.errors import TooManyRunning
from app.gateway.authentication import Caller
from app.gateway.errors import ServerBusy, TooManyUploads

RESERVED_THREADS = 16
TRIAL_SHARE = 4
BODIES_MAX_BYTES = 512 * 1024 * 1024
UPLOAD_SHARE = 4


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

    @property
    def places(self) -> int:
        return self._places

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


class Counts:
    """How many of something go on for each id; one with nothing going on takes no memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[int, int] = {}

    def of(self, which: int) -> int:
        return self._counts.get(which, 0)

    def begin(self, which: int, *, most: int | None = None) -> bool:
        """Count one more; False, and nothing counted, where there are `most` already."""
        with self._lock:
            count = self._counts.get(which, 0)
            if most is not None and count >= most:
                return False
            self._counts[which] = count + 1
            return True

    def end(self, which: int) -> None:
        with self._lock:
            left = self._counts[which] - 1
            if left:
                self._counts[which] = left
            else:
                del self._counts[which]

    def __len__(self) -> int:
        """How many ids have something going on."""
        return len(self._counts)


class RunningCounts(Counts):
    """How many committed calls of a key's family run in this process: a cheap first look at its
    bound. What other processes run is not in it: the reserve is the exact judge."""

    def refuse_full(self, cap_id: int, max_running: int) -> None:
        """Raises `TooManyRunning`."""
        if self.of(cap_id) >= max_running:
            raise TooManyRunning(retry_after_s=1)

    def start(self, cap_id: int) -> "RunningCount":
        """Count a call whose hold is committed."""
        self.begin(cap_id)
        return RunningCount(self, cap_id)


class RunningCount:
    """One running call; released before its settlement is handed over, so that whoever has the
    answer may ask again. Releasing it again does nothing."""

    __slots__ = ("_cap_id", "_counts")

    def __init__(self, counts: RunningCounts, cap_id: int) -> None:
        self._counts: RunningCounts | None = counts
        self._cap_id = cap_id

    def release(self) -> None:
        counts, self._counts = self._counts, None
        if counts is not None:
            counts.end(self._cap_id)


class BodyBudget:
    """Bytes of request bodies in flight, all together."""

    def __init__(self, limit_bytes: int = BODIES_MAX_BYTES) -> None:
        self._limit_bytes = limit_bytes
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

    @property
    def taken_bytes(self) -> int:
        return self._limit_bytes - self._left_bytes


class Uploads:
    """Bodies that are being read, by user.

    A server that hands over a live stream (granian) leaves it to the client how long that takes. A
    user's uploads together get a quarter of the places, so that nobody takes them all by stalling.
    """

    def __init__(self, places: int) -> None:
        self._most = max(places // UPLOAD_SHARE, 1)
        self._counts = Counts()

    def begin(self, user_id: int) -> None:
        """Raises `TooManyUploads`."""
        if not self._counts.begin(user_id, most=self._most):
            raise TooManyUploads(retry_after_s=1)

    def end(self, user_id: int) -> None:
        self._counts.end(user_id)

    def __len__(self) -> int:
        """How many users are sending a body."""
        return len(self._counts)


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
