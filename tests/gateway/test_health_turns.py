"""What health hands out: turns to be stored and logged, and ways that nobody tries."""

import pytest

from app.core import clock
from app.domain.channels.models import BreakerTurn
from app.gateway.health import ChannelHealth
from tests.gateway.ways import MODEL, RULES, SECRET, Time, open_it, route


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def health(time: Time) -> ChannelHealth:
    return ChannelHealth(monotonic=time, chance=lambda: 0.0)


def test_turns_are_handed_out_once_and_the_latest_wins(health: ChannelHealth, time: Time) -> None:
    open_it(health, route(1))
    open_it(health, route(2))
    time.now_s += RULES.first_pause_s
    health.begin(route(1), MODEL)
    turns = health.take_turns()
    assert [(turn.channel_id, turn.turn) for turn in turns] == [
        (1, BreakerTurn.HALF_OPEN),
        (2, BreakerTurn.OPEN),
    ]
    assert health.take_turns() == []
    health.succeeded(route(1), MODEL)
    health.keep_turns(turns)
    kept = {turn.channel_id: turn.turn for turn in health.take_turns()}
    assert kept == {1: BreakerTurn.CLOSED, 2: BreakerTurn.OPEN}


def test_turn_says_when_it_opened_and_why(health: ChannelHealth, time: Time) -> None:
    open_it(health, route())
    time.now_s += RULES.first_pause_s
    health.begin(route(), MODEL)
    (turn,) = health.take_turns()
    assert turn.last_failure == "status_500"
    assert turn.opened_at_ms is not None
    assert turn.turned_at_ms - turn.opened_at_ms == RULES.first_pause_s * 1000


def test_turns_are_logged_without_the_key(
    health: ChannelHealth, caplog: pytest.LogCaptureFixture
) -> None:
    open_it(health, route())
    (record,) = caplog.records
    assert record.__dict__["channel"] == "channel1"
    assert record.__dict__["turn"] == "open"
    assert SECRET not in str(record.__dict__)


def test_recalled_breaker_lets_the_first_call_try(health: ChannelHealth) -> None:
    way = route()
    health.recall(way, MODEL, opened_ms=clock.now_ms() - 90_000, failure="status_500")
    assert health.is_healthy(way, MODEL)
    assert health.begin(way, MODEL)
    assert not health.begin(way, MODEL)
    (turn,) = health.take_turns()
    assert turn.opened_at_ms is not None
    assert 89_000 <= turn.turned_at_ms - turn.opened_at_ms <= 92_000


def test_overdue_are_those_that_nobody_tried(health: ChannelHealth, time: Time) -> None:
    way = route()
    open_it(health, way)
    time.now_s += RULES.first_pause_s + 59
    assert health.overdue() == set()
    time.now_s += 2
    assert health.overdue() == {(1, MODEL)}
    assert health.begin(way, MODEL)
    assert health.overdue() == set()
    health.succeeded(way, MODEL)
    time.now_s += 9_999
    assert health.overdue() == set()
