"""The register call, row by row of its table: lost answers, and what is refused."""

import pytest
from sqlalchemy import select

from app.domain.accounts import claims, keys
from app.domain.accounts.models import (
    ApiKey,
    KeyOrigin,
    KeyScope,
    KeyState,
    User,
)
from app.domain.partners.models import OwedTrial, Partner
from tests.api.registering import (
    EMAIL,
    LISTED,
    answered,
    change_setting,
    count,
    key_of,
    refused,
    user_of,
)
from tests.factories import make_key, make_user


def test_reissue_repairs_a_lost_answer(session, digester, partner):
    lost = answered(partner.call_signed()).key
    answer = answered(partner.call_signed(reissue=True))
    assert answer.key not in (None, lost)
    assert keys.find_by_secret(session, digester, lost) is None
    assert keys.find_by_secret(session, digester, answer.key).id == key_of(session).id
    assert answer.data["balance"] == "0.2"


def test_reissue_replaces_a_key_made_anonymously_in_the_signers_name(session, digester, partner):
    squatted = answered(partner.call()).key
    answer = answered(partner.call_signed(reissue=True))
    assert keys.find_by_secret(session, digester, squatted) is None
    assert answer.key is not None
    assert key_of(session).origin is KeyOrigin.SIGNED


def test_reissue_makes_a_missing_key(session, partner):
    assert answered(partner.call_signed(reissue=True)).key is not None


def test_reissue_of_anybody_elses_key_is_a_conflict(session, digester, partner, other_partner):
    other_key = answered(other_partner.call()).key
    assert refused(partner.call_signed(reissue=True)) == (409, "key_name_taken")
    assert keys.find_by_secret(session, digester, other_key) is not None
    user = user_of(session)
    full, secret = make_key(session, digester, user, name="full", inviter=None)
    full.inviter_id = partner.inviter_id
    revoked, _ = make_key(session, digester, user, KeyScope.TRIAL, name="revoked")
    revoked.inviter_id, revoked.state = partner.inviter_id, KeyState.REVOKED
    session.commit()
    for name in ("full", "revoked"):
        answer = partner.call_signed(key_name=name, reissue=True)
        assert refused(answer) == (409, "key_name_taken")
    assert keys.find_by_secret(session, digester, secret) is not None


def test_reissue_on_a_claimed_account_gives_no_key(session, digester, partner):
    lost = answered(partner.call_signed()).key
    _, token = claims.make_link(session, digester, user=user_of(session), inviter_id=None)
    claims.claim(session, digester, token=token, password_hash="hash", inviter_id=None)
    session.commit()
    assert answered(partner.call_signed(reissue=True)).key is None
    assert keys.find_by_secret(session, digester, lost) is not None


def test_reissue_needs_a_signature(session, partner):
    partner.call()
    answer = partner.call(headers={"X-Reissue": "1"}, ip=LISTED)
    assert refused(answer) == (401, "signature_required")
    assert refused(partner.call(headers={"X-Reissue": "yes"})) == (400, "invalid_header")


# refused inviters and accounts


def test_inviters_that_do_not_count_are_refused_alike(session, app, partner):
    plain = make_user(session)
    disabled = make_user(session)
    session.add(
        Partner(
            user_id=disabled.id,
            is_name_approved=False,
            is_active=False,
            require_signature=False,
            created_at=disabled.created_at,
        )
    )
    session.commit()
    before = count(session, User)
    answers = []
    for inviter_id in (1, 2**63 - 1, plain.id, disabled.id):
        for email in (EMAIL, plain.email, "new@example.com"):
            response = partner.call(email, inviter_id=inviter_id)
            assert refused(response) == (403, "inviter_not_accepted")
            answers.append(response.get_data())
    assert len(set(answers)) == 1
    assert count(session, User) == before


def test_disabled_staff_and_blocked_accounts_are_refused_alike(
    session, app, partner, other_partner, digester
):
    change_setting(app, "blocked_email_domains", "blocked.example")
    make_user(session, email="disabled@example.com", active=False)
    make_user(session, email="staff@example.com", roles=["admin"])
    disowning = make_user(session, email="disowning@example.com", claimed=False)
    _, token = claims.make_link(session, digester, user=disowning, inviter_id=partner.inviter_id)
    claims.disown(session, digester, token=token)
    session.commit()
    before = count(session, User)
    answers = set()
    for email in (
        "disabled@example.com",
        "staff@example.com",
        "disowning@example.com",
        "new@blocked.example",
        "new@sub.blocked.example",
    ):
        for call in (partner.call, partner.call_signed):
            response = call(email)
            assert refused(response) == (403, "account_not_allowed")
            answers.add(response.get_data())
    assert len(answers) == 1
    assert (count(session, User), count(session, ApiKey)) == (before, 0)
    assert answered(other_partner.call("disowning@example.com")).key
    assert answered(partner.call("new@notblocked.example")).key


# trial money of the day used up


def test_without_trial_money_account_and_key_are_made_with_balance_zero(app, session, partner):
    change_setting(app, "trial_budget_open_usd", "0.3")
    change_setting(app, "trial_network_share", "1")
    balances = [answered(partner.call(f"user{n}@gmail.com")).data["balance"] for n in range(3)]
    assert balances == ["0.2", "0", "0"]
    assert answered(partner.call("listed@gmail.com", ip=LISTED)).data["balance"] == "0.2"
    assert answered(partner.call_signed("signed@gmail.com")).data["balance"] == "0.2"
    again = answered(partner.call("user2@gmail.com", "another name"))
    assert (again.data["balance"], again.key is not None) == ("0", True)


def test_what_is_owed_keeps_who_vouched_and_the_network_of_the_call(app, session, partner):
    change_setting(app, "trial_budget_open_usd", "0")
    change_setting(app, "trial_budget_partner_usd", "0")
    partner.call("stranger@gmail.com")
    partner.call("listed@gmail.com", ip=LISTED)
    partner.call_signed("signed@gmail.com")
    partner.call("stranger@gmail.com", "another name", ip=LISTED)
    rows = select(User.email, OwedTrial.vouched_by, OwedTrial.network)
    owed = session.execute(rows.join(User, User.id == OwedTrial.user_id).order_by(User.id))
    assert [tuple(row) for row in owed] == [
        ("stranger@gmail.com", None, "203.0.113.0/24"),
        ("listed@gmail.com", partner.inviter_id, "198.51.100.0/24"),
        ("signed@gmail.com", partner.inviter_id, "203.0.113.0/24"),
    ]


def test_register_mode_and_require_signature(app, session, partner):
    session.get_one(Partner, partner.inviter_id).require_signature = True
    session.commit()
    assert refused(partner.call(ip=LISTED)) == (401, "signature_required")
    assert user_of(session) is None
    assert answered(partner.call_signed()).key


@pytest.mark.parametrize(
    ("mode", "plain", "signed"),
    [
        ("open", 200, 200),
        ("signed", 401, 200),
        ("off", 403, 403),
    ],
)
def test_register_mode_decides_which_calls_are_taken(app, partner, mode, plain, signed):
    change_setting(app, "register_mode", mode)
    assert partner.call().status_code == plain
    assert partner.call_signed().status_code == signed
