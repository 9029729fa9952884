"""When a channel is left alone, and when it is tried again: pure functions of a frozen value.

A breaker counts the outcomes of the last half minute. Where enough of them failed it opens: calls
go elsewhere for a pause that doubles each time, with jitter, so that many processes do not come
back at once. Then exactly one call tries. Its success closes the breaker, its failure opens it for
longer; where it never reports, the place is free again after a while.

Moments are seconds on a clock that never jumps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from app.domain.channels.models import BreakerTurn

Random = Callable[[], float]
_LATE_MAX = 16
_DOUBLINGS_MAX = 16  # a pause has long reached its maximum, and 2 ** n stays small


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """`jitter` is the share of a pause that chance may take away. `trial_patience_s` is how long
    the one that tries may keep its place without a report."""

    window_s: float = 30.0
    window_slots: int = 10
    calls_min: int = 5
    failed_percent: int = 50
    first_pause_s: float = 5.0
    longest_pause_s: float = 300.0
    jitter: float = 0.25
    trial_patience_s: float = 60.0

    def slot_at(self, at_s: float) -> int:
        """The number of the slice of time that `at_s` lies in."""
        return int(at_s * self.window_slots / self.window_s)


class Slot(NamedTuple):
    """Outcomes in one slice of the window. `succeeded` is below zero where what was taken for a
    success broke off later."""

    number: int
    succeeded: int
    failed: int


class Breaker(NamedTuple):
    """What is known of one way to one model. `slots` is the window, the oldest first.

    `opened_at_s` is when it first opened since it was last closed, `openings` how often since.
    `trier` has the one place of a half-open breaker since `tried_at_s`; None where it is free.
    `late` are the last ones that lost it before they reported: an answer may take minutes.
    """

    turn: BreakerTurn = BreakerTurn.CLOSED
    slots: tuple[Slot, ...] = ()
    opened_at_s: float | None = None
    resumes_at_s: float = 0.0
    openings: int = 0
    trier: int | None = None
    tried_at_s: float = 0.0
    late: tuple[int, ...] = ()


CLOSED = Breaker()


def count(breaker: Breaker, number: int, *, succeeded: int, failed: int, slots_max: int) -> Breaker:
    """Add outcomes to slice `number`, and let go of the slices that have left the window."""
    kept = [slot for slot in breaker.slots if slot.number > number - slots_max]
    if kept and kept[-1].number >= number:
        latest = kept.pop()
        number, succeeded, failed = (
            latest.number,
            latest.succeeded + succeeded,
            latest.failed + failed,
        )
    return breaker._replace(slots=(*kept, Slot(number, succeeded, failed)))


def succeed(breaker: Breaker, at_s: float, *, rules: BreakerRules, trier: int) -> Breaker:
    """A call was answered. Only one that was let in to try closes an open breaker: what began
    before it opened says nothing about now."""
    if breaker.turn is BreakerTurn.CLOSED:
        return count(
            breaker, rules.slot_at(at_s), succeeded=1, failed=0, slots_max=rules.window_slots
        )
    return CLOSED if trier == breaker.trier or trier in breaker.late else breaker


def fail(
    breaker: Breaker, at_s: float, *, rules: BreakerRules, random: Random, trier: int
) -> Breaker:
    """A call failed through no fault of its caller's."""
    if breaker.turn is not BreakerTurn.CLOSED:
        return _open(breaker, at_s, rules, random) if breaker.trier == trier else breaker
    number = rules.slot_at(at_s)
    counted = count(breaker, number, succeeded=0, failed=1, slots_max=rules.window_slots)
    return _judged(counted, at_s, rules, random)


def break_off(breaker: Breaker, at_s: float, *, rules: BreakerRules, random: Random) -> Breaker:
    """A call that was counted as a success failed after all; an open breaker knows already."""
    if breaker.turn is not BreakerTurn.CLOSED:
        return breaker
    number = rules.slot_at(at_s)
    counted = count(breaker, number, succeeded=-1, failed=1, slots_max=rules.window_slots)
    return _judged(counted, at_s, rules, random)


def may_try(breaker: Breaker, at_s: float, *, rules: BreakerRules) -> bool:
    """Whether a call may take this way now."""
    if breaker.turn is BreakerTurn.CLOSED:
        return True
    if breaker.trier is None:
        return at_s >= breaker.resumes_at_s
    return at_s >= breaker.tried_at_s + rules.trial_patience_s


def try_one(breaker: Breaker, at_s: float, *, rules: BreakerRules, trier: int) -> Breaker | None:
    """The breaker with `trier` on its way; None where another way must be taken."""
    if not may_try(breaker, at_s, rules=rules):
        return None
    if breaker.turn is BreakerTurn.CLOSED:
        return breaker
    late = breaker.late
    if breaker.trier is not None:
        late = (*late, breaker.trier)[-_LATE_MAX:]
    return breaker._replace(turn=BreakerTurn.HALF_OPEN, trier=trier, tried_at_s=at_s, late=late)


def give_up(breaker: Breaker, *, trier: int) -> Breaker:
    """The one that tried learned nothing: the next may try at once."""
    if breaker.trier != trier:
        return breaker
    return breaker._replace(turn=BreakerTurn.OPEN, trier=None)


def next_try_s(breaker: Breaker, *, rules: BreakerRules) -> float:
    """When the next call may take this way, as far as is known now."""
    if breaker.turn is BreakerTurn.CLOSED:
        return 0.0
    if breaker.trier is None:
        return breaker.resumes_at_s
    return breaker.tried_at_s + rules.trial_patience_s


def _judged(breaker: Breaker, at_s: float, rules: BreakerRules, random: Random) -> Breaker:
    """The breaker, opened where too much of the window failed."""
    failed = sum(slot.failed for slot in breaker.slots)
    calls = failed + max(sum(slot.succeeded for slot in breaker.slots), 0)
    if calls < rules.calls_min or failed * 100 < calls * rules.failed_percent:
        return breaker
    return _open(breaker, at_s, rules, random)


def _open(breaker: Breaker, at_s: float, rules: BreakerRules, random: Random) -> Breaker:
    doublings = min(breaker.openings, _DOUBLINGS_MAX)
    pause_s = min(rules.first_pause_s * 2**doublings, rules.longest_pause_s)
    return Breaker(
        turn=BreakerTurn.OPEN,
        opened_at_s=at_s if breaker.opened_at_s is None else breaker.opened_at_s,
        resumes_at_s=at_s + pause_s * (1 - rules.jitter * random()),
        openings=breaker.openings + 1,
    )
