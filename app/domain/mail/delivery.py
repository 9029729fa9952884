"""Sending what waits in the outbox: each mail on its own, no session open while a server is asked.

A mail is taken by moving its next attempt ahead, in a commit of its own; so two processes do not
send the same one, and a process that dies leaves it to be sent after `LEASE`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.mail.models import OutboxMail
from app.domain.mail.outbox import GIVE_UP_AFTER
from app.domain.mail.transports import MailRefused, MailServerDown, Transport

LEASE = timedelta(minutes=5)
SERVER_DOWN_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
ERROR_LENGTH = 254

SessionFactory = Callable[[], Session]


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one round did; `server_error` says why it ended early."""

    sent: int = 0
    refused: int = 0
    server_error: str | None = None


@dataclass(frozen=True, slots=True)
class _Taken:
    id: int
    attempts: int
    mail: EmailMessage


def deliver_due(
    session_factory: SessionFactory, transport: Transport, *, sender: str, limit: int = 100
) -> DeliveryReport:
    """Send at most `limit` mails that are due. A refused mail waits longer each time, up to six
    hours; when the server is down all mail waits and none is counted as refused.
    """
    sent = refused = 0
    while sent + refused < limit and (taken := _take_next(session_factory, sender)):
        try:
            transport.send(taken.mail)
        except MailServerDown as error:
            _note(session_factory, taken.id, **_postponed(SERVER_DOWN_PAUSE, error))
            return DeliveryReport(sent, refused, str(error))
        except MailRefused as error:
            attempts = taken.attempts + 1
            _note(
                session_factory, taken.id, attempts=attempts, **_postponed(_pause(attempts), error)
            )
            refused += 1
        else:
            _note(session_factory, taken.id, sent_at=clock.now(), last_error=None)
            sent += 1
    return DeliveryReport(sent, refused)


def forget_sent(session: Session, *, older_than: timedelta) -> int:
    """Delete mails sent that long ago: their bodies hold links and emails. The caller commits."""
    gone = session.execute(
        delete(OutboxMail)
        .where(OutboxMail.sent_at < clock.now() - older_than)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(gone, CursorResult)
    return gone.rowcount


def _take_next(session_factory: SessionFactory, sender: str) -> _Taken | None:
    while True:
        with session_factory() as session:
            mail = session.scalar(
                select(OutboxMail)
                .where(
                    OutboxMail.sent_at.is_(None),
                    OutboxMail.next_attempt_at <= clock.now(),
                    OutboxMail.attempts < GIVE_UP_AFTER,
                )
                .order_by(OutboxMail.next_attempt_at, OutboxMail.id)
                .limit(1)
            )
            if mail is None:
                return None
            taken = _Taken(mail.id, mail.attempts, _as_email(mail, sender))
            if _lease(session, mail.id):
                return taken


def _lease(session: Session, mail_id: int) -> bool:
    """False where another process was quicker."""
    leased = session.execute(
        update(OutboxMail)
        .where(
            OutboxMail.id == mail_id,
            OutboxMail.sent_at.is_(None),
            OutboxMail.next_attempt_at <= clock.now(),
        )
        .values(next_attempt_at=clock.now() + LEASE)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(leased, CursorResult)
    session.commit()
    return leased.rowcount == 1


def _as_email(mail: OutboxMail, sender: str) -> EmailMessage:
    """The message on the wire; its headers refuse line breaks. A repeated mail keeps its id."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at)
    host = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    message["Message-ID"] = f"<{mail.created_at.timestamp():.0f}.{mail.id}@{host}>"
    message["Content-Language"] = mail.language
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text_body)
    message.add_alternative(mail.html_body, subtype="html")
    return message


def _postponed(pause: timedelta, error: Exception) -> dict[str, Any]:
    return {"next_attempt_at": clock.now() + pause, "last_error": str(error)[:ERROR_LENGTH]}


def _pause(attempts: int) -> timedelta:
    return min(timedelta(minutes=2 ** (attempts - 1)), LONGEST_PAUSE)


def _note(session_factory: SessionFactory, mail_id: int, **values: Any) -> None:
    with session_factory() as session:
        session.execute(
            update(OutboxMail)
            .where(OutboxMail.id == mail_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        session.commit()
