"""Days and moments: what is read, what is refused, and how they are shown."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.core.moments import InvalidMoment, parse_end, parse_start, show_moment, show_ms

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T12:00:00Z",
        "2026-11-24T12:00Z",
        "2026-11-24T12:00:00.000Z",
        "2026-11-24T12:00:00",
        "2026-11-24 12:00:00",
        "2026-11-24T19:00:00+07:00",
    ],
)
def test_moment_is_read_in_utc(text: str):
    assert parse_start(text, field="from") == parse_end(text, field="to") == NOON


def test_day_begins_at_midnight_and_counts_in_full():
    start, end = parse_start("2026-11-24", field="from"), parse_end("2026-11-24", field="to")
    assert start == datetime(2026, 11, 24, tzinfo=UTC)
    assert end - start == timedelta(days=1)


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026", "2026-11", "20261124", "2026-W48-2", "2026-02-30", "2026-11-24T25:00",
        "2026-11-24T12:00:00 07:00", "1999-12-31", "9999-12-31", "0001-01-01", "2026-11-24T12",
        "२०२६-११-२४", "2026-11-24\n", " 2026-11-24", "1764000000", "2026-11-24T12:00:00+99:99",
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_names_its_field(text: str):
    for parse in (parse_start, parse_end):
        with pytest.raises(InvalidMoment) as caught:
            parse(text, field="from")
        assert caught.value.field == "from"


def test_moment_is_shown_to_the_millisecond_in_utc():
    local = NOON.astimezone(timezone(timedelta(hours=7)))
    assert show_moment(local) == "2026-11-24T12:00:00.000Z"
    assert show_ms(1_795_521_600_123) == "2026-11-24T12:00:00.123Z"
