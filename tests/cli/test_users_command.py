"""`flask users`: what an operator types and reads."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from app.domain.accounts import claims
from app.domain.accounts.models import User
from app.services import services
from tests.factories import credit, make_key, make_user


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


def run(runner: FlaskCliRunner, *words: str):
    return runner.invoke(args=["users", *words])


def test_created_account_is_claimed_by_the_printed_link(runner, app, session):
    result = run(runner, "create", " Admin@Example.com", "--role", "admin", "--language", "en-US")
    assert result.exit_code == 0
    token = result.stdout.split("/claim/")[1].strip()
    link = claims.find_link(session, services(app).digester, token)
    user = session.get_one(User, link.user_id)
    assert (user.email, user.is_staff, user.is_claimed) == ("admin@example.com", True, False)
    assert user.language == "en-US"


@pytest.mark.parametrize("email", ["nonsense", "taken@example.com"])
def test_bad_and_taken_emails_are_refused_in_one_sentence(runner, session, email):
    run(runner, "create", "taken@example.com")
    result = run(runner, "create", email)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert len(session.scalars(select(User)).all()) == 1


def test_list_shows_the_newest_first(runner):
    run(runner, "create", "first@example.com")
    run(runner, "create", "second@example.com", "--role", "admin")
    rows = json.loads(run(runner, "list", "--json").stdout)
    assert [(row["email"], row["roles"]) for row in rows] == [
        ("second@example.com", ["admin"]),
        ("first@example.com", []),
    ]
    assert "second@example.com  active, unclaimed, admin" in run(runner, "list").stdout


def test_disabled_account_is_listed_as_such_and_may_be_enabled(runner):
    run(runner, "create", "user@example.com")
    assert run(runner, "disable", "user@example.com").stdout == "user@example.com is disabled.\n"
    assert not json.loads(run(runner, "list", "--json").stdout)[0]["active"]
    run(runner, "enable", "user@example.com")
    assert json.loads(run(runner, "list", "--json").stdout)[0]["active"]


def test_show_tells_money_keys_inviter_and_last_acts(runner, app, session):
    inviter = make_user(session, email="hr@example.com")
    user = make_user(session, email="user@example.com", inviter=inviter, roles=["admin"])
    credit(session, user.id, 3_000_000_000)
    key, secret = make_key(session, services(app).digester, user, name="laptop")
    session.commit()
    run(runner, "disable", "user@example.com")
    facts = json.loads(run(runner, "show", " User@Example.com", "--json").stdout)
    assert (facts["id"], facts["active"], facts["roles"]) == (user.id, False, ["admin"])
    assert (facts["inviter"], facts["inviter_state"]) == ("hr@example.com", "provisional")
    assert facts["wallet"]["paid"] == {"balance": "3", "held": "0"}
    assert facts["keys"] == [
        {"id": key.id, "name": "laptop", "prefix": key.prefix, "scope": "full", "state": "active"}
    ]
    assert [act["action"] for act in facts["acts"]] == ["account_disabled"]
    shown = run(runner, "show", "user@example.com").stdout
    assert f"user@example.com  {user.id}  disabled, claimed, admin" in shown
    assert "inviter   hr@example.com, provisional" in shown
    assert "paid      $3, $0 of it held" in shown
    assert "operator: account_disabled" in shown
    assert secret not in shown


def test_show_of_an_account_that_nobody_invited(runner):
    run(runner, "create", "user@example.com")
    shown = run(runner, "show", "user@example.com").stdout
    assert "inviter   none\n" in shown
    assert "claimed not yet" in shown


@pytest.mark.parametrize("command", ["disable", "enable", "show"])
def test_unknown_email_is_told(runner, command):
    result = run(runner, command, "nobody@example.com")
    assert (result.exit_code, result.stderr) == (1, "Error: There is no user nobody@example.com.\n")


@pytest.mark.parametrize("command", ["create", "list", "disable", "enable"])
def test_every_command_explains_itself(runner, command):
    result = run(runner, command, "--help")
    assert (result.exit_code, "Usage:" in result.stdout) == (0, True)
