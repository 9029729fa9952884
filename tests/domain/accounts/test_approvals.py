"""A key that a partner made spends paid money only once its owner proved that it is theirs."""

from typing import Any

import pytest

from app.domain.accounts import approvals, keys
from app.domain.accounts.approvals import Approval
from app.domain.accounts.errors import KeyNotFound, KeyNotWaiting
from app.domain.accounts.limits import KeyLimits, change_limits, limits_of
from app.domain.accounts.models import KeyOrigin, KeyScope, KeyState
from tests.factories import make_key, make_user

CAP_NANOS = 5_000_000_000
WRONG = "wrong!"


def waiting_key(session, digester, user, **columns: Any):
    columns = {"origin": KeyOrigin.ANONYMOUS, **columns}
    return make_key(session, digester, user, KeyScope.TRIAL, **columns)


def approve(session, digester, user, key, last_six=None, cap_nanos=CAP_NANOS):
    return approvals.approve(
        session,
        digester,
        owner=user,
        key_id=key.id,
        last_six=last_six,
        cap_nanos=cap_nanos,
    )


@pytest.mark.parametrize("state", [KeyState.ACTIVE, KeyState.PENDING])
def test_last_six_promote_a_key_under_its_cap(session, digester, state):
    user = make_user(session)
    key, secret = waiting_key(session, digester, user, state=state)
    assert approve(session, digester, user, key, secret[-6:]) is Approval.APPROVED
    assert (key.scope, key.state) == (KeyScope.FULL, KeyState.ACTIVE)
    assert key.cap.limit_nanos == CAP_NANOS
    assert keys.find_by_secret(session, digester, secret) is key


def test_pasted_spaces_around_the_six_do_no_harm(session, digester):
    user = make_user(session)
    key, secret = waiting_key(session, digester, user)
    assert approve(session, digester, user, key, f" {secret[-6:]}\n") is Approval.APPROVED


@pytest.mark.parametrize("last_six", [None, "", WRONG, "ABCDEFG"])
def test_a_tick_never_promotes_an_anonymous_key(session, digester, last_six):
    user = make_user(session)
    key, _ = waiting_key(session, digester, user)
    assert approve(session, digester, user, key, last_six) is Approval.WRONG_TAIL
    assert (key.scope, key.tail_tries, key.cap_id) == (KeyScope.TRIAL, 1, None)


def test_other_lengths_of_the_right_tail_are_wrong(session, digester):
    user = make_user(session)
    key, secret = waiting_key(session, digester, user)
    for tail in (secret[-5:], secret[-7:], secret, secret[-6:].swapcase() + "x"):
        if approve(session, digester, user, key, tail) is Approval.REPLACE_ONLY:
            break
    assert key.scope is KeyScope.TRIAL


def test_after_five_tries_only_replacement_is_left(session, digester):
    user = make_user(session)
    key, secret = waiting_key(session, digester, user)
    outcomes = [approve(session, digester, user, key, WRONG) for _ in range(5)]
    assert outcomes == [Approval.WRONG_TAIL] * 4 + [Approval.REPLACE_ONLY]
    assert approve(session, digester, user, key, secret[-6:]) is Approval.REPLACE_ONLY
    assert (key.scope, key.tail_tries) == (KeyScope.TRIAL, 5)
    issued = approvals.approve_by_replacing(
        session, digester, owner=user, key_id=key.id, cap_nanos=CAP_NANOS
    )
    assert key.scope is KeyScope.FULL
    assert keys.find_by_secret(session, digester, secret) is None
    assert keys.find_by_secret(session, digester, issued.secret) is key


def test_key_of_a_signed_call_is_ticked(session, digester):
    user = make_user(session)
    key, _ = waiting_key(session, digester, user, origin=KeyOrigin.SIGNED)
    assert approve(session, digester, user, key, cap_nanos=None) is Approval.APPROVED
    assert (key.scope, key.cap_id) == (KeyScope.FULL, None)


def test_owner_approves_only_own_waiting_keys(session, digester):
    user, other = make_user(session), make_user(session)
    key, secret = waiting_key(session, digester, user)
    with pytest.raises(KeyNotFound):
        approve(session, digester, other, key, secret[-6:])
    for done in (
        make_key(session, digester, user)[0],
        waiting_key(session, digester, user, state=KeyState.REVOKED)[0],
        waiting_key(session, digester, user, state=KeyState.REFUSED)[0],
    ):
        with pytest.raises(KeyNotWaiting):
            approve(session, digester, user, done)


def test_nothing_is_approved_on_an_unclaimed_account(session, digester):
    user = make_user(session, claimed=False)
    key, secret = waiting_key(session, digester, user)
    with pytest.raises(KeyNotWaiting):
        approve(session, digester, user, key, secret[-6:])


def test_approval_sets_the_cap_and_keeps_the_other_limits(session, digester):
    user = make_user(session)
    key, secret = waiting_key(session, digester, user)
    limits = {"cap_nanos": 1, "period": "day", "requests_per_minute": 60}
    change_limits(session, key=key, changes=limits, actor="operator")
    approve(session, digester, user, key, secret[-6:])
    assert limits_of(key) == KeyLimits(cap_nanos=CAP_NANOS, requests_per_minute=60)


def test_approval_without_a_cap_lifts_only_the_cap(session, digester):
    user = make_user(session)
    key, secret = waiting_key(session, digester, user)
    change_limits(session, key=key, changes={"cap_nanos": 1, "max_running": 2}, actor="operator")
    approve(session, digester, user, key, secret[-6:], cap_nanos=None)
    assert limits_of(key) == KeyLimits(max_running=2)
