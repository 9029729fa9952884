"""The acts that leave a trace, each with what the account's owner reads in their history."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.core.i18n import N_


class AuditAction(StrEnum):
    """What was done. A value stays in the database for ever: add, never rename."""

    ACCOUNT_CREATED = "account_created"
    ACCOUNT_CLAIMED = "account_claimed"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_ENABLED = "account_enabled"
    ACCOUNT_ERASED = "account_erased"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an act
    SECOND_FACTOR_CHANGED = "second_factor_changed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    SESSIONS_ENDED = "sessions_ended"
    ROLE_GIVEN = "role_given"
    ROLE_TAKEN = "role_taken"
    CLAIM_MAILED = "claim_mailed"
    INVITER_ACCEPTED = "inviter_accepted"
    INVITER_BLOCKED = "inviter_blocked"
    KEY_MADE = "key_made"
    KEY_ASKED_FOR = "key_asked_for"
    KEY_APPROVED = "key_approved"
    KEY_REFUSED = "key_refused"
    KEY_REPLACED = "key_replaced"
    KEY_REVOKED = "key_revoked"
    KEY_CHANGED = "key_changed"
    TRIAL_GRANTED = "trial_granted"
    TRIAL_RETURNED = "trial_returned"
    TRANSFER_ENTERED = "transfer_entered"
    REQUEST_REFUNDED = "request_refunded"
    VOUCHERS_MADE = "vouchers_made"
    VOUCHERS_CANCELLED = "vouchers_cancelled"
    VOUCHER_REDEEMED = "voucher_redeemed"
    PARTNER_MADE = "partner_made"
    PARTNER_CHANGED = "partner_changed"
    PARTNER_SECRET_MADE = "partner_secret_made"  # noqa: S105 - the name of an act
    PARTNER_SECRET_REVOKED = "partner_secret_revoked"  # noqa: S105 - the name of an act
    NETWORK_LISTED = "network_listed"
    NETWORK_UNLISTED = "network_unlisted"
    MODEL_CHANGED = "model_changed"
    PRICE_CHANGED = "price_changed"
    CHANNEL_CHANGED = "channel_changed"
    CHANNEL_DISABLED = "channel_disabled"
    ALERT_RESOLVED = "alert_resolved"
    BACKUP_MADE = "backup_made"
    BACKUP_RESTORED = "backup_restored"


@dataclass(frozen=True, slots=True)
class ActionRow:
    """How an act is told, in the source language; pages pass `title` through `gettext`."""

    action: AuditAction
    title: str


_ROWS = (
    ActionRow(AuditAction.ACCOUNT_CREATED, N_("Account opened")),
    ActionRow(AuditAction.ACCOUNT_CLAIMED, N_("Account claimed by the mailbox's owner")),
    ActionRow(AuditAction.ACCOUNT_DISABLED, N_("Account disabled")),
    ActionRow(AuditAction.ACCOUNT_ENABLED, N_("Account enabled again")),
    ActionRow(AuditAction.ACCOUNT_ERASED, N_("Account erased")),
    ActionRow(AuditAction.EMAIL_CHANGED, N_("Email changed")),
    ActionRow(AuditAction.PASSWORD_CHANGED, N_("Password changed")),
    ActionRow(AuditAction.SECOND_FACTOR_CHANGED, N_("Second factor changed")),
    ActionRow(AuditAction.PASSKEY_ADDED, N_("Passkey added")),
    ActionRow(AuditAction.PASSKEY_REMOVED, N_("Passkey removed")),
    ActionRow(AuditAction.SESSIONS_ENDED, N_("Signed out everywhere")),
    ActionRow(AuditAction.ROLE_GIVEN, N_("Role given")),
    ActionRow(AuditAction.ROLE_TAKEN, N_("Role taken away")),
    ActionRow(AuditAction.CLAIM_MAILED, N_("Claim link mailed")),
    ActionRow(AuditAction.INVITER_ACCEPTED, N_("Inviter accepted")),
    ActionRow(AuditAction.INVITER_BLOCKED, N_("Inviter blocked")),
    ActionRow(AuditAction.KEY_MADE, N_("Key made")),
    ActionRow(AuditAction.KEY_ASKED_FOR, N_("Key asked for, waiting for approval")),
    ActionRow(AuditAction.KEY_APPROVED, N_("Key approved")),
    ActionRow(AuditAction.KEY_REFUSED, N_("Key refused")),
    ActionRow(AuditAction.KEY_REPLACED, N_("Key given a new secret")),
    ActionRow(AuditAction.KEY_REVOKED, N_("Key revoked")),
    ActionRow(AuditAction.KEY_CHANGED, N_("Key changed")),
    ActionRow(AuditAction.TRIAL_GRANTED, N_("Trial credit granted")),
    ActionRow(AuditAction.TRIAL_RETURNED, N_("Unspent trial credit returned")),
    ActionRow(AuditAction.TRANSFER_ENTERED, N_("Transfer entered by hand")),
    ActionRow(AuditAction.REQUEST_REFUNDED, N_("Request refunded")),
    ActionRow(AuditAction.VOUCHERS_MADE, N_("Vouchers made")),
    ActionRow(AuditAction.VOUCHERS_CANCELLED, N_("Vouchers cancelled")),
    ActionRow(AuditAction.VOUCHER_REDEEMED, N_("Voucher redeemed")),
    ActionRow(AuditAction.PARTNER_MADE, N_("Made a partner")),
    ActionRow(AuditAction.PARTNER_CHANGED, N_("Partner changed")),
    ActionRow(AuditAction.PARTNER_SECRET_MADE, N_("Partner secret made")),
    ActionRow(AuditAction.PARTNER_SECRET_REVOKED, N_("Partner secret revoked")),
    ActionRow(AuditAction.NETWORK_LISTED, N_("Partner network listed")),
    ActionRow(AuditAction.NETWORK_UNLISTED, N_("Partner network taken off the list")),
    ActionRow(AuditAction.MODEL_CHANGED, N_("Model changed")),
    ActionRow(AuditAction.PRICE_CHANGED, N_("Price changed")),
    ActionRow(AuditAction.CHANNEL_CHANGED, N_("Channel changed")),
    ActionRow(AuditAction.CHANNEL_DISABLED, N_("Channel disabled")),
    ActionRow(AuditAction.ALERT_RESOLVED, N_("Alert resolved")),
    ActionRow(AuditAction.BACKUP_MADE, N_("Backup made")),
    ActionRow(AuditAction.BACKUP_RESTORED, N_("Backup restored")),
)

ACTIONS: Mapping[AuditAction, ActionRow] = MappingProxyType({row.action: row for row in _ROWS})
