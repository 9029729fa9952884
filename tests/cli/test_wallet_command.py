"""`flask wallet …`: credits by hand, with reason and trace, and a look into a wallet."""

import json

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.wallet import wallet_commands
from app.domain.audit.models import AuditEntry
from app.services import services
from tests.domain.billing.books import Books
from tests.factories import credit, make_user

EMAIL = "ann@example.com"


@pytest.fixture
def books(app: Flask) -> Books:
    books = Books(services(app).engine)
    with Session(books.engine) as session:
        credit(session, make_user(session, email=EMAIL).id, 200_000_000, "trial")
        session.commit()
    return books


def run(app: Flask, *arguments: str):
    return app.test_cli_runner().invoke(wallet_commands, arguments)


def paid(books: Books) -> int:
    (row,) = books.rows("SELECT paid_balance_nanos FROM wallets")
    return row[0]


def test_credit_enters_a_transfer_and_leaves_a_trace(app: Flask, books: Books):
    result = run(app, "credit", " Ann@Example.com", "12.5", "--reason", "paid by bank")
    assert result.exit_code == 0, result.output
    assert result.output == f"$12.5 credited to {EMAIL}.\n"
    assert paid(books) == 12_500_000_000
    assert books.rows(
        "SELECT debit_account_id, kind, actor, reason FROM transfers ORDER BY id DESC LIMIT 1"
    ) == [(3, "operator_credit", "operator", "paid by bank")]
    with Session(books.engine) as session:
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor) == ("transfer_entered", "operator")
    assert entry.details["amount_nanos"] == 12_500_000_000
    assert books.drifts() == []


def test_credit_without_reference_may_be_repeated(app: Flask, books: Books):
    for _ in range(2):
        assert run(app, "credit", EMAIL, "1", "--reason", "thanks").exit_code == 0
    assert paid(books) == 2_000_000_000


def test_credit_with_reference_is_entered_once(app: Flask, books: Books):
    arguments = ("credit", EMAIL, "1", "--reason", "bank", "--reference", "line 17")
    assert run(app, *arguments).exit_code == 0
    again = run(app, *arguments)
    assert again.exit_code == 0
    assert again.output.startswith("Credited before, on ")
    assert paid(books) == 1_000_000_000
    assert books.rows("SELECT COUNT(*) FROM audit_entries") == [(1,)]


def test_reference_of_another_credit_is_refused(app: Flask, books: Books):
    run(app, "credit", EMAIL, "1", "--reason", "bank", "--reference", "line 17")
    other = run(app, "credit", EMAIL, "2", "--reason", "bank", "--reference", "line 17")
    assert other.exit_code == 1
    assert "used for another movement" in other.output
    assert paid(books) == 1_000_000_000


@pytest.mark.parametrize("amount", ["0", "-1", "1e3", "0.0000000001", "ten", "", "99999999999"])
def test_amount_that_is_none_is_refused(app: Flask, books: Books, amount: str):
    result = run(app, "credit", "--reason", "bank", EMAIL, "--", amount)
    assert result.exit_code != 0
    assert paid(books) == 0


@pytest.mark.parametrize("command", [("credit", "1", "--reason", "bank"), ("show",)])
def test_unknown_user_is_named(app: Flask, books: Books, command: tuple[str, ...]):
    result = run(app, command[0], "bob@example.com", *command[1:])
    assert result.exit_code == 1
    assert "no user bob@example.com" in result.output


def test_reason_is_required(app: Flask, books: Books):
    assert run(app, "credit", EMAIL, "1").exit_code == 2


def test_show_tells_both_buckets_and_the_newest_transfers(app: Flask, books: Books):
    run(app, "credit", EMAIL, "3", "--reason", "paid by bank")
    (row,) = books.rows("SELECT user_id FROM wallets")
    books.hold(books.key(row[0]), 200_000_500)
    result = run(app, "show", EMAIL)
    lines = result.output.splitlines()
    assert lines[0] == "trial  balance $0.2, held $0.2"
    assert lines[1] == "paid   balance $3, held $0.0000005"
    assert "operator: paid by bank" in lines[2]
    assert len(lines) == 4


def test_show_as_json(app: Flask, books: Books):
    run(app, "credit", EMAIL, "3", "--reason", "paid by bank", "--reference", "line 1")
    facts = json.loads(run(app, "show", EMAIL, "--json", "--count", "1").output)
    assert facts["trial"] == {"balance": "0.2", "held": "0"}
    assert facts["paid"] == {"balance": "3", "held": "0"}
    (transfer,) = facts["transfers"]
    assert transfer["amount"] == "3"
    assert transfer["bucket"] == "paid"
    assert transfer["reference"] == "operator-credit:line 1"


def test_debit_takes_from_the_bucket_that_is_named(app: Flask, books: Books):
    run(app, "credit", EMAIL, "3", "--reason", "paid by bank")
    result = run(app, "debit", EMAIL, "1", "--reason", "sent back")
    assert result.output == f"$1 taken from {EMAIL}.\n"
    assert run(app, "debit", EMAIL, "0.05", "--bucket", "trial", "--reason", "abuse").exit_code == 0
    assert wallet(books) == (150_000_000, 0, 2_000_000_000, 0)
    assert books.rows(
        "SELECT debit_account_id % 2, credit_account_id, kind, reason FROM transfers"
        " WHERE kind = 'operator_debit' ORDER BY id"
    ) == [(1, 3, "operator_debit", "sent back"), (0, 3, "operator_debit", "abuse")]
    with Session(books.engine) as session:
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert last is not None
    assert (last.action, last.details["kind"]) == ("transfer_entered", "operator_debit")
    assert books.drifts() == []


def wallet(books: Books) -> tuple[int, int, int, int]:
    (row,) = books.rows("SELECT user_id FROM wallets")
    return books.wallet(row[0])


def test_debit_never_takes_what_a_call_holds(app: Flask, books: Books):
    run(app, "credit", EMAIL, "1", "--reason", "paid by bank")
    (row,) = books.rows("SELECT user_id FROM wallets")
    books.hold(books.key(row[0]), 200_000_000 + 400_000_000)
    refused = run(app, "debit", EMAIL, "0.7", "--reason", "sent back")
    assert refused.exit_code == 1
    assert "does not hold that much that is free" in refused.output
    assert run(app, "debit", EMAIL, "0.6", "--reason", "sent back").exit_code == 0
    assert wallet(books) == (200_000_000, 200_000_000, 400_000_000, 400_000_000)
    assert books.drifts() == []


def test_debit_with_reference_is_entered_once(app: Flask, books: Books):
    run(app, "credit", EMAIL, "3", "--reason", "bank", "--reference", "case 7")
    arguments = ("debit", EMAIL, "1", "--reason", "bank", "--reference", "case 7")
    assert run(app, *arguments).exit_code == 0
    again = run(app, *arguments)
    assert again.output.startswith("Taken before, on ")
    for other in (("0.1", "--bucket", "paid"), ("1", "--bucket", "trial")):
        refused = run(app, "debit", EMAIL, *other, "--reason", "x", "--reference", "case 7")
        assert refused.exit_code == 1
        assert "used for another movement" in refused.output
    assert wallet(books) == (200_000_000, 0, 2_000_000_000, 0)


@pytest.mark.parametrize("reference", ["", " ", "x" * 101, "a\nb"])
def test_reference_fits_the_books(app: Flask, books: Books, reference: str):
    result = run(app, "credit", EMAIL, "1", "--reason", "bank", "--reference", reference)
    assert result.exit_code == 2
    assert paid(books) == 0


@pytest.mark.parametrize("command", ["credit", "debit", "show"])
def test_every_command_explains_itself(app: Flask, command: str):
    result = run(app, command, "--help")
    assert result.exit_code == 0
    assert "EMAIL" in result.output
