"""`flask mail`: look into the outbox and send what is due."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy.orm import Session

from app.cli.mail import mail_commands
from app.domain import mail


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    if "mail" not in app.cli.commands:
        app.cli.add_command(mail_commands)
    return app.test_cli_runner()


@pytest.fixture
def waiting(session: Session, frozen_time) -> int:
    """The id of a mail that waits."""
    row = mail.enqueue(
        session,
        message="security",
        recipient="lan@example.com",
        language="vi-VN",
        composed=mail.Composed("Xin chào", "Chào bạn\n", "<p>Chào bạn</p>"),
    )
    session.commit()
    return row.id


def run(runner: FlaskCliRunner, *words: str):
    return runner.invoke(args=["mail", *words])


def test_list_tells_recipient_subject_moment_and_state(runner, waiting):
    [row] = json.loads(run(runner, "list", "--json").stdout)
    assert (row["recipient"], row["subject"], row["state"]) == (
        "lan@example.com",
        "Xin chào",
        "waiting",
    )
    assert row["created_at"] == "2026-11-24T06:00:00+00:00"
    assert "waiting   lan@example.com  Xin chào\n" in run(runner, "list").stdout


def test_show_prints_the_whole_mail(runner, waiting):
    shown = run(runner, "list", "--show", str(waiting)).stdout
    assert shown == "To: lan@example.com\nSubject: Xin chào\n\nChào bạn\n\n"
    whole = json.loads(run(runner, "list", "--show", str(waiting), "--json").stdout)
    assert whole["html_body"] == "<p>Chào bạn</p>"


def test_show_of_an_unknown_mail_is_an_error(runner):
    result = run(runner, "list", "--show", "7")
    assert result.exit_code == 1
    assert "no mail of this number" in result.stderr


def test_send_prints_in_development_and_marks_as_sent(runner, waiting):
    result = run(runner, "send")
    assert result.stdout == "1 sent, 0 refused.\n"
    assert "Subject: Xin chào\n\nChào bạn\n" in result.stderr
    assert json.loads(run(runner, "list", "--json").stdout)[0]["state"] == "sent"


def test_send_in_production_without_a_server_leaves_mail_waiting(app, runner, waiting):
    app.config["APP_ENV"] = "production"
    result = run(runner, "send")
    assert result.exit_code == 1
    assert "SMTP_URL is empty" in result.stderr
    assert json.loads(run(runner, "list", "--json").stdout)[0]["state"] == "waiting"


def test_send_tells_when_the_server_is_down(app, runner, waiting):
    app.config["SMTP_URL"] = "smtp://127.0.0.1:1"
    result = run(runner, "send")
    assert result.exit_code == 1
    assert "The mail server is down" in result.stderr
