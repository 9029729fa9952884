"""The audit trail."""

from app.domain.audit.actions import ACTIONS, ActionRow, AuditAction
from app.domain.audit.trail import ANONYMOUS, SYSTEM, of_user, partner_actor, record

__all__ = [
    "ACTIONS",
    "ANONYMOUS",
    "SYSTEM",
    "ActionRow",
    "AuditAction",
    "of_user",
    "partner_actor",
    "record",
]
