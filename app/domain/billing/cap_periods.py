"""The periods of spend caps, all UTC: a day, a week from Monday on, a calendar month. Pure, but for
one look at what a cap has spent."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.core import clock
from app.domain.accounts.models import CapPeriod, KeyCap, KeyCapPeriod

_FORMATS = {CapPeriod.DAY: "%Y-%m-%d", CapPeriod.WEEK: "%G-W%V", CapPeriod.MONTH: "%Y-%m"}


class CapState(NamedTuple):
    """What a cap has spent and holds in the period called `name`, which ends at `ends_at`."""

    name: str
    ends_at: datetime
    spent_nanos: int
    held_nanos: int


def period_of(at_ms: int, period: CapPeriod) -> str:
    """The name of the period around a moment: ``2026-11-24``, ``2026-W48``, ``2026-11``."""
    return _moment(at_ms).strftime(_FORMATS[period])


def end_of(at_ms: int, period: CapPeriod) -> datetime:
    """When the period around a moment is over, and the cap starts anew."""
    today = _moment(at_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    match CapPeriod(period):
        case CapPeriod.DAY:
            return today + timedelta(days=1)
        case CapPeriod.WEEK:
            return today + timedelta(days=7 - today.weekday())
        case CapPeriod.MONTH:
            return (today.replace(day=1) + timedelta(days=32)).replace(day=1)


def look(session: Session, cap: KeyCap) -> CapState:
    """The cap's present period: for showing, never for deciding."""
    now_ms = clock.now_ms()
    name = period_of(now_ms, cap.period)
    row = session.get(KeyCapPeriod, (cap.id, name), populate_existing=True)
    spent_nanos, held_nanos = (0, 0) if row is None else (row.spent_nanos, row.held_nanos)
    return CapState(name, end_of(now_ms, cap.period), spent_nanos, held_nanos)


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
