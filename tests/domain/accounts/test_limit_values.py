"""Values of limits are read strictly, and kept in one form."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.domain.accounts.errors import InvalidLimit
from app.domain.accounts.limits import read_limits
from app.domain.accounts.models import CapPeriod

PAST = datetime(2020, 1, 1, tzinfo=UTC)
NAIVE = datetime(2100, 1, 1)  # noqa: DTZ001 - what is refused


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("cap_nanos", -1, "cap_usd"),
        ("cap_nanos", "5", "cap_usd"),
        ("cap_nanos", True, "cap_usd"),
        ("cap_nanos", 1.0, "cap_usd"),
        ("cap_nanos", 2**63, "cap_usd"),
        ("period", None, "cap_period"),
        ("period", "year", "cap_period"),
        ("period", ["day"], "cap_period"),
        ("max_running", 0, "max_running"),
        ("max_running", True, "max_running"),
        ("requests_per_minute", 1.5, "requests_per_minute"),
        ("requests_per_minute", 10**9 + 1, "requests_per_minute"),
        ("tokens_per_minute", "many", "tokens_per_minute"),
        ("models", [], "models"),
        ("models", "talk", "models"),
        ("models", ["talk", 7], "models"),
        ("models", [""], "models"),
        ("models", ["two\nlines"], "models"),
        ("models", ["m" * 129], "models"),
        ("models", [f"m{n}" for n in range(65)], "models"),
        ("models", {"talk": 1}, "models"),
        ("networks", [], "networks"),
        ("networks", "192.0.2.0/24", "networks"),
        ("networks", ["192.0.2.0/33"], "networks"),
        ("networks", ["example.com"], "networks"),
        ("networks", [""], "networks"),
        ("networks", [f"10.0.0.{n}" for n in range(65)], "networks"),
        ("expires_at", PAST, "expires_at"),
        ("expires_at", NAIVE, "expires_at"),
        ("expires_at", "2100-01-01", "expires_at"),
    ],
)
def test_other_values_are_refused_by_name(name, value, shown):
    with pytest.raises(InvalidLimit) as refusal:
        read_limits({name: value})
    assert refusal.value.field == shown
    assert shown in refusal.value.message


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        (" 192.0.2.0/24 ", "192.0.2.0/24"),
        ("2001:DB8::1/64", "2001:db8::/64"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::/0", "::/0"),
    ],
)
def test_networks_are_kept_in_one_form(written, kept):
    assert read_limits({"networks": [written]}).networks == (kept,)


def test_what_is_said_twice_is_kept_once():
    twice = {"models": ["a", "b", "a"], "networks": ["192.0.2.1/24", "192.0.2.9/24"]}
    limits = read_limits(twice)
    assert (limits.models, limits.networks) == (("a", "b"), ("192.0.2.0/24",))


def test_period_is_read_from_its_word():
    assert read_limits({"period": "week"}).period is CapPeriod.WEEK


def test_moment_is_kept_in_utc_to_the_millisecond():
    written = datetime(2100, 1, 1, 7, 0, 0, 123456, tzinfo=timezone(timedelta(hours=7)))
    assert read_limits({"expires_at": written}).expires_at == datetime(
        2100, 1, 1, 0, 0, 0, 123000, tzinfo=UTC
    )


def test_a_cap_of_nothing_is_a_cap():
    assert read_limits({"cap_nanos": 0}).cap_nanos == 0
