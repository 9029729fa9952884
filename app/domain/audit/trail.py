"""Writing the audit trail, and reading it for one account."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.audit.actions import AuditAction
from app.domain.audit.models import AuditEntry

SYSTEM = "system"
ANONYMOUS = "anonymous"


def partner_actor(partner_id: int) -> str:
    """The actor of a call that a partner signed."""
    return f"partner:{partner_id}"


def record(
    session: Session,
    *,
    actor: str,
    action: AuditAction,
    user_id: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write one act beside its effect; the caller commits both.

    `user_id` is the account that it was done to. `details` are ids and plain old and new values,
    never a secret, a prompt or a password.
    """
    session.add(
        AuditEntry(
            at=clock.now(),
            actor=actor,
            action=AuditAction(action).value,
            user_id=user_id,
            details=dict(details or {}),
        )
    )


def of_user(
    session: Session, user_id: int, *, before_id: int | None = None, count: int = 50
) -> Sequence[AuditEntry]:
    """The latest acts on one account, newest first; `before_id` goes on behind an earlier page."""
    entries = select(AuditEntry).where(AuditEntry.user_id == user_id)
    if before_id is not None:
        entries = entries.where(AuditEntry.id < before_id)
    return session.scalars(entries.order_by(AuditEntry.id.desc()).limit(count)).all()
