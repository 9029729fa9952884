"""The secrets with which a partner signs calls: sealed at rest, two live at once for rotation."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Sealer, random_token
from app.domain.audit import AuditAction, record
from app.domain.partners.errors import PartnerNotFound
from app.domain.partners.models import Partner, PartnerSecret

LIVE_MAX = 2


@dataclass(frozen=True, slots=True)
class LiveSecret:
    """A secret without its text, for lists."""

    id: int
    created_at: datetime


def create(session: Session, sealer: Sealer, *, partner_id: int, actor: str) -> str:
    """A new secret, to be shown once. The one before stays live, an older one is revoked.

    Raises PartnerNotFound.
    """
    locked = select(Partner).where(Partner.user_id == partner_id).with_for_update()
    if session.scalar(locked) is None:
        raise PartnerNotFound
    for row in _live_rows(session, partner_id)[LIVE_MAX - 1 :]:
        _revoke(session, row, actor)
    text = f"pss_{random_token()}"
    row = PartnerSecret(
        partner_id=partner_id, sealed_secret=sealer.seal(text), created_at=clock.now()
    )
    session.add(row)
    session.flush()
    _record(session, AuditAction.PARTNER_SECRET_MADE, row, actor)
    return text


def revoke_older(session: Session, *, partner_id: int, actor: str) -> int:
    """End a rotation: only the newest secret stays. Returns how many were revoked."""
    older = _live_rows(session, partner_id)[1:]
    for row in older:
        _revoke(session, row, actor)
    return len(older)


def live(session: Session, partner_id: int) -> list[LiveSecret]:
    """Newest first."""
    return [LiveSecret(row.id, row.created_at) for row in _live_rows(session, partner_id)]


def open_live(session: Session, sealer: Sealer, partner_id: int) -> list[str]:
    """The live secrets in clear, to check a signature with."""
    return [sealer.open(row.sealed_secret) for row in _live_rows(session, partner_id)]


def _live_rows(session: Session, partner_id: int) -> list[PartnerSecret]:
    rows = select(PartnerSecret).where(
        PartnerSecret.partner_id == partner_id, PartnerSecret.revoked_at.is_(None)
    )
    return list(session.scalars(rows.order_by(PartnerSecret.id.desc())))


def _revoke(session: Session, row: PartnerSecret, actor: str) -> None:
    row.revoked_at = clock.now()
    _record(session, AuditAction.PARTNER_SECRET_REVOKED, row, actor)


def _record(session: Session, action: AuditAction, row: PartnerSecret, actor: str) -> None:
    details = {"secret_id": row.id}
    record(session, actor=actor, action=action, user_id=row.partner_id, details=details)
