"""Looking through alerts and closing them by hand. Rules; the edge commits."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.alerts.errors import AlertUnknown
from app.domain.alerts.models import Alert
from app.domain.audit import AuditAction, record


def latest(session: Session, *, count: int) -> Sequence[Alert]:
    """The alerts that were opened last, resolved ones too, the newest first."""
    return session.scalars(select(Alert).order_by(Alert.id.desc()).limit(count)).all()


def resolve_by_hand(
    session: Session, *, alert_ids: Sequence[int], actor: str, reason: str
) -> list[Alert]:
    """Close these alerts; returns those that were open. When a cause comes back, it is a new alert.

    Raises AlertUnknown where one was never there; then the caller rolls back.
    """
    closed = []
    for alert_id in sorted(set(alert_ids)):  # one order of locks for all
        alert = session.scalar(
            select(Alert)
            .where(Alert.id == alert_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if alert is None:
            raise AlertUnknown(
                f"There is no alert {alert_id}. `flask alerts list --all` shows all."
            )
        if alert.resolved_at is None:
            alert.resolved_at = clock.now()
            closed.append(alert)
            details = {"alert_id": alert.id, "kind": alert.kind, "subject": alert.subject}
            record(
                session,
                actor=actor,
                action=AuditAction.ALERT_RESOLVED,
                details=details | {"reason": reason},
            )
    return closed
