"""Writing mails into the outbox, and looking at it."""

from collections.abc import Mapping, Sequence
from email.errors import HeaderParseError
from email.headerregistry import Address
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import NotFound
from app.domain import settings
from app.domain.alerts import AlertKind, take_alerts_to_mail
from app.domain.mail.composing import Composed, compose
from app.domain.mail.messages import MailMessage
from app.domain.mail.models import OutboxMail

GIVE_UP_AFTER = 10
"""Refusals after which a mail is left alone; at the pauses of `delivery` that is half a day."""

SUBJECT_LENGTH = 254


class MailState(StrEnum):
    """What became of a mail."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class MailNotFound(NotFound):
    number = 60
    reason = "mail_not_found"
    message = "There is no mail of this number; `flask mail list` shows them all."


def queue(
    session: Session,
    *,
    message: MailMessage,
    recipient: str,
    language: str,
    values: Mapping[str, Any],
) -> OutboxMail:
    """Render `message` and put it into the outbox beside the effect that it tells of.

    The caller commits; nothing is sent here. Needs an app context. `values` are those of the
    message's row; ValueError where they do not fit or `recipient` is no single email.
    """
    composed = compose(
        message, language=language, values=values, settings=settings.in_force(session)
    )
    return enqueue(
        session, message=message.value, recipient=recipient, language=language, composed=composed
    )


def enqueue(
    session: Session, *, message: str, recipient: str, language: str, composed: Composed
) -> OutboxMail:
    """Put a mail that was rendered elsewhere into the outbox; `message` names its sort."""
    if len(composed.subject.splitlines()) != 1:
        raise ValueError("a mail's subject is one line")
    mail = OutboxMail(
        recipient=_single_email(recipient),
        message=message,
        language=language,
        subject=composed.subject[:SUBJECT_LENGTH],
        text_body=composed.text_body,
        html_body=composed.html_body,
        created_at=clock.now(),
        next_attempt_at=clock.now(),
        attempts=0,
    )
    session.add(mail)
    session.flush()
    return mail


def queue_alert_mails(session: Session, *, recipient: str, language: str) -> int:
    """Mail the operator what is due, at most hourly per cause; returns how many mails.

    The caller commits mails and marks together.
    """
    alerts = take_alerts_to_mail(session)
    for alert in alerts:
        values = {
            "kind": AlertKind(alert.kind),
            "about": alert.subject,
            "details": alert.message,
            "occurrences": alert.occurrences,
            "opened_at": alert.opened_at,
            "last_seen_at": alert.last_seen_at,
        }
        queue(
            session,
            message=MailMessage.ALERT,
            recipient=recipient,
            language=language,
            values=values,
        )
    return len(alerts)


def latest(session: Session, *, count: int = 100) -> Sequence[OutboxMail]:
    """The newest mails, newest first."""
    return session.scalars(select(OutboxMail).order_by(OutboxMail.id.desc()).limit(count)).all()


def find(session: Session, mail_id: int) -> OutboxMail:
    """Raises MailNotFound."""
    mail = session.get(OutboxMail, mail_id)
    if mail is None:
        raise MailNotFound
    return mail


def state_of(mail: OutboxMail) -> MailState:
    if mail.sent_at is not None:
        return MailState.SENT
    return MailState.FAILED if mail.attempts >= GIVE_UP_AFTER else MailState.WAITING


def _single_email(text: str) -> str:
    """The email itself; ValueError for a list, a display name, a line break."""
    try:
        address = Address(addr_spec=text)
    except (HeaderParseError, IndexError, ValueError) as error:
        raise ValueError(f"{text!r} is no email") from error
    if address.addr_spec != text or not address.domain or not text.isascii():
        raise ValueError(f"{text!r} is no email")
    return text
