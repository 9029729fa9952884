"""`flask vouchers …`: what an operator types and reads."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from app.services import services
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books
from tests.factories import make_user

EMAIL = "ann@example.com"
CREATE = ("create", "--amount", "5", "--batch", "spring", "--reason", "for a fair")


@pytest.fixture
def runner(app: Flask, session, frozen_time: FrozenTime) -> FlaskCliRunner:
    make_user(session, email=EMAIL)
    session.commit()
    return app.test_cli_runner()


@pytest.fixture
def books(app: Flask, runner: FlaskCliRunner) -> Books:
    return Books(services(app).engine)


def run(runner: FlaskCliRunner, *words: str):
    return runner.invoke(args=["vouchers", *words])


def rows(runner: FlaskCliRunner, *words: str):
    return json.loads(run(runner, "list", "--json", *words).stdout)


def test_codes_are_printed_alone_so_that_they_can_be_kept_in_a_file(runner):
    result = run(runner, *CREATE, "--count", "3")
    assert result.exit_code == 0
    codes = result.stdout.splitlines()
    assert len(codes) == 3
    assert all(code.startswith("FLOW-") for code in codes)
    assert "3 vouchers of $5 in batch spring" in result.stderr
    made = json.loads(run(runner, *CREATE[:-3], "summer", *CREATE[-2:], "--json").stdout)
    assert (made["batch"], made["amount_usd"], len(made["codes"])) == ("summer", "5", 1)


def test_list_shows_how_a_code_begins_and_never_the_code(runner, books: Books):
    (code,) = run(runner, *CREATE).stdout.split()
    shown = run(runner, "list").stdout + run(runner, "list", "--json").stdout
    assert code[:9] in shown
    assert code[:10] not in shown
    assert code[10:] not in shown


def test_redeemed_code_is_listed_with_who_has_it(runner, books: Books):
    first, _ = run(runner, *CREATE, "--count", "2").stdout.split()
    result = run(runner, "redeem", first.lower(), f" {EMAIL.upper()}")
    assert result.stdout == f"$5 credited to {EMAIL}.\n"
    by_code = {row["code"]: row for row in rows(runner)}
    assert by_code[first[:9]]["state"] == "redeemed"
    assert by_code[first[:9]]["redeemed_by"] == EMAIL
    assert f"by {EMAIL} on 2026-11-24" in run(runner, "list").stdout
    again = run(runner, "redeem", first, EMAIL)
    assert (again.exit_code, again.stderr) == (1, "Error: You redeemed this code on 2026-11-24.\n")
    assert books.rows("SELECT paid_balance_nanos FROM wallets") == [(5_000_000_000,)]
    assert books.drifts() == []


def test_last_day_is_a_whole_day(runner, books: Books, frozen_time: FrozenTime):
    (code,) = run(runner, *CREATE, "--expires", "2026-11-25").stdout.split()
    assert rows(runner)[0]["expires_at"] == "2026-11-26T00:00:00+00:00"
    assert "until 2026-11-26T00:00" in run(runner, "list").stdout
    frozen_time.advance(2 * 86_400)
    assert rows(runner)[0]["state"] == "expired"
    result = run(runner, "redeem", code, EMAIL)
    assert (result.exit_code, "not valid" in result.stderr) == (1, True)


def test_day_that_is_over_is_refused(runner):
    result = run(runner, *CREATE, "--expires", "2026-11-23")
    assert (result.exit_code, "expired already" in result.stderr) == (1, True)
    assert rows(runner) == []


def test_cancelled_batch_buys_nothing(runner, books: Books):
    (code,) = run(runner, *CREATE).stdout.split()
    result = run(runner, "cancel", "spring", "--reason", "printed twice")
    assert result.stdout == "1 vouchers of batch spring are cancelled.\n"
    assert rows(runner, "--batch", "spring")[0]["state"] == "cancelled"
    assert rows(runner, "--batch", "other") == []
    assert run(runner, "redeem", code, EMAIL).exit_code == 1
    unknown = run(runner, "cancel", "summer", "--reason", "x")
    assert (unknown.exit_code, "no batch" in unknown.stderr) == (1, True)


def test_batch_is_made_once(runner):
    run(runner, *CREATE)
    result = run(runner, *CREATE)
    assert (result.exit_code, "batch of this name" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "change",
    [("--amount", "0"), ("--amount", "-1"), ("--amount", "five"), ("--amount", "10001"),
     ("--count", "0"), ("--count", "10001"), ("--batch", ""), ("--reason", " "),
     ("--expires", "soon")],
    ids=" ".join,
)  # fmt: skip
def test_what_makes_no_sense_makes_no_voucher(runner, change: tuple[str, str]):
    assert run(runner, *CREATE, *change).exit_code in (1, 2)
    assert rows(runner) == []


def test_unknown_account_is_named(runner):
    result = run(runner, "redeem", "FLOW-1", "bob@example.com")
    assert (result.exit_code, result.stderr) == (1, "Error: There is no user bob@example.com.\n")
