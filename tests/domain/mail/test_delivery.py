"""Sending: each mail once, back-off for the refused, patience while the server is down."""

import io
import threading
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.core.database import db
from app.domain import mail
from app.domain.mail.delivery import LEASE
from app.domain.mail.models import OutboxMail
from app.domain.mail.transports import MailRefused, MailServerDown

SENDER = "FlowHubLLM <no-reply@example.com>"


class Recording:
    """A way out that notes whom it was given, after raising what it was told to."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.recipients: list[str] = []

    def send(self, message) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.recipients.append(str(message["To"]))


@pytest.fixture
def engine(any_app: Flask) -> Engine:
    with any_app.app_context():
        return db.engine


def enqueue(engine: Engine, *names: str) -> None:
    with Session(engine) as session:
        for name in names:
            mail.enqueue(
                session,
                message="security",
                recipient=f"{name}@example.com",
                language="vi-VN",
                composed=mail.Composed("Xin chào", "Chào bạn\n", "<p>Chào bạn</p>"),
            )
        session.commit()


def deliver(engine: Engine, transport, **options: int) -> mail.DeliveryReport:
    return mail.deliver_due(sessionmaker(engine), transport, sender=SENDER, **options)


def rows(engine: Engine) -> list[OutboxMail]:
    with Session(engine) as session:
        return list(reversed(mail.latest(session)))


def test_due_mails_are_sent_once_in_order(engine, frozen_time):
    enqueue(engine, "an", "binh")
    transport = Recording()
    assert deliver(engine, transport) == mail.DeliveryReport(sent=2)
    frozen_time.advance(86_400)
    assert deliver(engine, transport) == mail.DeliveryReport()
    assert transport.recipients == ["an@example.com", "binh@example.com"]
    assert {mail.state_of(row) for row in rows(engine)} == {mail.MailState.SENT}


def test_round_ends_at_its_limit(engine, frozen_time):
    enqueue(engine, "an", "binh", "chi")
    assert deliver(engine, Recording(), limit=2).sent == 2


def test_refused_mail_waits_longer_each_time_and_is_given_up(engine, frozen_time):
    enqueue(engine, "an")
    pauses_s = []
    for attempt in range(1, 11):
        report = deliver(engine, Recording(MailRefused("450 later")))
        assert report == mail.DeliveryReport(refused=1)
        [row] = rows(engine)
        assert (row.attempts, row.last_error) == (attempt, "450 later")
        pauses_s.append(row.next_attempt_at.timestamp() - frozen_time.now_s)
        frozen_time.advance(pauses_s[-1] - 1)
        assert deliver(engine, Recording()) == mail.DeliveryReport()
        frozen_time.advance(1)
    assert pauses_s == [60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 21600]
    assert mail.state_of(rows(engine)[0]) is mail.MailState.FAILED
    assert deliver(engine, Recording()) == mail.DeliveryReport()


def test_one_refused_mail_does_not_hold_up_the_next(engine, frozen_time):
    enqueue(engine, "an", "binh")
    transport = Recording(MailRefused("550 unknown"))
    assert deliver(engine, transport) == mail.DeliveryReport(sent=1, refused=1)
    assert transport.recipients == ["binh@example.com"]


def test_mail_waits_while_the_server_is_down(engine, frozen_time):
    enqueue(engine, "an", "binh")
    transport = Recording(MailServerDown("no route"))
    assert deliver(engine, transport) == mail.DeliveryReport(server_error="no route")
    assert [(row.attempts, row.last_error) for row in rows(engine)] == [(0, "no route"), (0, None)]
    frozen_time.advance(60)
    assert deliver(engine, transport).sent == 2
    assert rows(engine)[0].last_error is None


def test_mail_of_a_process_that_died_is_sent_after_the_lease(engine, frozen_time):
    enqueue(engine, "an")
    with pytest.raises(KeyboardInterrupt):
        deliver(engine, Recording(KeyboardInterrupt()))
    assert deliver(engine, Recording()) == mail.DeliveryReport()
    frozen_time.advance(LEASE.total_seconds())
    assert deliver(engine, Recording()).sent == 1


def test_two_processes_never_send_the_same_mail(engine):
    names = [f"user{number}" for number in range(20)]
    enqueue(engine, *names)
    transport = Recording()
    threads = [threading.Thread(target=deliver, args=(engine, transport)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(transport.recipients) == sorted(f"{name}@example.com" for name in names)


def test_no_connection_is_held_while_the_server_is_asked(engine):
    enqueue(engine, "an")
    held = []

    class Watching:
        def send(self, message) -> None:
            held.append(engine.pool.checkedout())

    deliver(engine, Watching())
    assert held == [0]


def test_sent_mails_are_forgotten_and_waiting_ones_kept(engine, frozen_time):
    enqueue(engine, "an")
    deliver(engine, Recording())
    enqueue(engine, "binh")
    frozen_time.advance(8 * 86_400)
    with Session(engine) as session:
        assert mail.forget_sent(session, older_than=timedelta(days=7)) == 1
        session.commit()
    assert [row.recipient for row in rows(engine)] == ["binh@example.com"]


def test_smtp_server_receives_text_and_html_with_headers(engine, mail_server, frozen_time):
    enqueue(engine, "an")
    transport = mail.SmtpTransport.from_url(mail_server.url)
    assert deliver(engine, transport).sent == 1
    [raw] = mail_server.mails
    received = message_from_bytes(raw, policy=default)
    assert received["Subject"] == "Xin chào"
    assert received["To"] == "an@example.com"
    assert received["From"] == SENDER
    assert received["Auto-Submitted"] == "auto-generated"
    assert received["Message-ID"].endswith("@example.com>")
    assert received.get_body(("plain",)).get_content().strip() == "Chào bạn"
    assert received.get_body(("html",)).get_content().strip() == "<p>Chào bạn</p>"


def test_smtp_refusal_of_the_recipient_counts_against_the_mail(engine, mail_server, frozen_time):
    enqueue(engine, "an")
    mail_server.rcpt_answer = b"550 no such user"
    transport = mail.SmtpTransport.from_url(mail_server.url)
    assert deliver(engine, transport) == mail.DeliveryReport(refused=1)
    assert rows(engine)[0].last_error == "550 no such user"


def test_smtp_server_that_is_not_there_is_down(engine, frozen_time):
    enqueue(engine, "an")
    report = deliver(engine, mail.SmtpTransport.from_url("smtp://127.0.0.1:1"))
    assert report.server_error is not None
    assert rows(engine)[0].attempts == 0


def test_password_is_not_sent_without_encryption(engine, mail_server, frozen_time):
    enqueue(engine, "an")
    url = mail_server.url.replace("//", "//user:secret@")
    report = deliver(engine, mail.SmtpTransport.from_url(url))
    assert report.server_error is not None
    assert "STARTTLS" in report.server_error
    assert [line.split()[0] for line in mail_server.commands if line] == ["ehlo"]


@pytest.mark.parametrize("url", ["http://user:secret@host", "smtp://", "mail.example.com"])
def test_wrong_smtp_url_is_refused_without_showing_it(url):
    with pytest.raises(ValueError, match="SMTP_URL") as caught:
        mail.SmtpTransport.from_url(url)
    assert "secret" not in str(caught.value)


def test_smtp_url_chooses_encryption():
    relay = mail.SmtpTransport.from_url("smtp://relay.example.com?tls=off")
    secure = mail.SmtpTransport.from_url("smtps://a%40b:p%3Aw@mail.example.com")
    plain = mail.SmtpTransport.from_url("smtp://mail.example.com")
    assert (relay.port, relay.is_tls_required) == (587, False)
    assert (secure.port, secure.is_tls_from_start) == (465, True)
    assert (secure.user, secure.password) == ("a@b", "p:w")
    assert plain.is_tls_required


def test_transport_follows_the_boot_settings():
    development = {"SMTP_URL": "", "APP_ENV": "development"}
    assert mail.transport_for(development) == mail.PrintTransport()
    assert mail.transport_for(development | {"APP_ENV": "production"}) is None
    with_server = development | {"SMTP_URL": "smtp://localhost:25"}
    assert isinstance(mail.transport_for(with_server), mail.SmtpTransport)


def test_development_prints_the_text(engine, frozen_time):
    enqueue(engine, "an")
    stream = io.StringIO()
    deliver(engine, mail.PrintTransport(stream))
    assert stream.getvalue() == "To: an@example.com\nSubject: Xin chào\n\nChào bạn\n\n"
