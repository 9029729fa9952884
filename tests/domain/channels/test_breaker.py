"""When a breaker opens, whom it lets try, and that it always finds back."""

from collections.abc import Iterable
from itertools import pairwise, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.channels.breaker import (
    CLOSED,
    Breaker,
    BreakerRules,
    break_off,
    count,
    fail,
    give_up,
    may_try,
    next_try_s,
    succeed,
    try_one,
)
from app.domain.channels.models import BreakerTurn

RULES = BreakerRules()
START_S = 1_000.0
ME, OTHER = 1, 2


def never() -> float:
    return 0.0


def failed(breaker: Breaker, at_s: float, *, trier: int = ME, chance: float = 0.0) -> Breaker:
    return fail(breaker, at_s, rules=RULES, random=lambda: chance, trier=trier)


def succeeded(breaker: Breaker, at_s: float, *, trier: int = ME) -> Breaker:
    return succeed(breaker, at_s, rules=RULES, trier=trier)


def tried(breaker: Breaker, at_s: float, *, trier: int = ME) -> Breaker:
    taken = try_one(breaker, at_s, rules=RULES, trier=trier)
    assert taken is not None
    return taken


def opened(at_s: float = START_S, *, chance: float = 0.0) -> Breaker:
    breaker = CLOSED
    for _ in range(RULES.calls_min):
        breaker = failed(breaker, at_s, chance=chance)
    assert breaker.turn is BreakerTurn.OPEN
    return breaker


def test_stays_closed_below_the_minimum_count() -> None:
    breaker = CLOSED
    for _ in range(RULES.calls_min - 1):
        breaker = failed(breaker, START_S)
    assert breaker.turn is BreakerTurn.CLOSED
    assert failed(breaker, START_S).turn is BreakerTurn.OPEN


@pytest.mark.parametrize(
    ("good", "bad", "turn"),
    [
        (5, 5, BreakerTurn.OPEN),
        (6, 5, BreakerTurn.CLOSED),
        (1000, 999, BreakerTurn.CLOSED),
        (1000, 1000, BreakerTurn.OPEN),
    ],
)
def test_opens_at_half_failed_and_not_before(good: int, bad: int, turn: BreakerTurn) -> None:
    breaker = CLOSED
    for _ in range(good):
        breaker = succeeded(breaker, START_S)
    for _ in range(bad):
        breaker = failed(breaker, START_S)
    assert breaker.turn is turn


def test_old_outcomes_leave_the_window() -> None:
    breaker = CLOSED
    for _ in range(RULES.calls_min - 1):
        breaker = failed(breaker, START_S)
    assert failed(breaker, START_S + RULES.window_s + 3).turn is BreakerTurn.CLOSED
    assert failed(breaker, START_S + RULES.window_s / 2).turn is BreakerTurn.OPEN


def test_old_successes_do_not_hide_an_outage() -> None:
    breaker = count(CLOSED, RULES.slot_at(START_S), succeeded=100_000, failed=0, slots_max=10)
    later_s = START_S + RULES.window_s + 3
    for _ in range(RULES.calls_min):
        breaker = failed(breaker, later_s)
    assert breaker.turn is BreakerTurn.OPEN


def test_pauses_double_up_to_the_longest_and_start_anew_after_a_success() -> None:
    breaker, at_s, pauses = opened(), START_S, []
    for _ in range(9):
        pauses.append(breaker.resumes_at_s - at_s)
        at_s = breaker.resumes_at_s
        breaker = failed(tried(breaker, at_s), at_s)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    closed = succeeded(tried(breaker, breaker.resumes_at_s), breaker.resumes_at_s)
    assert closed == CLOSED


def test_jitter_only_shortens_a_pause() -> None:
    assert opened(chance=1.0).resumes_at_s == START_S + 5 * (1 - RULES.jitter)


def test_a_pause_is_a_number_however_often_it_opened() -> None:
    breaker = opened()._replace(openings=100_000, trier=ME, turn=BreakerTurn.HALF_OPEN)
    assert failed(breaker, START_S).resumes_at_s == START_S + RULES.longest_pause_s


def test_only_one_tries_when_the_pause_is_over() -> None:
    breaker = opened()
    assert not may_try(breaker, breaker.resumes_at_s - 0.1, rules=RULES)
    trying = tried(breaker, breaker.resumes_at_s)
    assert trying.turn is BreakerTurn.HALF_OPEN
    assert try_one(trying, breaker.resumes_at_s + 1, rules=RULES, trier=OTHER) is None


def test_reports_of_earlier_calls_decide_nothing() -> None:
    open_breaker = opened()
    trying = tried(open_breaker, open_breaker.resumes_at_s)
    at_s = open_breaker.resumes_at_s + 1
    assert succeeded(open_breaker, START_S, trier=OTHER) == open_breaker
    assert failed(open_breaker, START_S, trier=OTHER) == open_breaker
    assert succeeded(trying, at_s, trier=OTHER) == trying
    assert failed(trying, at_s, trier=OTHER) == trying
    assert break_off(trying, at_s, rules=RULES, random=never) == trying


def test_a_trier_that_learned_nothing_frees_the_place_at_once() -> None:
    breaker = opened()
    free = give_up(tried(breaker, breaker.resumes_at_s), trier=ME)
    assert may_try(free, breaker.resumes_at_s, rules=RULES)
    assert free.opened_at_s == START_S
    assert give_up(tried(breaker, breaker.resumes_at_s), trier=OTHER).trier == ME


def test_a_trier_that_never_reports_loses_its_place() -> None:
    breaker = opened()
    trying = tried(breaker, breaker.resumes_at_s)
    lost_s = breaker.resumes_at_s + RULES.trial_patience_s
    assert next_try_s(trying, rules=RULES) == lost_s
    assert not may_try(trying, lost_s - 0.1, rules=RULES)
    other = tried(trying, lost_s, trier=OTHER)
    assert failed(other, lost_s, trier=ME) == other
    assert succeeded(other, lost_s, trier=OTHER) == CLOSED


def test_answers_that_take_minutes_close_it_too() -> None:
    breaker = opened()
    at_s = breaker.resumes_at_s
    for trier in range(100):
        breaker = tried(breaker, at_s, trier=trier)
        at_s += RULES.trial_patience_s
    assert len(breaker.late) < 20
    assert succeeded(breaker, at_s, trier=98) == CLOSED
    assert succeeded(breaker, at_s, trier=-1) == breaker


def test_it_remembers_since_when_it_is_open() -> None:
    breaker = opened()
    again = failed(tried(breaker, breaker.resumes_at_s), breaker.resumes_at_s)
    assert again.opened_at_s == START_S
    assert again.openings == 2


def test_answers_that_break_off_open_it() -> None:
    breaker = CLOSED
    for _ in range(RULES.calls_min):
        breaker = succeeded(breaker, START_S)
        breaker = break_off(breaker, START_S + 4, rules=RULES, random=never)
    assert breaker.turn is BreakerTurn.OPEN


def test_a_broken_answer_whose_success_left_the_window_counts_once() -> None:
    breaker = succeeded(CLOSED, START_S)
    for _ in range(RULES.calls_min - 1):
        breaker = break_off(breaker, START_S + 90, rules=RULES, random=never)
    assert breaker.turn is BreakerTurn.CLOSED


STEPS = st.tuples(
    st.sampled_from(["try", "succeed", "fail", "give_up", "break_off"]),
    st.sampled_from([ME, OTHER, 3]),
    st.floats(min_value=0, max_value=90),
    st.floats(min_value=0, max_value=1),
)


def played(steps: Iterable[tuple[str, int, float, float]]) -> tuple[list[Breaker], float]:
    """Every state on the way, and the time at the end."""
    states, at_s = [CLOSED], START_S
    for act, trier, wait_s, chance in steps:
        at_s += wait_s
        before = states[-1]
        match act:
            case "try":
                after_it = try_one(before, at_s, rules=RULES, trier=trier) or before
            case "succeed":
                after_it = succeeded(before, at_s, trier=trier)
            case "fail":
                after_it = failed(before, at_s, trier=trier, chance=chance)
            case "give_up":
                after_it = give_up(before, trier=trier)
            case _:
                after_it = break_off(before, at_s, rules=RULES, random=repeat(chance).__next__)
        states.append(after_it)
    return states, at_s


@given(st.lists(STEPS, max_size=RULES.calls_min - 1))
def test_never_opens_below_the_minimum_count(steps: list[tuple[str, int, float, float]]) -> None:
    states, _ = played(steps)
    assert all(state.turn is BreakerTurn.CLOSED for state in states)


@given(st.lists(STEPS, max_size=60))
def test_time_and_counts_never_go_wrong(steps: list[tuple[str, int, float, float]]) -> None:
    states, at_s = played(steps)
    for state in states:
        assert len(state.slots) <= RULES.window_slots
        assert all(slot.failed >= 0 for slot in state.slots)
        numbers = [slot.number for slot in state.slots]
        assert numbers == sorted(set(numbers))
        assert (state.opened_at_s is None) == (state.turn is BreakerTurn.CLOSED)
        assert (state.trier is not None) == (state.turn is BreakerTurn.HALF_OPEN)
        assert state.resumes_at_s <= at_s + RULES.longest_pause_s
    assert next_try_s(states[-1], rules=RULES) <= at_s + RULES.longest_pause_s


@given(st.lists(STEPS, max_size=60))
def test_one_at_most_tries_at_a_time(steps: list[tuple[str, int, float, float]]) -> None:
    states, _ = played(steps)
    for before, state in pairwise(states):
        if before.trier is not None and state.trier is not None and before.trier != state.trier:
            assert state.tried_at_s >= before.tried_at_s + RULES.trial_patience_s


@given(st.lists(STEPS, max_size=60))
def test_always_recovers_when_successes_return(
    steps: list[tuple[str, int, float, float]],
) -> None:
    states, at_s = played(steps)
    breaker = states[-1]
    for _ in range(2):
        at_s = max(at_s, next_try_s(breaker, rules=RULES))
        taken = try_one(breaker, at_s, rules=RULES, trier=ME)
        assert taken is not None
        breaker = succeeded(taken, at_s)
    assert breaker.turn is BreakerTurn.CLOSED


@given(st.lists(st.floats(min_value=0, max_value=200), min_size=1, max_size=40))
def test_moments_out_of_order_do_no_harm(offsets_s: list[float]) -> None:
    """Threads report with moments that they took a little earlier."""
    breaker = CLOSED
    for offset_s in offsets_s:
        breaker = succeeded(breaker, START_S + offset_s)
    numbers = [slot.number for slot in breaker.slots]
    assert numbers == sorted(set(numbers))
    assert breaker.turn is BreakerTurn.CLOSED
