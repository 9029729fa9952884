"""A key's limits: its family's, changed by its owner, tightened by whoever holds the secret."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.accounts import keys, limits
from app.domain.accounts.errors import (
    InvalidLimit,
    IpNotAllowed,
    KeyExpired,
    KeyNotChangeable,
    LimitsOfFirstKey,
    LimitsOnlyNarrow,
    UnknownLimit,
)
from app.domain.accounts.keys import NewKey
from app.domain.accounts.limits import KeyLimits, change_limits, limits_of, narrow_limits
from app.domain.accounts.models import CapPeriod, KeyCap, KeyOrigin, KeyScope, KeyState
from app.domain.audit.models import AuditEntry
from tests.factories import make_key, make_user

SOON = datetime(2027, 1, 1, tzinfo=UTC)
SOONER = SOON - timedelta(days=7)
EVERY_LIMIT = {
    "cap_nanos": 5_000_000_000,
    "period": CapPeriod.DAY,
    "max_running": 4,
    "requests_per_minute": 60,
    "tokens_per_minute": 10_000,
    "models": ["talk", "vendor/talk"],
    "networks": ["192.0.2.0/24", "2001:db8::/32"],
    "expires_at": SOON,
}


@pytest.fixture(autouse=True)
def _still(frozen_time):
    """Expiries are judged by a clock that stands still."""


@pytest.fixture
def key(session, digester):
    made, _ = make_key(session, digester, make_user(session))
    return made


def change(session, key, **changes: Any):
    return change_limits(session, key=key, changes=changes, actor="operator")


def narrow(session, key, **changes: Any):
    return narrow_limits(session, key=key, changes=changes, actor=key.user.email)


def child_of(session, digester, parent, name="child"):
    new = NewKey(name=name, scope=KeyScope.FULL, origin=KeyOrigin.OWNER, parent=parent)
    return keys.issue(session, digester, user=parent.user, new=new, actor="owner").key


def test_new_key_has_no_limits(key):
    assert limits_of(key) == KeyLimits()


def test_every_limit_is_kept_and_read_again(session, key):
    changed = change(session, key, **EVERY_LIMIT)
    session.commit()
    assert limits_of(key) == changed
    assert changed == KeyLimits(
        **{
            **EVERY_LIMIT,
            "models": ("talk", "vendor/talk"),
            "networks": ("192.0.2.0/24", "2001:db8::/32"),
        }
    )


def test_a_change_leaves_the_other_limits(session, key):
    change(session, key, **EVERY_LIMIT)
    changed = change(session, key, max_running=None, models=None)
    assert (changed.max_running, changed.models) == (None, None)
    assert changed.tokens_per_minute == 10_000


def test_new_key_is_born_with_its_limits(session, digester):
    user = make_user(session)
    given = limits.read_limits(EVERY_LIMIT)
    new = NewKey(name="n", scope=KeyScope.FULL, origin=KeyOrigin.OPERATOR, limits=given)
    key = keys.issue(session, digester, user=user, new=new, actor="operator").key
    assert limits_of(key) == given


def test_key_born_without_limits_has_no_cap_row(session, digester):
    user = make_user(session)
    expiring = limits.read_limits({"expires_at": SOON})
    new = NewKey(name="n", scope=KeyScope.FULL, origin=KeyOrigin.OPERATOR, limits=expiring)
    key = keys.issue(session, digester, user=user, new=new, actor="operator").key
    assert (key.cap_id, key.expires_at) == (None, SOON)


def test_first_limit_reaches_every_descendant(session, digester, key):
    child = child_of(session, digester, key)
    grandchild = child_of(session, digester, child, name="grandchild")
    stranger, _ = make_key(session, digester, key.user)
    change(session, key, max_running=2, expires_at=SOON)
    session.commit()
    for member in (child, grandchild):
        session.refresh(member)
        assert (member.cap_id, member.expires_at) == (key.cap_id, SOON)
    session.refresh(stranger)
    assert (stranger.cap_id, stranger.expires_at) == (None, None)


def test_expiry_alone_needs_no_cap_row(session, digester, key):
    child = child_of(session, digester, key)
    change(session, key, expires_at=SOON)
    assert (key.cap_id, child.expires_at) == (None, SOON)


def test_child_is_sent_to_the_first_key_of_its_family(session, digester, key):
    child = child_of(session, digester, key)
    grandchild = child_of(session, digester, child, name="grandchild")
    for act in (change, narrow):
        with pytest.raises(LimitsOfFirstKey) as refusal:
            act(session, grandchild, max_running=1)
        assert refusal.value.facts == {"first_key_id": key.id}
        assert str(key.id) in refusal.value.message


@pytest.mark.parametrize("state", [KeyState.REVOKED, KeyState.REFUSED])
def test_ended_key_keeps_its_limits(session, digester, state):
    key, _ = make_key(session, digester, make_user(session), state=state)
    with pytest.raises(KeyNotChangeable):
        change(session, key, max_running=1)


def test_expired_key_is_not_brought_back(session, key, frozen_time):
    change(session, key, expires_at=clock.now() + timedelta(minutes=1))
    frozen_time.advance(60)
    with pytest.raises(KeyNotChangeable):
        change(session, key, expires_at=None)


def test_change_is_audited_with_old_and_new(session, key):
    change(session, key, cap_nanos=2_000_000_000, models=["talk"])
    change(session, key, cap_nanos=500_000_000, models=["talk"])
    session.commit()
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (entry.actor, entry.action, entry.user_id) == ("operator", "key_changed", key.user_id)
    assert entry.details == {
        "key_id": key.id,
        "name": key.name,
        "old": {"cap_usd": "2"},
        "new": {"cap_usd": "0.5"},
    }


def test_change_of_nothing_leaves_no_trace(session, key):
    change(session, key, max_running=2)
    change(session, key, max_running=2)
    session.commit()
    assert len(session.scalars(select(AuditEntry)).all()) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, EVERY_LIMIT),
        (EVERY_LIMIT, EVERY_LIMIT),
        ({"cap_nanos": 5}, {"cap_nanos": 0}),
        ({"period": "day"}, {"period": "month", "cap_nanos": 5}),
        ({"models": ["a", "b"]}, {"models": ["b"]}),
        ({"networks": ["192.0.2.0/24"]}, {"networks": ["192.0.2.7", "192.0.2.64/26"]}),
        ({"networks": ["192.0.2.0/25", "192.0.2.128/25"]}, {"networks": ["192.0.2.0/24"]}),
        ({"expires_at": SOON}, {"expires_at": SOONER}),
    ],
)
def test_key_may_tighten_itself(session, key, old, new):
    change(session, key, **old)
    narrowed = narrow(session, key, **new)
    assert narrowed == limits.read_limits(new, old=limits.read_limits(old))


@pytest.mark.parametrize(
    ("field", "shown", "old", "new", "present"),
    [
        ("cap_nanos", "cap_usd", 5_000_000_000, 5_000_000_001, "5"),
        ("cap_nanos", "cap_usd", 0, None, "0"),
        ("max_running", "max_running", 4, 5, 4),
        ("requests_per_minute", "requests_per_minute", 4, None, 4),
        ("tokens_per_minute", "tokens_per_minute", 4, 5, 4),
        ("models", "models", ["a"], ["a", "b"], ["a"]),
        ("models", "models", ["a"], None, ["a"]),
        ("networks", "networks", ["192.0.2.0/25"], ["192.0.2.0/24"], ["192.0.2.0/25"]),
        ("networks", "networks", ["192.0.2.0/24"], ["2001:db8::/64"], ["192.0.2.0/24"]),
        ("networks", "networks", ["192.0.2.0/24"], None, ["192.0.2.0/24"]),
        ("expires_at", "expires_at", SOONER, SOON, "2026-12-25T00:00:00.000Z"),
        ("expires_at", "expires_at", SOONER, None, "2026-12-25T00:00:00.000Z"),
    ],
)
def test_key_never_widens_itself(session, key, field, shown, old, new, present):
    change(session, key, **{field: old})
    before = limits_of(key)
    with pytest.raises(LimitsOnlyNarrow) as refusal:
        narrow(session, key, **{field: new})
    assert (refusal.value.field, refusal.value.facts) == (shown, {"present": present})
    assert limits_of(key) == before


def test_key_under_a_cap_keeps_its_period(session, key):
    """Another period starts counting anew."""
    change(session, key, cap_nanos=5, period="day")
    with pytest.raises(LimitsOnlyNarrow) as refusal:
        narrow(session, key, cap_nanos=1, period="month")
    assert (refusal.value.field, refusal.value.facts) == ("cap_period", {"present": "day"})


def test_owner_may_change_the_period(session, key):
    change(session, key, cap_nanos=5, period="day")
    assert change(session, key, period="week").period is CapPeriod.WEEK


@pytest.mark.parametrize("networks", [None, ["192.0.2.0/24", "2001:db8::/32"]])
@pytest.mark.parametrize("ip", ["192.0.2.9", "2001:db8:7::1"])
def test_listed_networks_are_let_in(session, key, networks, ip):
    change(session, key, networks=networks)
    limits.require_usable(key, ip=ip_address(ip))


@pytest.mark.parametrize("ip", ["192.0.3.9", "2001:db9::1", "0.0.0.0"])
def test_other_networks_are_refused(session, key, ip):
    change(session, key, networks=["192.0.2.0/24", "2001:db8::/32"])
    with pytest.raises(IpNotAllowed):
        limits.require_usable(key, ip=ip_address(ip))


def test_expired_key_is_refused_from_anywhere(session, key, frozen_time):
    change(session, key, expires_at=clock.now() + timedelta(minutes=1))
    frozen_time.advance(60)
    with pytest.raises(KeyExpired):
        limits.require_usable(key, ip=ip_address("192.0.2.9"))


def test_limits_are_judged_behind_the_lock(session, key):
    """What another session lowered meanwhile cannot be raised from an older view."""
    change(session, key, max_running=9)
    session.commit()
    assert key.cap.max_running == 9
    with Session(session.get_bind()) as other:
        other.get_one(KeyCap, key.cap_id).max_running = 2
        other.commit()
    with pytest.raises(LimitsOnlyNarrow) as refusal:
        narrow(session, key, max_running=5)
    assert refusal.value.facts == {"present": 2}


def test_unknown_limit_is_named(session, key):
    with pytest.raises(UnknownLimit) as refusal:
        change(session, key, scope="full")
    assert refusal.value.field == "scope"


def test_one_wrong_value_changes_nothing(session, key):
    with pytest.raises(InvalidLimit):
        change(session, key, max_running=3, models=[])
    assert limits_of(key) == KeyLimits()


def test_limits_as_json(session, key):
    assert limits.plain(change(session, key, **EVERY_LIMIT)) == {
        "cap_usd": "5",
        "cap_period": "day",
        "max_running": 4,
        "requests_per_minute": 60,
        "tokens_per_minute": 10_000,
        "models": ["talk", "vendor/talk"],
        "networks": ["192.0.2.0/24", "2001:db8::/32"],
        "expires_at": "2027-01-01T00:00:00.000Z",
    }
