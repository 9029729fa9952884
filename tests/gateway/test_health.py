"""What the process remembers of each way to a model, and what it does with a report."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.channels.breaker import BreakerRules
from app.domain.channels.models import BreakerTurn
from app.domain.channels.proxies import OutgoingProxy
from app.gateway.health import PROBE_PAUSE_S, REST_MAX_S, ChannelHealth
from app.gateway.provider_errors import Sort
from tests.gateway.ways import MODEL, RULES, Time, fail, open_it, route


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def health(time: Time) -> ChannelHealth:
    return ChannelHealth(monotonic=time, chance=lambda: 0.0)


def in_another_thread(act: Callable[[], object]) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


def test_all_healthy_routes_are_the_very_tuple(health: ChannelHealth) -> None:
    routes = (route(1), route(2))
    assert health.healthy(routes, MODEL) is routes
    open_it(health, route(3))
    assert health.healthy(routes, MODEL) is routes


def test_failing_route_is_left_out_and_the_rest_stays_one_tuple(health: ChannelHealth) -> None:
    routes = (route(1), route(2), route(3))
    open_it(health, routes[1])
    left = health.healthy(routes, MODEL)
    assert left == (routes[0], routes[2])
    assert health.healthy(routes, MODEL) is left


def test_breakers_are_of_a_channel_and_a_model(health: ChannelHealth) -> None:
    open_it(health, route(1))
    assert health.is_healthy(route(1), MODEL + 1)
    assert health.is_healthy(route(2), MODEL)


def test_successes_are_weighed_against_failures(health: ChannelHealth, time: Time) -> None:
    way = route()
    for _ in range(20):
        health.succeeded(way, MODEL)
        time.now_s += 0.5
    fail(health, way, 19)
    assert health.is_healthy(way, MODEL)
    fail(health, way)
    assert not health.is_healthy(way, MODEL)


def test_successes_of_long_ago_do_not_count(health: ChannelHealth, time: Time) -> None:
    way = route()
    for _ in range(1000):
        health.succeeded(way, MODEL)
    time.now_s += RULES.window_s + 3
    health.succeeded(way, MODEL)
    fail(health, way, RULES.calls_min)
    assert not health.is_healthy(way, MODEL)


def test_open_breaker_lets_one_try_and_closes(health: ChannelHealth, time: Time) -> None:
    way = route()
    open_it(health, way)
    assert not health.begin(way, MODEL)
    time.now_s += RULES.first_pause_s
    assert health.is_healthy(way, MODEL)
    assert health.begin(way, MODEL)
    assert not health.is_healthy(way, MODEL)
    assert not health.begin(way, MODEL)
    health.succeeded(way, MODEL)
    assert health.begin(way, MODEL)
    assert [turn.turn for turn in health.take_turns()] == [BreakerTurn.CLOSED]


def test_thirty_threads_find_one_place(health: ChannelHealth, time: Time) -> None:
    way = route()
    open_it(health, way)
    time.now_s += RULES.first_pause_s
    start, admitted = threading.Barrier(30), []

    def call() -> None:
        start.wait()
        admitted.append(health.begin(way, MODEL))

    threads = [threading.Thread(target=call) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(admitted) == [False] * 29 + [True]


def test_failed_trial_opens_for_longer(health: ChannelHealth, time: Time) -> None:
    way = route()
    open_it(health, way)
    time.now_s += RULES.first_pause_s
    assert health.begin(way, MODEL)
    fail(health, way)
    time.now_s += RULES.first_pause_s
    assert not health.is_healthy(way, MODEL)
    time.now_s += RULES.first_pause_s
    assert health.is_healthy(way, MODEL)


def test_callers_fault_in_the_trial_frees_the_place(health: ChannelHealth, time: Time) -> None:
    way = route()
    open_it(health, way)
    time.now_s += RULES.first_pause_s
    assert health.begin(way, MODEL)
    fail(health, way, sort=Sort.CALLER)
    assert health.begin(way, MODEL)


def test_only_the_one_that_tries_decides(health: ChannelHealth, time: Time) -> None:
    way = route()
    open_it(health, way)
    time.now_s += RULES.first_pause_s
    in_another_thread(lambda: health.begin(way, MODEL))
    fail(health, way, 9)
    health.succeeded(way, MODEL)
    health.broke(way, MODEL, outcome="upstream_broken")
    assert not health.is_healthy(way, MODEL)
    time.now_s += RULES.trial_patience_s
    assert health.is_healthy(way, MODEL)


@given(st.lists(st.floats(min_value=0, max_value=50), max_size=200))
def test_callers_faults_never_change_anything(waits_s: list[float]) -> None:
    time = Time()
    health = ChannelHealth(monotonic=time)
    for wait_s in waits_s:
        time.now_s += wait_s
        fail(health, route(), sort=Sort.CALLER)
        assert health.is_healthy(route(), MODEL)
    assert health.take_turns() == []
    assert health.take_suspicions() == []


@pytest.mark.parametrize(("said_s", "rest_s"), [(-5, 1), (0, 1), (7, 7), (60, 60), (99_999, 60)])
def test_a_wait_that_was_asked_for_is_a_rest(
    health: ChannelHealth, time: Time, said_s: int, rest_s: int
) -> None:
    way = route()
    health.failed(way, MODEL, sort=Sort.WAIT, outcome="busy", wait_s=said_s)
    assert health.soonest_s([way], MODEL) == rest_s <= REST_MAX_S
    time.now_s += rest_s - 0.01
    assert not health.is_healthy(way, MODEL)
    assert not health.begin(way, MODEL)
    time.now_s += 0.02
    assert health.is_healthy(way, MODEL)
    routes = (way,)
    assert health.healthy(routes, MODEL) is routes
    assert health.take_turns() == []


def test_rests_do_not_add_up(health: ChannelHealth, time: Time) -> None:
    way = route()
    for _ in range(50):
        health.failed(way, MODEL, sort=Sort.WAIT, outcome="busy", wait_s=10)
    health.failed(way, MODEL, sort=Sort.WAIT, outcome="busy", wait_s=2)
    assert health.soonest_s([way], MODEL) == 10
    time.now_s += 10
    assert health.is_healthy(way, MODEL)


def test_a_wait_of_no_stated_length_is_a_failure(health: ChannelHealth) -> None:
    fail(health, route(), RULES.calls_min, sort=Sort.WAIT)
    assert not health.is_healthy(route(), MODEL)
    assert health.soonest_s([route()], MODEL) == RULES.first_pause_s


def test_success_does_not_end_a_rest(health: ChannelHealth) -> None:
    way = route()
    health.failed(way, MODEL, sort=Sort.WAIT, outcome="busy", wait_s=10)
    health.succeeded(way, MODEL)
    assert not health.is_healthy(way, MODEL)


def test_trial_that_is_told_to_wait_rests_and_is_tried_again(
    health: ChannelHealth, time: Time
) -> None:
    way = route()
    open_it(health, way)
    time.now_s += RULES.first_pause_s
    assert health.begin(way, MODEL)
    health.failed(way, MODEL, sort=Sort.WAIT, outcome="busy", wait_s=3)
    assert not health.begin(way, MODEL)
    time.now_s += 3
    assert health.begin(way, MODEL)


def test_soonest_is_of_the_first_that_may_be_tried(health: ChannelHealth) -> None:
    health.failed(route(1), MODEL, sort=Sort.WAIT, outcome="busy", wait_s=30)
    open_it(health, route(2))
    assert health.soonest_s([route(1), route(2)], MODEL) == RULES.first_pause_s
    assert health.soonest_s([], MODEL) == 1


def test_soonest_is_a_minute_at_most(health: ChannelHealth, time: Time) -> None:
    way = route()
    open_it(health, way)
    for _ in range(8):
        time.now_s += RULES.longest_pause_s
        assert health.begin(way, MODEL)
        fail(health, way)
    assert health.soonest_s([way], MODEL) == 60


def test_broken_answers_open_the_breaker(health: ChannelHealth) -> None:
    way = route()
    for _ in range(RULES.calls_min):
        health.succeeded(way, MODEL)
        health.broke(way, MODEL, outcome="upstream_broken")
    assert not health.is_healthy(way, MODEL)


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://moved.example/v1"},
        {"api_key": "sk-another"},
        {"proxy": OutgoingProxy("proxy.example", 3128)},
    ],
)
def test_new_url_key_or_proxy_starts_afresh(health: ChannelHealth, change: dict) -> None:
    way = route()
    open_it(health, way)
    health.failed(way, MODEL, sort=Sort.WAIT, outcome="busy", wait_s=30)
    health.take_turns()
    mended = route(**change)
    assert health.is_healthy(mended, MODEL)
    assert health.begin(mended, MODEL)
    assert [turn.turn for turn in health.take_turns()] == [BreakerTurn.CLOSED]


def test_a_call_by_the_old_key_reports_against_the_old_key(health: ChannelHealth) -> None:
    """Its report may open the breaker; the way by the new key is still another."""
    open_it(health, route())
    assert health.is_healthy(route(api_key="sk-another"), MODEL)
    open_it(health, route())
    assert health.is_healthy(route(api_key="sk-another"), MODEL)


def test_seemingly_dead_channel_is_a_suspicion_once_a_minute(
    health: ChannelHealth, time: Time
) -> None:
    fail(health, route(), 3, sort=Sort.DEAD)
    (suspicion,) = health.take_suspicions()
    assert suspicion.route == route()
    for _ in range(50):
        time.now_s += 1
        fail(health, route(), sort=Sort.DEAD)
        assert health.take_suspicions() == []
    time.now_s += PROBE_PAUSE_S
    fail(health, route(), sort=Sort.DEAD)
    assert len(health.take_suspicions()) == 1


def test_one_suspicion_a_channel_whatever_the_model(health: ChannelHealth) -> None:
    for model_id in range(9):
        health.failed(route(), model_id, sort=Sort.DEAD, outcome="key_refused")
    assert len(health.take_suspicions()) == 1


def test_seemingly_dead_counts_as_failed_until_it_is_cleared(
    health: ChannelHealth, time: Time
) -> None:
    way = route()
    fail(health, way, RULES.calls_min, sort=Sort.DEAD)
    assert not health.is_healthy(way, MODEL)
    health.cleared(way, MODEL)
    assert health.is_healthy(way, MODEL)
    fail(health, way, 50, sort=Sort.DEAD)
    assert health.is_healthy(way, MODEL)
    time.now_s += PROBE_PAUSE_S
    fail(health, way, RULES.calls_min, sort=Sort.DEAD)
    assert not health.is_healthy(way, MODEL)


def test_many_threads_lose_no_report() -> None:
    health = ChannelHealth(BreakerRules(calls_min=4_000, window_s=3_600.0))
    way = route()

    def call() -> None:
        for _ in range(500):
            health.succeeded(way, MODEL)
            health.failed(way, MODEL, sort=Sort.ELSEWHERE, outcome="status_500")

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Exactly 4,000 outcomes, half of them failures: the last one opened it.
    assert not health.is_healthy(way, MODEL)


def test_breaker_that_opens_while_a_rest_ends_is_not_forgotten() -> None:
    """A reader that finds the rest over must not wave away what another thread reports."""
    time = Time()
    health = ChannelHealth(BreakerRules(calls_min=1), monotonic=time, chance=lambda: 0.0)
    way = route()
    for _ in range(300):
        health.failed(way, MODEL, sort=Sort.WAIT, outcome="busy", wait_s=1)
        time.now_s += 1
        reader = threading.Thread(target=lambda: health.is_healthy(way, MODEL))
        reader.start()
        fail(health, way)
        reader.join()
        assert not health.begin(way, MODEL)
        health.cleared(way, MODEL)
