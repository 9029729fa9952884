"""Keys are made once a name, found by their secret, revoked with their children."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.core import clock
from app.domain.accounts import keys
from app.domain.accounts.errors import InvalidApiKey, KeyNameTaken, KeyNotFound, KeyNotWaiting
from app.domain.accounts.keys import NewKey
from app.domain.accounts.models import ApiKey, KeyOrigin, KeyScope, KeyState
from app.domain.audit.models import AuditEntry
from tests.factories import make_key, make_user


def new_key(name: str = "goodhr", **columns: Any) -> NewKey:
    return NewKey(**{"name": name, "scope": KeyScope.FULL, "origin": KeyOrigin.OWNER, **columns})


def issue(session, digester, user, new):
    return keys.issue(session, digester, user=user, new=new, actor=user.email)


def test_issued_key_is_found_by_its_secret_alone(session, digester):
    user = make_user(session)
    issued = issue(session, digester, user, new_key())
    assert keys.find_by_secret(session, digester, issued.secret) is issued.key
    assert keys.find_by_secret(session, digester, issued.secret[:-1]) is None
    assert issued.secret not in repr(issued)
    stored = session.execute(select(ApiKey.__table__)).mappings().one()
    assert issued.secret not in str(dict(stored))


def test_name_is_taken_in_any_case_and_any_state(session, digester):
    user = make_user(session)
    key, _ = make_key(session, digester, user, name="GoodHR", state=KeyState.REVOKED)
    with pytest.raises(KeyNameTaken):
        issue(session, digester, user, new_key("goodhr"))
    assert key.state is KeyState.REVOKED


def test_child_shares_cap_and_expiry_of_its_parent(session, digester):
    user = make_user(session)
    expires_at = clock.now() + timedelta(days=3)
    parent, _ = make_key(session, digester, user, cap_nanos=5, expires_at=expires_at)
    child = issue(session, digester, user, new_key(parent=parent)).key
    assert (child.parent_id, child.cap_id) == (parent.id, parent.cap_id)
    assert child.expires_at == parent.expires_at


def test_dead_parent_bears_no_child(session, digester):
    user = make_user(session)
    parent, _ = make_key(session, digester, user)
    session.commit()
    # Revoked in another session after it was found in this one.
    with type(session)(session.get_bind()) as other:
        keys.revoke(other, key=other.get_one(ApiKey, parent.id), actor="operator")
        other.commit()
    with pytest.raises(InvalidApiKey):
        issue(session, digester, user, new_key(parent=parent))


def test_revoke_takes_children_and_grandchildren_along(session, digester):
    user = make_user(session)
    parent, _ = make_key(session, digester, user)
    child, _ = make_key(session, digester, user, parent=parent)
    grandchild, _ = make_key(session, digester, user, parent=child)
    other, _ = make_key(session, digester, user)
    keys.revoke(session, key=parent, actor=user.email)
    states = {each.id: each.state for each in (parent, child, grandchild)}
    assert set(states.values()) == {KeyState.REVOKED}
    assert other.state is KeyState.ACTIVE


def test_refused_is_final_and_stays_refused_when_revoked(session, digester):
    user = make_user(session)
    key, _ = make_key(session, digester, user, KeyScope.TRIAL, state=KeyState.PENDING)
    keys.refuse(session, key=key, actor=user.email)
    with pytest.raises(KeyNotWaiting):
        keys.refuse(session, key=key, actor=user.email)
    keys.revoke(session, key=key, actor=user.email)
    assert key.state is KeyState.REFUSED
    with pytest.raises(KeyNotFound):
        keys.replace_secret(session, digester, key=key, origin=KeyOrigin.OWNER, actor=user.email)


def test_replaced_secret_kills_the_old_one_and_resets_tries(session, digester):
    user = make_user(session)
    key, old = make_key(session, digester, user, tail_tries=5)
    issued = keys.replace_secret(
        session, digester, key=key, origin=KeyOrigin.OWNER, actor=user.email
    )
    assert keys.find_by_secret(session, digester, old) is None
    assert keys.find_by_secret(session, digester, issued.secret) is key
    assert key.tail_tries == 0


def test_pending_key_is_gone_after_its_days_and_its_name_is_free(session, digester, frozen_time):
    user, other = make_user(session), make_user(session)
    for owner in (user, other):
        make_key(session, digester, owner, name="goodhr", state=KeyState.PENDING)
    active, _ = make_key(session, digester, user)
    frozen_time.advance(7 * 86_400 - 1)
    assert keys.remove_stale_pending(session, older_than_days=7) == 0
    frozen_time.advance(1)
    assert keys.remove_stale_pending(session, older_than_days=7, user_id=user.id) == 1
    assert keys.find_by_name(session, user_id=other.id, name="goodhr") is not None
    assert keys.remove_stale_pending(session, older_than_days=7) == 1
    assert keys.of_user(session, user.id) == [active]
    issue(session, digester, user, new_key())


@pytest.mark.parametrize(
    ("columns", "is_live"),
    [
        ({}, True),
        ({"state": KeyState.PENDING}, False),
        ({"state": KeyState.REVOKED}, False),
        ({"state": KeyState.REFUSED}, False),
        ({"expires_at": timedelta(seconds=-1)}, False),
        ({"expires_at": timedelta(seconds=1)}, True),
    ],
)
def test_only_active_unexpired_keys_are_live(session, digester, frozen_time, columns, is_live):
    if "expires_at" in columns:
        columns = {"expires_at": clock.now() + columns["expires_at"]}
    key, _ = make_key(session, digester, make_user(session), **columns)
    assert keys.is_live(key) is is_live


def test_key_of_a_disabled_account_is_not_live(session, digester):
    key, _ = make_key(session, digester, make_user(session, active=False))
    assert not keys.is_live(key)


def test_another_users_key_is_not_found(session, digester):
    key, _ = make_key(session, digester, make_user(session))
    with pytest.raises(KeyNotFound):
        keys.get(session, user_id=make_user(session).id, key_id=key.id)


def test_every_act_leaves_a_trace_without_the_secret(session, digester):
    user = make_user(session)
    issued = issue(session, digester, user, new_key())
    keys.revoke(session, key=issued.key, actor="operator")
    session.flush()
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(entry.actor, entry.action) for entry in entries] == [
        (user.email, "key_made"),
        ("operator", "key_revoked"),
    ]
    assert issued.secret not in str([entry.details for entry in entries])
