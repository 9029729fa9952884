"""`flask keys`: what an operator types and reads."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from app.domain.accounts import keys
from app.domain.accounts.models import ApiKey, KeyOrigin, KeyScope, KeyState
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import add_model
from app.services import services
from tests.domain.billing.books import Books, Key
from tests.factories import credit, make_user

EMAIL = "user@example.com"


@pytest.fixture
def runner(app: Flask, session) -> FlaskCliRunner:
    make_user(session, email=EMAIL)
    session.commit()
    return app.test_cli_runner()


def run(runner: FlaskCliRunner, *words: str):
    return runner.invoke(args=["keys", *words])


def rows(runner):
    return json.loads(run(runner, "list", EMAIL, "--json").stdout)


def test_created_key_is_printed_once_and_works(runner, app, session):
    secret = run(runner, "create", EMAIL, "My  key", "--full", "--cap", "5").stdout.strip()
    key = keys.find_by_secret(session, services(app).digester, secret)
    assert (key.name, key.scope, key.origin) == ("My key", KeyScope.FULL, KeyOrigin.OPERATOR)
    assert key.cap.limit_nanos == 5_000_000_000
    assert secret not in run(runner, "list", EMAIL, "--json").stdout


def test_key_is_trial_only_unless_asked(runner):
    run(runner, "create", EMAIL, "small")
    (row,) = rows(runner)
    assert (row["scope"], row["cap_usd"], row["state"]) == ("trial", None, "active")
    assert row["prefix"] in run(runner, "list", EMAIL).stdout


@pytest.mark.parametrize(
    "words",
    [
        ("nobody@example.com", "name"),
        (EMAIL, "bad/name"),
        (EMAIL, "taken"),
        (EMAIL, "name", "--cap", "-1"),
        (EMAIL, "name", "--cap", "1e3"),
    ],
)
def test_bad_wishes_are_refused_in_one_sentence(runner, words):
    run(runner, "create", EMAIL, "taken")
    result = run(runner, "create", *words)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert len(rows(runner)) == 1


def test_revoked_key_is_revoked(runner, app, session):
    secret = run(runner, "create", EMAIL, "name").stdout.strip()
    key_id = str(rows(runner)[0]["id"])
    assert run(runner, "revoke", EMAIL, key_id).exit_code == 0
    key = keys.find_by_secret(session, services(app).digester, secret)
    assert key.state is KeyState.REVOKED
    result = run(runner, "revoke", EMAIL, "1")
    assert (result.exit_code, result.stderr) == (1, "Error: There is no such key.\n")


def limits(runner, *words: str):
    key_id = str(rows(runner)[0]["id"])
    return run(runner, "limits", EMAIL, key_id, *words)


ALL_OPTIONS = (
    "--cap", "5", "--period", "day", "--rpm", "60", "--tpm", "9000", "--max-running", "4",
    "--models", "talk, vendor/talk", "--networks", "192.0.2.7/24,2001:db8::/32",
    "--expires", "2027-01-31",
)  # fmt: skip
ALL_LIMITS = {
    "cap_usd": "5",
    "cap_period": "day",
    "max_running": 4,
    "requests_per_minute": 60,
    "tokens_per_minute": 9000,
    "models": ["talk", "vendor/talk"],
    "networks": ["192.0.2.0/24", "2001:db8::/32"],
    "expires_at": "2027-02-01T00:00:00.000Z",
}
NOTHING_COUNTED = {
    "period": "2026-11-24",
    "spent_usd": "0",
    "held_usd": "0",
    "starts_anew_at": "2026-11-25T00:00:00.000Z",
}


@pytest.fixture
def models(session):
    for name in ("talk", "vendor/talk"):
        sheet = PriceSheet(Prices.from_usd(per_million={"input": "1", "output": "2"}))
        new = NewModel(name=name, provider="acme", kind=ModelKind.CHAT, sheet=sheet)
        add_model(session, new, is_published=True, author="test", reason="test")
    session.commit()


def test_limits_are_set_shown_and_lifted(runner, models, frozen_time):
    run(runner, "create", EMAIL, "name")
    assert "no limits" in limits(runner).stdout
    shown = json.loads(limits(runner, *ALL_OPTIONS, "--json").stdout)
    assert shown == {**ALL_LIMITS, "cap": NOTHING_COUNTED}
    (row,) = rows(runner)
    assert {name: row[name] for name in shown} == shown
    words = limits(runner).stdout
    for phrase in (
        "$5 a day ($0 spent and $0 held in 2026-11-24)",
        "60 requests a minute",
        "9000 tokens a minute",
        "4 calls at once",
        "only talk, vendor/talk",
        "only from 192.0.2.0/24, 2001:db8::/32",
        "until 2027-02-01",
    ):
        assert phrase in words
        assert phrase in run(runner, "list", EMAIL).stdout
    lifted = limits(
        runner, "--cap", "none", "--rpm", "none", "--tpm", "none", "--max-running", "none",
        "--models", "any", "--networks", "any", "--expires", "never",
    )  # fmt: skip
    assert "no limits" in lifted.stdout


def test_key_is_created_with_its_limits(runner, models, frozen_time):
    run(runner, "create", EMAIL, "name", *ALL_OPTIONS)
    (row,) = rows(runner)
    assert {name: row[name] for name in ALL_LIMITS} == ALL_LIMITS


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--cap", "-1"),
        ("--cap", "any"),
        ("--period", "none"),
        ("--period", "year"),
        ("--rpm", "0"),
        ("--rpm", "1.5"),
        ("--rpm", "9" * 30),
        ("--tpm", "many"),
        ("--max-running", "0"),
        ("--models", "tlak"),
        ("--models", ","),
        ("--networks", "192.0.2.0/33"),
        ("--networks", ""),
        ("--expires", "2020-01-01"),
        ("--expires", "31.01.2027"),
        ("--expires", "2027-02-30"),
    ],
)
def test_other_limits_are_refused_and_change_nothing(runner, models, option, value):
    run(runner, "create", EMAIL, "name")
    before = rows(runner)
    result = limits(runner, "--max-running", "3", option, value)
    assert result.exit_code in (1, 2)
    assert "Error: " in result.stderr
    assert rows(runner) == before


def test_cap_shows_what_it_counts_and_the_key_its_last_use(runner, app, session, frozen_time):
    run(runner, "create", EMAIL, "name", "--full", "--cap", "5", "--period", "day")
    run(runner, "create", EMAIL, "idle")
    books = Books(services(app).engine)
    key = session.scalars(select(ApiKey).order_by(ApiKey.id)).first()
    credit(session, key.user_id, 9_000_000_000)
    session.commit()
    used = Key(id=key.id, user_id=key.user_id, scope=key.scope, cap_id=key.cap_id)
    books.post(books.hold(used, 2_000_000_000), 1_500_000_000)
    books.hold(used, 250_000_000)
    first, idle = rows(runner)
    assert (first["cap"]["spent_usd"], first["cap"]["held_usd"]) == ("1.5", "0.25")
    assert first["last_used_at"].startswith("2026-11-24T")
    assert (idle["cap"], idle["last_used_at"]) == (None, None)


@pytest.mark.parametrize("command", ["create", "list", "limits", "revoke"])
def test_every_command_explains_itself(runner, command):
    assert run(runner, command, "--help").exit_code == 0
