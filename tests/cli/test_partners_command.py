"""`flask partners`: what an operator types and reads."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from app.domain.accounts.models import InviterState, User
from app.domain.audit.models import AuditEntry
from app.domain.partners import budgets, signing_secrets
from app.domain.partners.models import Partner
from app.services import services
from tests.factories import make_partner, make_user


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


def test_created_partner_is_listed(runner, partner_id, frozen_time):
    (row,) = rows(runner)
    assert row.pop("created_at")
    assert row == {
        "id": 10001,
        "email": "hr@example.com",
        "name": "GoodHR",
        "name_approved": True,
        "active": True,
        "require_signature": False,
        "language": "en-US",
        "networks": [],
        "secrets": 0,
        "trial_budget_usd": {"a_day": "200", "used_today": "0"},
        "brought": {"accounts": 0, "claimed": 0, "confirmed": 0},
    }
    assert run(runner, "list").stdout == (
        "   10001  hr@example.com  GoodHR  active  0 accounts, 0 claimed, $0 of $200 trial today\n"
    )


def test_list_counts_whom_they_brought_and_what_they_used(runner, session, partner_id):
    partner = session.get_one(User, 10001)
    make_user(session, inviter=partner, claimed=False)
    make_user(session, inviter=partner)
    make_user(session, inviter=partner, inviter_state=InviterState.CONFIRMED)
    make_user(session)
    budgets.take(session, name="trial:partner:10001", amount=200_000_000, limit=10**12)
    session.commit()
    run(runner, "change", partner_id, "--trial-budget", "5")
    (row,) = rows(runner)
    assert row["brought"] == {"accounts": 3, "claimed": 2, "confirmed": 1}
    assert row["trial_budget_usd"] == {"a_day": "5", "used_today": "0.2"}


def test_approve_names_and_enables(runner, session):
    partner = make_partner(session, name=None, is_name_approved=False, is_active=False)
    session.commit()
    words = ("approve", str(partner.user_id), "--name", " GoodHR Ltd. ")
    assert run(runner, *words).stdout == f"Partner {partner.user_id} may invite, as: GoodHR Ltd.\n"
    session.expire_all()
    assert (partner.name, partner.is_name_approved, partner.is_active) == (
        "GoodHR Ltd.",
        True,
        True,
    )
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.user_id) == ("partner_changed", partner.user_id)
    assert entry.details["name"] == "GoodHR Ltd."


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb", "https://evil.example", "<b>x</b>"])
@pytest.mark.parametrize("command", ["approve", "create"])
def test_name_that_a_mail_must_not_quote_is_refused(runner, partner_id, command, name):
    who = partner_id if command == "approve" else "new@example.com"
    result = run(runner, command, who, "--name", name)
    assert (result.exit_code, "A partner's name is a line" in result.stderr) == (1, True)
    assert [row["name"] for row in rows(runner)] == ["GoodHR"]


def test_disabled_partner_is_listed_as_such_and_may_be_enabled(runner, partner_id):
    assert run(runner, "disable", partner_id).exit_code == 0
    assert rows(runner)[0]["active"] is False
    assert "disabled" in run(runner, "list").stdout
    assert run(runner, "enable", partner_id).exit_code == 0
    assert rows(runner)[0]["active"] is True


def test_partner_is_made_once(runner, partner_id):
    result = run(runner, "create", "hr@example.com")
    assert (result.exit_code, result.stderr) == (1, "Error: This user is a partner already.\n")


def test_secret_is_printed_once_and_rotated(runner, app, session, partner_id):
    first = run(runner, "secret", "rotate", partner_id).stdout.strip()
    second = run(runner, "secret", "rotate", partner_id).stdout.strip()
    sealer = services(app).sealer
    assert signing_secrets.open_live(session, sealer, 10001) == [second, first]
    revoked = run(runner, "secret", "revoke-older", partner_id)
    assert revoked.stdout == "1 older secrets revoked.\n"
    session.expire_all()
    assert signing_secrets.open_live(session, sealer, 10001) == [second]


def test_networks_are_listed_added_and_removed(runner, partner_id):
    assert run(runner, "networks", partner_id).stdout == "None listed.\n"
    added = run(runner, "networks", partner_id, "--add", "203.0.113.7/24", "--add", "2001:db8::1")
    assert added.stdout == "203.0.113.0/24\n2001:db8::1/128\n"
    left = run(runner, "networks", partner_id, "--remove", "203.0.113.0/24", "--json")
    assert json.loads(left.stdout) == ["2001:db8::1/128"]


@pytest.mark.parametrize("option", [["--add", "x"], ["--add", "0.0.0.0/0"], ["--remove", "::2"]])
def test_bad_networks_change_nothing(runner, partner_id, option):
    result = run(runner, "networks", partner_id, "--add", "203.0.113.7", *option)
    assert result.exit_code == 1
    assert rows(runner)[0]["networks"] == []


def test_change_touches_what_it_names(runner, session, partner_id):
    words = ("--require-signature", "--trial-budget", "12.5")
    assert run(runner, "change", partner_id, *words).exit_code == 0
    partner = session.get_one(Partner, 10001)
    assert (partner.require_signature, partner.is_active) == (True, True)
    assert partner.daily_trial_budget_nanos == 12_500_000_000
    assert run(runner, "change", partner_id).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [("secret", "rotate", "1"), ("secret", "revoke-older", "1"), ("networks", "1"),
     ("enable", "1"), ("disable", "1"), ("approve", "1", "--name", "x"),
     ("change", "1", "--allow-unsigned")],
    ids=" ".join,
)  # fmt: skip
def test_unknown_partner_is_told(runner, words):
    result = run(runner, *words)
    assert (result.exit_code, result.stderr) == (1, "Error: There is no such partner.\n")


def test_changed_terms_are_told_as_they_are_now(runner, partner_id):
    result = run(runner, "change", partner_id, "--require-signature", "--trial-budget", "20")
    assert result.stdout == f"Partner {partner_id}: calls must be signed, $20 trial money a day.\n"
