"""Raising and resolving alerts: one open row a cause and subject, counted while it recurs."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from sqlalchemy import Table, bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app.core import clock
from app.core.database import Execute, Statement, in_session
from app.domain.alerts.kinds import AlertKind
from app.domain.alerts.models import Alert

MAIL_PAUSE = timedelta(hours=1)
SUBJECT_LENGTH = 128

_ALERTS = cast(Table, Alert.__table__)
_BEHIND_ALL_WALLETS = 1 << 62


def _upsert() -> Statement:
    """Both databases speak this dialect of INSERT … ON CONFLICT."""
    new = insert(_ALERTS).values(
        kind=bindparam("alert_kind"),
        subject=bindparam("alert_subject"),
        message=bindparam("alert_message"),
        occurrences=1,
        opened_at=bindparam("seen_at_ms"),
        last_seen_at=bindparam("seen_at_ms"),
    )
    return Statement(
        new.on_conflict_do_update(
            index_elements=["kind", "subject"],
            index_where=_ALERTS.c.resolved_at.is_(None),
            set_={
                "message": new.excluded.message,
                "occurrences": _ALERTS.c.occurrences + 1,
                "last_seen_at": new.excluded.last_seen_at,
            },
        )
    )


_UPSERT = _upsert()


@dataclass(frozen=True, slots=True)
class AlertWrite:
    """An alert as a value for the writer. `message` is for the operator: no secret, no prompt."""

    kind: AlertKind
    subject: str
    message: str
    seen_at_ms: int

    @property
    def order(self) -> int:
        """Behind every wallet, and the same for the same cause, so that batches do not deadlock."""
        return _BEHIND_ALL_WALLETS + zlib.crc32(f"{self.kind} {self.subject}".encode())

    def apply(self, execute: Execute) -> None:
        execute(
            _UPSERT,
            {
                "alert_kind": self.kind.value,
                "alert_subject": self.subject[:SUBJECT_LENGTH],
                "alert_message": self.message,
                "seen_at_ms": self.seen_at_ms,
            },
        )


def alert_write(*, kind: AlertKind, subject: str, message: str) -> AlertWrite:
    """An alert seen now, to be submitted to the writer."""
    return AlertWrite(kind, subject, message, clock.now_ms())


def raise_alert(session: Session, *, kind: AlertKind, subject: str, message: str) -> None:
    """Open the alert, or count it once more and keep the latest message; the caller commits."""
    alert_write(kind=kind, subject=subject, message=message).apply(in_session(session))


def resolve(session: Session, *, kind: AlertKind, subject: str) -> bool:
    """Close the open alert of this cause; False where none was open. The caller commits.

    When the cause comes back, it is a new alert.
    """
    closed = session.execute(
        update(Alert)
        .where(
            Alert.kind == kind.value,
            Alert.subject == subject[:SUBJECT_LENGTH],
            Alert.resolved_at.is_(None),
        )
        .values(resolved_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    assert isinstance(closed, CursorResult)
    return closed.rowcount > 0


def open_alerts(session: Session) -> Sequence[Alert]:
    """What waits for the operator, the latest first."""
    rows = select(Alert).where(Alert.resolved_at.is_(None))
    return session.scalars(
        rows.order_by(Alert.last_seen_at.desc(), Alert.id.desc()).execution_options(
            populate_existing=True
        )
    ).all()


def take_alerts_to_mail(session: Session) -> Sequence[Alert]:
    """Open alerts to mail now, marked as mailed; the caller commits them with the mails.

    A cause is mailed when it opens, then at most once an hour and only where it was seen again.
    The rows stay locked until then, so that two processes do not mail the same.
    """
    now = clock.now()
    due = (
        select(Alert)
        .where(
            Alert.resolved_at.is_(None),
            or_(
                Alert.mailed_at.is_(None),
                (Alert.mailed_at <= now - MAIL_PAUSE) & (Alert.last_seen_at > Alert.mailed_at),
            ),
        )
        .order_by(Alert.id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    alerts = session.scalars(due).all()
    for alert in alerts:
        alert.mailed_at = now
    return alerts
