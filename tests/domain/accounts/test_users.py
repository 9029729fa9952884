"""Opening, closing and finding accounts."""

import pytest
from sqlalchemy import select

from app.domain.accounts import users
from app.domain.accounts.errors import UserNotFound
from app.domain.accounts.models import InviterState
from app.domain.audit.models import AuditEntry
from tests.factories import make_user


def insert(session, email):
    return users.lock_or_insert(
        session, email=email, inviter_id=None, inviter_state=InviterState.NONE
    )


def test_account_is_inserted_once_and_unclaimed(session):
    user, is_new = insert(session, "user@example.com")
    again, is_new_again = insert(session, "user@example.com")
    assert again is user
    assert (is_new, is_new_again) == (True, False)
    assert (user.nickname, user.is_claimed, user.password) == ("user", False, None)


def test_disabling_ends_sessions_and_enabling_undoes_it(session):
    user = make_user(session)
    before = user.fs_uniquifier
    for _ in range(2):
        users.disable(session, user=user, actor="operator")
    assert not user.active
    assert user.fs_uniquifier != before
    for _ in range(2):
        users.enable(session, user=user, actor="operator")
    assert user.active
    session.flush()
    actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["account_disabled", "account_enabled"]


def test_unknown_email_is_not_found(session):
    with pytest.raises(UserNotFound):
        users.by_email(session, "nobody@example.com")
