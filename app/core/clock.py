"""The only place that asks for the time. Tests replace the source with `use_source`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_source: Callable[[], float] = time.time
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def now_s() -> float:
    """Seconds since the epoch."""
    return _source()


def now_ms() -> int:
    """Milliseconds since the epoch: the form in which the database keeps every moment."""
    return int(_source() * 1000)


def now() -> datetime:
    """The moment, aware, in UTC."""
    return datetime.fromtimestamp(_source(), UTC)


def ms_of(moment: datetime) -> int:
    """Milliseconds since the epoch, in whole numbers: a float would lose one now and then."""
    return (moment - _EPOCH) // _MILLISECOND


monotonic = time.monotonic
"""Seconds on a clock that never jumps, for durations and deadlines."""


@contextmanager
def use_source(source: Callable[[], float]) -> Iterator[None]:
    """Within the block `now…` read `source` (seconds since the epoch)."""
    global _source
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
