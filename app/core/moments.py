"""Days and moments in queries and answers: ISO 8601, in UTC."""

import re
from datetime import UTC, datetime, timedelta

from app.core.errors import BadRequest

# Of ISO 8601 the forms that nobody reads in two ways; `fromisoformat` takes weeks and more.
_DAY = re.compile(r"20\d\d-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_DAY_LENGTH = timedelta(days=1)


class InvalidMoment(BadRequest):
    number = 6
    reason = "invalid_moment"
    message = "Send a day such as 2026-11-24, or a moment such as 2026-11-24T09:30:00Z."


def parse_start(text: str, *, field: str) -> datetime:
    """The first moment of a range: a day's midnight, or the moment itself. Raises InvalidMoment."""
    return _parse(text, field)[0]


def parse_end(text: str, *, field: str) -> datetime:
    """The moment before which a range ends: that of the day after a day, or the moment itself."""
    moment, is_day = _parse(text, field)
    return moment + _DAY_LENGTH if is_day else moment


def show_moment(moment: datetime) -> str:
    """An aware moment to the millisecond: ``2026-11-24T09:30:00.000Z``."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def show_ms(moment_ms: int) -> str:
    """The same of milliseconds since the epoch."""
    return show_moment(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=moment_ms))


def _parse(text: str, field: str) -> tuple[datetime, bool]:
    """A moment without an offset is in UTC."""
    is_day = _DAY.fullmatch(text) is not None
    if not is_day and _MOMENT.fullmatch(text) is None:
        raise _invalid(field)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # such as the 31st of February
        raise _invalid(field) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC), is_day


def _invalid(field: str) -> InvalidMoment:
    return InvalidMoment(f"{field}: {InvalidMoment.message} A + is written %2B.", field=field)
