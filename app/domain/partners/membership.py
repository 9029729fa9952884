"""Who is a partner: made by the operator, named by `inviter_id`."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.accounts.models import User
from app.domain.audit import AuditAction, record
from app.domain.partners.errors import (
    AlreadyPartner,
    InvalidPartnerName,
    InviterNotAccepted,
    PartnerNotFound,
)
from app.domain.partners.models import Partner

LONGEST_NAME = 64
CHANGEABLE = frozenset({"is_active", "require_signature", "daily_trial_budget_nanos"})


def make_partner(
    session: Session, *, user: User, name: str | None, language: str | None, actor: str
) -> Partner:
    """Let a user invite. The name is the operator's own wording, so mails may quote it.

    Raises AlreadyPartner, InvalidPartnerName.
    """
    name = None if name is None else _checked_name(name)
    if session.get(Partner, user.id) is not None:
        raise AlreadyPartner
    partner = Partner(
        user_id=user.id,
        name=name,
        is_name_approved=name is not None,
        is_active=True,
        require_signature=False,
        language=language,
        created_at=clock.now(),
    )
    session.add(partner)
    session.flush()
    record(
        session,
        actor=actor,
        action=AuditAction.PARTNER_MADE,
        user_id=user.id,
        details={"name": name},
    )
    return partner


def get(session: Session, partner_id: int) -> Partner:
    """Raises PartnerNotFound."""
    partner = session.get(Partner, partner_id)
    if partner is None:
        raise PartnerNotFound
    return partner


def change(
    session: Session, *, partner_id: int, actor: str, **columns: bool | int | None
) -> Partner:
    """Set `is_active`, `require_signature` or `daily_trial_budget_nanos` (None: the setting's).

    Raises PartnerNotFound.
    """
    assert columns.keys() <= CHANGEABLE, columns
    partner = get(session, partner_id)
    for name, value in columns.items():
        setattr(partner, name, value)
    record(
        session,
        actor=actor,
        action=AuditAction.PARTNER_CHANGED,
        user_id=partner_id,
        details=columns,
    )
    return partner


def approve(session: Session, *, partner_id: int, name: str, actor: str) -> Partner:
    """Let the partner invite, under a name that mails to the people they invite may quote.

    Raises PartnerNotFound, InvalidPartnerName.
    """
    partner = get(session, partner_id)
    partner.name = _checked_name(name)
    partner.is_name_approved = True
    partner.is_active = True
    record(
        session,
        actor=actor,
        action=AuditAction.PARTNER_CHANGED,
        user_id=partner_id,
        details={"name": partner.name, "is_name_approved": True, "is_active": True},
    )
    return partner


def accepted(session: Session, inviter_id: int) -> Partner:
    """The partner of that id, if it may invite now. Raises InviterNotAccepted."""
    partner = find_accepted(session, inviter_id)
    if partner is None:
        raise InviterNotAccepted(field="inviter_id")
    return partner


def find_accepted(session: Session, partner_id: int) -> Partner | None:
    """The partner of that id; None where it may not invite now."""
    return session.scalar(
        select(Partner)
        .join(User, User.id == Partner.user_id)
        .where(Partner.user_id == partner_id, Partner.is_active, User.active)
    )


def approved_name(session: Session, partner_id: int | None) -> str | None:
    """The partner's name where the operator approved it: only then may a mail quote it."""
    partner = None if partner_id is None else session.get(Partner, partner_id)
    return partner.name if partner is not None and partner.is_name_approved else None


def _checked_name(name: str) -> str:
    """What a mail may quote: a line that is a name, and no link that a reader could follow."""
    name = name.strip()
    is_line = 0 < len(name) <= LONGEST_NAME and name.isprintable()
    if not is_line or "://" in name or "<" in name or ">" in name:
        raise InvalidPartnerName(field="name")
    return name
