"""From a channel's failure to its recovery, as customers meet it: real servers, real calls."""

import json
import threading
import time

import pytest
from sqlalchemy import select

from app.domain.channels.models import BreakerState, BreakerTurn, UnservedHour
from app.gateway.breaker_memory import recall_turns, store_turns
from app.gateway.health import ChannelHealth
from app.gateway.probing import probe_channels
from app.gateway.provider_errors import Sort
from app.serving.instance_lock import InstanceLock
from app.serving.threads import Threads
from tests.gateway.shop import Customer, Shop, wait_until
from tests.gateway.switched_provider import (
    KEY_REFUSED,
    PAUSE_S,
    QUICK_RULES,
    SwitchedProvider,
    answers,
    fail_until_open,
    is_enabled,
    refuses,
)
from tests.gateway.wire_server import Wire


@pytest.fixture
def customer(shop: Shop) -> Customer:
    return shop.customer()


def unserved(shop: Shop) -> int:
    with shop.session() as session:
        return sum(session.scalars(select(UnservedHour.calls)))


def stored_turns(shop: Shop) -> list[BreakerTurn]:
    with shop.session() as session:
        return list(session.scalars(select(BreakerState.turn)))


def state_of_bad(shop: Shop) -> BreakerState:
    with shop.session() as session:
        state = session.scalars(select(BreakerState)).one()
        session.expunge_all()
        return state


def test_opens_after_failures_and_the_other_channel_takes_over(
    pair: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    for _ in range(20):
        assert pair.chat(customer).status_code == 200
    assert len(bad.bodies) == QUICK_RULES.calls_min
    calls = pair.calls()
    assert [call.attempts is None for call in calls] == [False] * 5 + [True] * 15
    pair.assert_at_rest()


def test_one_of_thirty_tries_a_half_open_channel(
    pair: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    fail_until_open(pair, customer)
    bad.bodies.clear()
    released = threading.Event()

    def slowly(wire: Wire) -> None:
        released.wait(5)
        answers(wire)

    bad.does = slowly
    time.sleep(PAUSE_S)
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(pair.chat(customer).status_code))
        for _ in range(30)
    ]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: len(statuses) == 29)
    released.set()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 30
    assert len(bad.bodies) == 1
    pair.assert_at_rest()


def test_recovers_when_the_trial_succeeds(
    pair: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    fail_until_open(pair, customer)
    bad.does = answers
    time.sleep(PAUSE_S)
    bad.bodies.clear()
    for _ in range(5):
        assert pair.chat(customer).status_code == 200
    assert len(bad.bodies) == 5


@pytest.mark.parametrize(
    "refusal",
    [
        refuses(400, message="Your messages are wrong.", code="invalid_value"),
        refuses(422, message="no"),
        refuses(400, message="too long", code="context_length_exceeded"),
        refuses(413, message="too large"),
        refuses(400, message="flagged", code="content_filter"),
    ],
    ids=["400", "422", "context", "413", "flagged"],
)
def test_clients_own_mistakes_never_count(
    alone: Shop, bad: SwitchedProvider, customer: Customer, refusal: object
) -> None:
    bad.does = refusal  # type: ignore[assignment]
    for _ in range(QUICK_RULES.calls_min * 3):
        assert alone.chat(customer).status_code in (400, 413)
    assert len(bad.bodies) == QUICK_RULES.calls_min * 3
    bad.does = answers
    assert alone.chat(customer).status_code == 200
    assert alone.services.gateway.health.take_turns() == []


def test_clients_mistake_in_the_trial_leaves_the_place_free(
    alone: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    fail_until_open(alone, customer)
    bad.does = refuses(400, message="wrong")
    time.sleep(PAUSE_S)
    assert alone.chat(customer).status_code == 400
    bad.does = answers
    assert alone.chat(customer).status_code == 200


def test_no_healthy_channel_is_503_at_once_and_counted(
    alone: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    fail_until_open(alone, customer)
    asked = len(bad.bodies)
    response = alone.chat(customer)
    assert response.status_code == 503
    assert response.get_json()["error"]["code"] == "upstream_unavailable"
    assert response.headers["Retry-After"] == "1"
    assert len(bad.bodies) == asked
    assert len(alone.calls()) == asked
    assert unserved(alone) == 1
    alone.assert_at_rest()


def test_rate_limited_channel_rests_as_long_as_it_says(
    pair: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    bad.does = refuses(429, "Retry-After: 2", message="slow down", code="rate_limit_exceeded")
    for _ in range(5):
        assert pair.chat(customer).status_code == 200
    assert len(bad.bodies) == 1
    bad.does = answers
    time.sleep(2)
    pair.chat(customer)
    assert len(bad.bodies) == 2


def test_resting_channel_alone_is_503_with_its_wait(
    alone: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    bad.does = refuses(429, "Retry-After: 40", message="slow down", code="rate_limit_exceeded")
    assert alone.chat(customer).status_code == 503
    response = alone.chat(customer)
    assert response.status_code == 503
    assert 39 <= int(response.headers["Retry-After"]) <= 40
    assert len(bad.bodies) == 1


def test_streams_that_break_off_open_the_breaker(
    alone: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "half"}}]}
    frame = f"data: {json.dumps(chunk)}\n\n".encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n"
    bad.does = lambda wire: wire.send(head + frame)
    for _ in range(QUICK_RULES.calls_min):
        assert b"broke off" in alone.chat(customer, stream=True).get_data()
    assert alone.chat(customer, stream=True).status_code == 503
    assert len(bad.bodies) == QUICK_RULES.calls_min
    alone.assert_at_rest()


def test_streams_stopped_by_a_filter_are_the_clients_doing(
    alone: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "half"}}]}
    error = {"error": {"message": "flagged", "code": "content_filter"}}
    frames = "".join(f"data: {json.dumps(frame)}\n\n" for frame in (chunk, error)).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    length = f"Content-Length: {len(frames)}\r\n\r\n".encode()
    bad.does = lambda wire: wire.send(head + length + frames)
    for _ in range(QUICK_RULES.calls_min * 2):
        assert b"broke off" in alone.chat(customer, stream=True).get_data()
    assert len(bad.bodies) == QUICK_RULES.calls_min * 2


def test_client_that_leaves_is_no_failure(
    alone: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "half"}}]}
    frame = f"data: {json.dumps(chunk)}\n\n".encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n"
    bad.does = lambda wire: wire.send(head + frame)
    for _ in range(QUICK_RULES.calls_min * 2):
        alone.chat(customer, stream=True).close()
    assert len(bad.bodies) == QUICK_RULES.calls_min * 2
    assert alone.services.gateway.health.take_turns() == []
    alone.assert_at_rest()


def test_turns_are_stored_for_people_and_for_the_next_start(
    alone: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    fail_until_open(alone, customer)
    store_turns(alone.services.gateway)
    state = state_of_bad(alone)
    assert state.turn is BreakerTurn.OPEN
    assert state.opened_at is not None
    assert state.last_failure == "status_500"
    gateway = alone.services.gateway
    gateway.health = ChannelHealth(QUICK_RULES)  # as after a restart
    recall_turns(gateway)
    bad.bodies.clear()
    assert alone.chat(customer).status_code == 502
    assert alone.chat(customer).status_code == 503
    assert len(bad.bodies) == 1
    bad.does = answers
    time.sleep(PAUSE_S)
    assert alone.chat(customer).status_code == 200
    store_turns(gateway)
    closed = state_of_bad(alone)
    assert (closed.turn, closed.opened_at) == (BreakerTurn.CLOSED, None)


def test_channel_that_nobody_tries_is_tried_by_ourselves(
    alone: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    now_s = [1_000.0]
    health = alone.services.gateway.health = ChannelHealth(QUICK_RULES, monotonic=lambda: now_s[0])
    fail_until_open(alone, customer)
    now_s[0] += 61
    probe_channels(alone.services.gateway)
    assert len(bad.probes) == 1
    assert alone.chat(customer).status_code == 503
    bad.does = answers
    now_s[0] += 61
    probe_channels(alone.services.gateway)
    assert len(bad.probes) == 2
    assert health.take_turns()[-1].turn is BreakerTurn.CLOSED
    assert alone.chat(customer).status_code == 200


def test_one_idle_channel_is_tried_a_round_so_that_a_suspect_does_not_wait_for_all(
    pair: Shop, bad: SwitchedProvider
) -> None:
    now_s = [1_000.0]
    gateway = pair.services.gateway
    health = gateway.health = ChannelHealth(QUICK_RULES, monotonic=lambda: now_s[0])
    talk = gateway.offers.offers()["talk"]
    for route in talk.routes * QUICK_RULES.calls_min:
        health.failed(route, talk.model_id, sort=Sort.ELSEWHERE, outcome="status_500")
    now_s[0] += 61
    for left in (2, 1, 0):
        assert len(health.overdue()) == left
        probe_channels(gateway)
    assert len(bad.probes) == 1


def test_nothing_is_probed_while_all_is_well(
    alone: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    bad.does = answers
    alone.chat(customer)
    probe_channels(alone.services.gateway)
    assert bad.probes == []


def test_the_process_does_all_this_by_itself(
    pair: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    """With its threads: the turn is stored, the dead channel disabled, within seconds."""
    threads = Threads(pair.app, InstanceLock.take(pair.services.engine))
    threads.start()
    try:
        fail_until_open(pair, customer)
        assert wait_until(lambda: stored_turns(pair) == [BreakerTurn.OPEN])
        bad.does = KEY_REFUSED
        time.sleep(PAUSE_S)
        assert pair.chat(customer).status_code == 200
        assert wait_until(lambda: not is_enabled(pair))
    finally:
        threads.stop()
    assert pair.alerts() == ["channel_dead"]
