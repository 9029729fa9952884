"""What the threads do now and then: settle orphaned calls, return stale trial money, send mail,
watch the channels, forget what is old."""

import logging
from datetime import timedelta

from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app.core import clock, rate_windows
from app.core.database import in_session
from app.domain import mail
from app.domain.accounts import keys
from app.domain.billing.sweep import sweep
from app.domain.channels.watching import watch_channels
from app.domain.partners import budgets, trials
from app.services import services

log = logging.getLogger(__name__)

MAIL_KEPT = timedelta(days=7)
"""Sent mails hold claim links and addresses: they are not kept for long."""


def sweep_everything(app: Flask) -> None:
    """Each task in transactions of its own, so that one cannot hold up another."""
    new_session = sessionmaker(services(app).engine)
    view = services(app).settings.current()
    settle_orphans(new_session)
    with new_session.begin() as session:
        keys.remove_stale_pending(session, older_than_days=view["pending_key_days"])
    while True:
        with new_session.begin() as session:
            if not trials.return_expired(session):
                break
    with new_session.begin() as session:
        mail.forget_sent(session, older_than=MAIL_KEPT)
    with new_session.begin() as session:
        budgets.forget_old(session)
    with new_session.begin() as session:
        rate_windows.forget_old(session)
    with new_session.begin() as session:
        watch_channels(session, services(app).offers.offers().values())


def settle_orphans(new_session: "sessionmaker[Session]") -> None:
    """The calls of dead processes, in batches that are committed one by one."""
    has_more = True
    while has_more:
        with new_session.begin() as session:
            result = sweep(in_session(session), at_ms=clock.now_ms())
        has_more = result.has_more
        if result.posted or result.voided:
            counts = {"posted": result.posted, "voided": result.voided}
            log.warning("orphaned calls settled", extra=counts)


def deliver_mail(app: Flask) -> None:
    """Send what is due; where no mail server is set, mail stays readable in the outbox."""
    boot = app.config
    new_session = sessionmaker(services(app).engine)
    with app.app_context():
        if boot["OPERATOR_EMAIL"]:
            with new_session.begin() as session:
                mail.queue_alert_mails(
                    session, recipient=boot["OPERATOR_EMAIL"], language=boot["DEFAULT_LANGUAGE"]
                )
        transport = mail.transport_for(boot)
        if transport is not None:
            mail.deliver_due(new_session, transport, sender=boot["MAIL_FROM"])
