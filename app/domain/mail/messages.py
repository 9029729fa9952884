"""The mails that the product writes: what each is for, its subject, its templates, its values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.core.i18n import N_


class MailMessage(StrEnum):
    """A mail of ours; its value names the row in the outbox and the two template files."""

    CLAIM = "claim"
    SIGN_UP = "sign_up"
    KEY_WAITING = "key_waiting"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class MessageRow:
    """`subject` is a message of the source language; its placeholders and `values` are what
    `compose` must be given, neither more nor less. No value may hold text that a caller of the
    API chose: a partner's name only where the operator approved it, else None.
    """

    message: MailMessage
    purpose: str
    subject: str
    values: frozenset[str]

    @property
    def text_template(self) -> str:
        return f"mail/{self.message.value}.txt"

    @property
    def html_template(self) -> str:
        return f"mail/{self.message.value}.html"


_ROWS = (
    MessageRow(
        MailMessage.CLAIM,
        purpose="tells a mailbox's owner which partner opened an account, and lets them take it",
        subject=N_("%(inviter)s opened a %(site)s account for you"),
        values=frozenset(
            {
                "inviter_id",
                "inviter_name",
                "trial_nanos",
                "claim_url",
                "refuse_url",
                "expires_at",
            }
        ),
    ),
    MessageRow(
        MailMessage.SIGN_UP,
        purpose="confirms the email of someone who opened an account themselves",
        subject=N_("Confirm your email to open your %(site)s account"),
        values=frozenset({"claim_url", "expires_at"}),
    ),
    MessageRow(
        MailMessage.KEY_WAITING,
        purpose="tells an account's owner that a partner asks for a key",
        subject=N_("%(inviter)s asks for a key to your %(site)s account"),
        values=frozenset({"inviter_id", "inviter_name", "keys_url", "gone_at"}),
    ),
    MessageRow(
        MailMessage.ALERT,
        purpose="tells the operator what they must act on",
        subject=N_("%(site)s: %(title)s"),
        values=frozenset({"kind", "about", "details", "occurrences", "opened_at", "last_seen_at"}),
    ),
)

MESSAGES: Mapping[MailMessage, MessageRow] = MappingProxyType({row.message: row for row in _ROWS})
