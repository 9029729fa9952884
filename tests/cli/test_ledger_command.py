"""`flask ledger verify`: a table for people, JSON for machines, and an exit code for both."""

import json

from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.cli.ledger import ledger_commands
from app.services import services
from tests.domain.billing.books import Books


def run(app: Flask, *arguments: str):
    return app.test_cli_runner().invoke(ledger_commands, ["verify", *arguments])


def test_sound_books_exit_with_0(app: Flask):
    books = Books(services(app).engine)
    books.post(books.hold(books.key(books.user(trial=10, paid=20)), 30), 25)
    result = run(app)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) == 19
    assert all(line.endswith("ok") for line in lines)
    assert any("calls have exactly the transfers of their charge" in line for line in lines)


def test_drift_is_shown_and_exits_with_1(app: Flask):
    books = Books(services(app).engine)
    user_id = books.user(paid=20)
    books.execute("UPDATE wallets SET paid_balance_nanos = 21")
    result = run(app)
    assert result.exit_code == 1
    assert "1 DRIFT" in result.output
    assert (
        f"balances: wallet {user_id}: 0 trial, 20 paid, but found 0 trial, 21 paid" in result.output
    )


def test_json_says_the_same(app: Flask):
    books = Books(services(app).engine)
    books.user(paid=20)
    books.execute("UPDATE wallets SET paid_balance_nanos = 21")
    result = run(app, "--json")
    assert result.exit_code == 1
    verdicts = {row["check"]: row for row in json.loads(result.output)}
    assert verdicts["balances"]["count"] == 1
    assert [drift["found"] for drift in verdicts["balances"]["drifts"]] == ["0 trial, 21 paid"]
    assert verdicts["holds"]["drifts"] == []


def test_proof_does_not_wait_for_a_writer(app: Flask):
    engine = services(app).engine
    books = Books(engine)
    books.user(paid=20)
    with Session(engine) as session:
        session.execute(text("UPDATE wallets SET paid_balance_nanos = 1"))
        assert run(app).exit_code == 0
        session.rollback()
