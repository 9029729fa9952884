"""The audit trail: written with its effect, never changed, read for one account."""

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.database import db
from app.domain import audit
from app.domain.audit import ACTIONS, AuditAction
from tests.conftest import NOW_S


def test_every_action_has_a_title_and_fits_its_column():
    assert set(ACTIONS) == set(AuditAction)
    assert all(row.title for row in ACTIONS.values())
    assert max(len(action.value) for action in AuditAction) <= 64


def test_act_is_kept_with_actor_time_and_details(session, frozen_time):
    audit.record(
        session,
        actor=audit.partner_actor(10001),
        action=AuditAction.KEY_MADE,
        user_id=10002,
        details={"key_id": 30001},
    )
    session.commit()
    [entry] = audit.of_user(session, 10002)
    assert (entry.actor, entry.action, entry.details) == (
        "partner:10001",
        "key_made",
        {"key_id": 30001},
    )
    assert entry.at.timestamp() == NOW_S


def test_act_is_gone_when_the_caller_rolls_back(session):
    audit.record(session, actor=audit.SYSTEM, action=AuditAction.TRIAL_RETURNED, user_id=10002)
    session.rollback()
    assert audit.of_user(session, 10002) == []


def test_unknown_action_is_refused(session):
    with pytest.raises(ValueError, match="dance"):
        audit.record(session, actor=audit.SYSTEM, action="dance")


def test_history_is_one_account_newest_first_in_pages(session):
    for user_id in (1, 2, 1, 1):
        audit.record(session, actor=audit.ANONYMOUS, action=AuditAction.KEY_MADE, user_id=user_id)
        session.flush()
    first = audit.of_user(session, 1, count=2)
    rest = audit.of_user(session, 1, before_id=first[-1].id)
    assert [entry.id for entry in (*first, *rest)] == [4, 3, 1]


def test_entry_can_be_neither_edited_nor_deleted(any_app: Flask):
    with any_app.app_context(), Session(db.engine) as session:
        audit.record(session, actor=audit.SYSTEM, action=AuditAction.BACKUP_MADE)
        session.commit()
        for statement in ("UPDATE audit_entries SET actor = 'x'", "DELETE FROM audit_entries"):
            with pytest.raises(DBAPIError, match="append-only"):
                session.execute(text(statement))
            session.rollback()
