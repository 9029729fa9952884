"""Periods are named and end in UTC, whatever the local clock shows."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.accounts.models import CapPeriod, KeyCap
from app.domain.billing.cap_periods import CapState, end_of, look, period_of
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books


def ms(*moment: int) -> int:
    return clock.ms_of(datetime(*moment, tzinfo=UTC))


@pytest.mark.parametrize(
    ("at_ms", "period", "name", "end"),
    [
        (ms(2026, 11, 24, 16), CapPeriod.DAY, "2026-11-24", (2026, 11, 25)),
        (ms(2026, 11, 24), CapPeriod.DAY, "2026-11-24", (2026, 11, 25)),
        (ms(2026, 11, 25) - 1, CapPeriod.DAY, "2026-11-24", (2026, 11, 25)),
        (ms(2028, 2, 28), CapPeriod.DAY, "2028-02-28", (2028, 2, 29)),
        (ms(2026, 11, 24), CapPeriod.WEEK, "2026-W48", (2026, 11, 30)),
        (ms(2026, 11, 30) - 1, CapPeriod.WEEK, "2026-W48", (2026, 11, 30)),
        (ms(2026, 11, 30), CapPeriod.WEEK, "2026-W49", (2026, 12, 7)),
        # A week belongs to the year of its Thursday.
        (ms(2027, 1, 2), CapPeriod.WEEK, "2026-W53", (2027, 1, 4)),
        (ms(2024, 12, 31), CapPeriod.WEEK, "2025-W01", (2025, 1, 6)),
        (ms(2026, 11, 30), CapPeriod.MONTH, "2026-11", (2026, 12, 1)),
        (ms(2026, 12, 1) - 1, CapPeriod.MONTH, "2026-11", (2026, 12, 1)),
        (ms(2026, 12, 31), CapPeriod.MONTH, "2026-12", (2027, 1, 1)),
        (ms(2027, 1, 31), CapPeriod.MONTH, "2027-01", (2027, 2, 1)),
    ],
)
def test_period_has_a_name_and_an_end(
    at_ms: int, period: CapPeriod, name: str, end: tuple[int, int, int]
):
    assert period_of(at_ms, period) == name
    assert end_of(at_ms, period) == datetime(*end, tzinfo=UTC)


@pytest.mark.parametrize("period", list(CapPeriod))
def test_the_end_is_the_next_periods_first_moment(period: CapPeriod):
    end_ms = clock.ms_of(end_of(ms(2026, 11, 24), period))
    assert period_of(end_ms - 1, period) != period_of(end_ms, period)


@pytest.mark.parametrize("period", list(CapPeriod))
def test_the_writers_plain_word_is_as_good(period: CapPeriod):
    at_ms = ms(2026, 11, 24)
    assert period_of(at_ms, period.value) == period_of(at_ms, period)
    assert end_of(at_ms, period.value) == end_of(at_ms, period)


def test_look_shows_the_present_period(books: Books, frozen_time: FrozenTime):
    key = books.key(books.user(paid=1000), cap_nanos=100, cap_period=CapPeriod.DAY)
    with Session(books.engine) as session:
        cap = session.get_one(KeyCap, key.cap_id)
        assert look(session, cap)[2:] == (0, 0)
        books.post(books.hold(key, 50), 30)
        books.hold(key, 20)
        ends_at = datetime(2026, 11, 25, tzinfo=UTC)
        assert look(session, cap) == CapState("2026-11-24", ends_at, 30, 20)
        frozen_time.advance(86_400)
        assert look(session, cap)[2:] == (0, 0)
