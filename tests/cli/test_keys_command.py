"""`flask keys`: what an operator types and reads."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from app.domain.accounts import keys
from app.domain.accounts.models import KeyOrigin, KeyScope, KeyState
from app.services import services
from tests.factories import make_user

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


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_every_command_explains_itself(runner, command):
    assert run(runner, command, "--help").exit_code == 0
