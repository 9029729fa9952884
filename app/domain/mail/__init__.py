"""The outbox and the messages."""

from app.domain.mail.composing import Composed, compose
from app.domain.mail.delivery import DeliveryReport, deliver_due, forget_sent
from app.domain.mail.messages import MESSAGES, MailMessage, MessageRow
from app.domain.mail.outbox import (
    MailNotFound,
    MailState,
    enqueue,
    find,
    latest,
    queue,
    queue_alert_mails,
    state_of,
)
from app.domain.mail.transports import PrintTransport, SmtpTransport, Transport, transport_for

__all__ = [
    "MESSAGES",
    "Composed",
    "DeliveryReport",
    "MailMessage",
    "MailNotFound",
    "MailState",
    "MessageRow",
    "PrintTransport",
    "SmtpTransport",
    "Transport",
    "compose",
    "deliver_due",
    "enqueue",
    "find",
    "forget_sent",
    "latest",
    "queue",
    "queue_alert_mails",
    "state_of",
    "transport_for",
]
