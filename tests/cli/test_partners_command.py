"""`flask partners`: what an operator types and reads."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from app.domain.partners import signing_secrets
from app.domain.partners.models import Partner
from app.services import services


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


@pytest.fixture
def partner_id(runner) -> str:
    created = run(runner, "create", "hr@example.com", "--name", "GoodHR", "--language", "en-US")
    assert created.stdout == "Partner 10001: hr@example.com sends inviter_id 10001.\n"
    return "10001"


def run(runner: FlaskCliRunner, *words: str):
    return runner.invoke(args=["partners", *words])


def rows(runner):
    return json.loads(run(runner, "list", "--json").stdout)


def test_created_partner_is_listed(runner, partner_id):
    assert rows(runner) == [
        {
            "id": 10001,
            "email": "hr@example.com",
            "name": "GoodHR",
            "active": True,
            "require_signature": False,
            "language": "en-US",
            "networks": [],
            "secrets": 0,
        }
    ]
    assert run(runner, "list").stdout == "   10001  hr@example.com  GoodHR  active\n"


def test_partner_is_made_once(runner, partner_id):
    result = run(runner, "create", "hr@example.com")
    assert (result.exit_code, result.stderr) == (1, "Error: This user is a partner already.\n")


def test_secret_is_printed_once_and_rotated(runner, app, session, partner_id):
    first = run(runner, "secret", partner_id).stdout.strip()
    second = run(runner, "secret", partner_id).stdout.strip()
    sealer = services(app).sealer
    assert signing_secrets.open_live(session, sealer, 10001) == [second, first]
    assert (
        run(runner, "secret", partner_id, "--revoke-older").stdout == "1 older secrets revoked.\n"
    )
    session.expire_all()
    assert signing_secrets.open_live(session, sealer, 10001) == [second]


def test_networks_are_listed_added_and_removed(runner, partner_id):
    assert run(runner, "addresses", partner_id).stdout == "None listed.\n"
    added = run(runner, "addresses", partner_id, "--add", "203.0.113.7/24", "--add", "2001:db8::1")
    assert added.stdout == "203.0.113.0/24\n2001:db8::1/128\n"
    left = run(runner, "addresses", partner_id, "--remove", "203.0.113.0/24", "--json")
    assert json.loads(left.stdout) == ["2001:db8::1/128"]


@pytest.mark.parametrize("option", [["--add", "x"], ["--add", "0.0.0.0/0"], ["--remove", "::2"]])
def test_bad_networks_change_nothing(runner, partner_id, option):
    result = run(runner, "addresses", partner_id, "--add", "203.0.113.7", *option)
    assert result.exit_code == 1
    assert rows(runner)[0]["networks"] == []


def test_change_touches_what_it_names(runner, session, partner_id):
    words = ("--require-signature", "--trial-budget", "12.5")
    assert run(runner, "change", partner_id, *words).exit_code == 0
    partner = session.get_one(Partner, 10001)
    assert (partner.require_signature, partner.is_active) == (True, True)
    assert partner.daily_trial_budget_nanos == 12_500_000_000
    assert run(runner, "change", partner_id, "--disable").exit_code == 0
    assert rows(runner)[0]["active"] is False
    assert run(runner, "change", partner_id).exit_code == 2


@pytest.mark.parametrize(
    "words", [("secret", "1"), ("addresses", "1"), ("change", "1", "--enable")]
)
def test_unknown_partner_is_told(runner, words):
    result = run(runner, *words)
    assert (result.exit_code, result.stderr) == (1, "Error: There is no such partner.\n")


@pytest.mark.parametrize("command", ["create", "list", "secret", "addresses", "change"])
def test_every_command_explains_itself(runner, command):
    assert run(runner, command, "--help").exit_code == 0
