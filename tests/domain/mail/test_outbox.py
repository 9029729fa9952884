"""Writing into the outbox: with the caller's session, for one recipient, on one subject line."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import db
from app.domain import mail
from app.domain.alerts import AlertKind, raise_alert
from app.domain.mail.examples import EXAMPLES
from app.domain.mail.models import OutboxMail
from tests.conftest import NOW_S

CLAIM = EXAMPLES[0]


def queue(session: Session, *, recipient: str = "lan@example.com") -> OutboxMail:
    return mail.queue(
        session,
        message=CLAIM.message,
        recipient=recipient,
        language="vi-VN",
        values=CLAIM.values,
    )


def test_queued_mail_is_rendered_and_waits(app, session, frozen_time):
    with app.app_context():
        row = queue(session)
    session.commit()
    session.refresh(row)
    assert (row.recipient, row.message, row.language) == ("lan@example.com", "claim", "vi-VN")
    assert row.subject == "GoodHR đã mở tài khoản 58AI cho bạn"
    assert row.created_at.timestamp() == row.next_attempt_at.timestamp() == NOW_S
    assert (row.attempts, row.last_error, row.sent_at) == (0, None, None)
    assert mail.state_of(row) is mail.MailState.WAITING


def test_queued_mail_is_gone_when_the_caller_rolls_back(app, session):
    with app.app_context():
        queue(session)
    session.rollback()
    assert session.scalars(select(OutboxMail)).all() == []


@pytest.mark.parametrize(
    "recipient",
    [
        "lan@example.com\nBcc: all@example.com",
        "lan@example.com, all@example.com",
        "Lan <lan@example.com>",
        "lan",
        "",
        "lan@",
        "đào@example.com",
    ],
)
def test_recipient_that_is_no_single_email_is_refused(app, session, recipient):
    with app.app_context(), pytest.raises(ValueError, match="is no email"):
        queue(session, recipient=recipient)


def test_subject_of_two_lines_is_refused(session):
    composed = mail.Composed("Hello\r\nBcc: all@example.com", "text", "<p>html</p>")
    with pytest.raises(ValueError, match="one line"):
        mail.enqueue(
            session,
            message="security",
            recipient="lan@example.com",
            language="vi-VN",
            composed=composed,
        )


def test_operator_hears_of_a_cause_at_most_hourly_and_only_while_it_recurs(any_app, frozen_time):
    def tick(*, is_seen: bool) -> int:
        with any_app.app_context(), Session(db.engine) as session:
            if is_seen:
                raise_alert(
                    session, kind=AlertKind.CHANNEL_DEAD, subject="channel 3", message="401"
                )
            count = mail.queue_alert_mails(session, recipient="op@example.com", language="en-US")
            session.commit()
            return count

    assert tick(is_seen=True) == 1
    frozen_time.advance(3_000)
    assert tick(is_seen=True) == 0
    frozen_time.advance(700)
    assert tick(is_seen=False) == 1
    frozen_time.advance(7_200)
    assert tick(is_seen=False) == 0
    with any_app.app_context(), Session(db.engine) as session:
        latest = mail.latest(session)
    assert [row.subject for row in latest] == ["58AI: A channel is dead and was disabled"] * 2
    assert "Seen: 2 times\n" in latest[0].text_body


def test_unknown_mail_is_not_found(session):
    with pytest.raises(mail.MailNotFound):
        mail.find(session, 1)
