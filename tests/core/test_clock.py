"""One source of time, read in three forms, and replaced for a block."""

import time
from datetime import UTC, datetime

import pytest

from app.core import clock


def test_without_a_source_it_is_now():
    before_s = time.time()
    seen_s = clock.now_s()
    assert before_s <= seen_s <= time.time()


def test_the_three_forms_agree_and_milliseconds_are_cut_not_rounded():
    with clock.use_source(lambda: 1_000_000_000.4999):
        assert clock.now_s() == 1_000_000_000.4999
        assert clock.now_ms() == 1_000_000_000_499
        assert clock.now() == datetime(2001, 9, 9, 1, 46, 40, 499_900, tzinfo=UTC)


def test_a_moment_is_aware_and_in_utc():
    assert clock.now().tzinfo is UTC


def test_a_source_is_read_each_time():
    moments = iter([1.0, 2.0, 3.0])
    with clock.use_source(lambda: next(moments)):
        assert [clock.now_s(), clock.now_ms(), clock.now().timestamp()] == [1.0, 2_000, 3.0]


def test_sources_nest_and_the_one_before_comes_back():
    with clock.use_source(lambda: 1.0):
        with clock.use_source(lambda: 2.0):
            assert clock.now_s() == 2.0
        assert clock.now_s() == 1.0
    assert clock.now_s() > 1_000_000_000


def test_the_source_before_comes_back_after_an_error():
    with pytest.raises(LookupError), clock.use_source(lambda: 1.0):
        raise LookupError
    assert clock.now_s() > 1_000_000_000


def test_a_replaced_source_leaves_durations_alone():
    with clock.use_source(lambda: 0.0):
        first = clock.monotonic()
        assert 0 < first <= clock.monotonic()
