"""The register call, row by row of its table."""

import re

import pytest

from app.domain.accounts import approvals, keys
from app.domain.accounts.models import (
    ApiKey,
    InviterState,
    KeyOrigin,
    KeyScope,
    KeyState,
)
from app.domain.billing.models import Transfer
from app.domain.partners.models import Partner
from tests.api.registering import (
    EMAIL,
    LISTED,
    answered,
    count,
    key_of,
    mails,
    refused,
    user_of,
    wallet_of,
)
from tests.factories import credit, make_key, make_user

DAY_S = 86_400
FOLDED = {"GoodHR", "goodhr", " GOODHR "}


@pytest.fixture
def owner(session, partner):
    """A claimed account of somebody with paid money."""
    user = make_user(session, email=EMAIL, nickname="Real Name", inviter=None)
    credit(session, user.id, 3_000_000_000)
    credit(session, user.id, 50_000_000, "trial")
    session.commit()
    return user


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


# new email


def test_new_email_gets_the_printed_answer(session, partner):
    response = partner.call()
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    body = response.get_json()
    user, key = user_of(session), key_of(session)
    assert body == {
        "code": 0,
        "message": "success",
        "data": {
            "user": {
                "id": user.id,
                "email": EMAIL,
                "nickname": "user",
                "role": "user",
                "inviter_id": partner.inviter_id,
            },
            "api_key": {
                "id": key.id,
                "name": "goodhr",
                "key": body["data"]["api_key"]["key"],
                "key_prefix": key.prefix,
            },
            "balance": "0.2",
            "cny_balance": "1.44",
            "is_new_user": True,
        },
    }
    assert list(body["data"]) == ["user", "api_key", "balance", "cny_balance", "is_new_user"]
    assert re.fullmatch(r"sk-[A-Za-z0-9]{40}", body["data"]["api_key"]["key"])
    assert body["data"]["api_key"]["key_prefix"] == body["data"]["api_key"]["key"][:7]
    assert (user.id >= 10001, key.id) == (True, 30001)


def test_new_email_opens_an_unclaimed_account_with_a_trial_key(session, partner, digester):
    secret = answered(partner.call()).key
    user = user_of(session)
    key = keys.find_by_secret(session, digester, secret)
    assert (user.is_claimed, user.password) == (False, None)
    assert (key.scope, key.state, key.origin) == (
        KeyScope.TRIAL,
        KeyState.ACTIVE,
        KeyOrigin.ANONYMOUS,
    )
    wallet = wallet_of(session)
    assert (wallet.trial_balance_nanos, wallet.paid_balance_nanos) == (200_000_000, 0)


def test_inviter_is_provisional_until_signed_for(session, partner):
    partner.call("anonymous@example.com")
    partner.call("listed@example.com", ip=LISTED)
    partner.call_signed("signed@example.com")
    states = {
        name: user_of(session, f"{name}@example.com").inviter_state
        for name in ("anonymous", "listed", "signed")
    }
    assert states == {
        "anonymous": InviterState.PROVISIONAL,
        "listed": InviterState.PROVISIONAL,
        "signed": InviterState.CONFIRMED,
    }
    assert key_of(session, email="signed@example.com").origin is KeyOrigin.SIGNED
    assert key_of(session, email="listed@example.com").origin is KeyOrigin.ANONYMOUS


def test_first_call_mails_the_claim_link_once_a_week(session, partner, other_partner, frozen_time):
    partner.call()
    partner.call()
    partner.call(key_name="second")
    other_partner.call(key_name="third")
    assert [(mail.recipient, mail.message) for mail in mails(session)] == [(EMAIL, "claim")]
    frozen_time.advance(7 * DAY_S)
    partner.call()
    assert len(mails(session)) == 2


def test_claim_mail_is_in_the_partners_language(app, session, partner):
    for language in ("en-US", "vi-VN", None):
        session.get_one(Partner, partner.inviter_id).language = language
        session.commit()
        partner.call(f"user-{language}@example.com".lower())
    assert [mail.language for mail in mails(session)] == ["en-US", "vi-VN", "vi-VN"]


def test_claim_mail_quotes_no_text_of_the_caller(session, partner):
    partner.call("buy-now-cheap@example.com", "Visit evil.example")
    (mail,) = mails(session)
    for text in (mail.subject, mail.text_body, mail.html_body):
        assert "evil" not in text
        assert "buy-now" not in text


# unclaimed, known key_name


@pytest.mark.parametrize("spelling", sorted(FOLDED))
def test_unclaimed_known_name_gives_no_key_and_the_trial_left(session, partner, spelling):
    first = answered(partner.call())
    again = answered(partner.call(key_name=spelling))
    assert again.key is None
    assert again.data["api_key"]["id"] == first.data["api_key"]["id"]
    assert again.data["api_key"]["key_prefix"] == first.data["api_key"]["key_prefix"]
    assert (again.data["is_new_user"], again.data["balance"]) == (False, "0.2")
    assert count(session, ApiKey) == 1


def test_unclaimed_known_name_shows_what_was_spent(session, partner):
    partner.call()
    wallet = wallet_of(session)
    wallet.trial_balance_nanos, wallet.trial_held_nanos = 150_000_000, 50_000_000
    session.commit()
    assert answered(partner.call()).data["balance"] == "0.1"


# unclaimed, new key_name, any inviter


def test_unclaimed_new_name_gives_a_trial_key_and_no_second_grant(session, partner, other_partner):
    first = answered(partner.call())
    second = answered(other_partner.call(key_name="elsewhere"))
    assert second.key not in (None, first.key)
    assert second.data["balance"] == "0.2"
    assert second.data["is_new_user"] is False
    assert second.data["user"]["inviter_id"] == other_partner.inviter_id
    assert user_of(session).inviter_id == partner.inviter_id
    assert key_of(session, "elsewhere").scope is KeyScope.TRIAL
    assert count(session, Transfer) == 1


def test_sixth_trial_key_of_an_inviter_is_refused_and_nothing_made(session, partner, other_partner):
    for number in range(5):
        assert answered(partner.call(key_name=f"key {number}")).key
    assert refused(partner.call(key_name="key 5")) == (403, "too_many_keys")
    assert count(session, ApiKey) == 5
    assert answered(partner.call(key_name="key 4")).key is None
    assert answered(other_partner.call(key_name="key 5")).key


# claimed account, new key_name


@pytest.mark.parametrize("method", ["call", "call_signed"])
def test_claimed_new_name_gives_a_pending_key_of_balance_zero(session, partner, owner, method):
    answer = answered(getattr(partner, method)())
    assert answer.key is not None
    assert (answer.data["balance"], answer.data["cny_balance"]) == ("0", "0")
    assert answer.data["is_new_user"] is False
    assert key_of(session).state is KeyState.PENDING
    (mail,) = mails(session)
    assert (mail.recipient, mail.message) == (EMAIL, "key_waiting")


def test_pending_key_waits_for_its_owner_and_is_approved_by_the_six(
    session, partner, owner, digester
):
    secret = answered(partner.call()).key
    approve = {
        "owner": owner,
        "key_id": key_of(session).id,
        "cap_nanos": 5_000_000_000,
    }
    assert (
        approvals.approve(session, digester, last_six="nope00", **approve)
        is approvals.Approval.WRONG_TAIL
    )
    assert (
        approvals.approve(session, digester, last_six=secret[-6:], **approve)
        is approvals.Approval.APPROVED
    )
    session.commit()
    again = answered(partner.call())
    assert (again.key, again.data["balance"]) == (None, "0.05")


def test_owner_is_mailed_once_a_day_however_many_keys_wait(
    session, partner, other_partner, owner, frozen_time
):
    partner.call()
    partner.call(key_name="second")
    other_partner.call(key_name="third")
    assert len(mails(session)) == 1
    frozen_time.advance(DAY_S)
    partner.call(key_name="fourth")
    assert len(mails(session)) == 2


def test_fourth_pending_key_of_an_inviter_is_refused(session, partner, other_partner, owner):
    for number in range(3):
        partner.call(key_name=f"key {number}")
    assert refused(partner.call(key_name="key 3")) == (403, "too_many_keys")
    assert count(session, ApiKey) == 3
    assert answered(other_partner.call(key_name="key 3")).key


def test_pending_key_is_gone_after_seven_days(session, partner, owner, frozen_time):
    first = answered(partner.call())
    frozen_time.advance(7 * DAY_S)
    second = answered(partner.call())
    assert second.key not in (None, first.key)
    assert count(session, ApiKey) == 1


# claimed account, known key_name


@pytest.mark.parametrize(
    ("scope", "state", "balance"),
    [
        (KeyScope.TRIAL, KeyState.ACTIVE, "0.05"),
        (KeyScope.FULL, KeyState.ACTIVE, "0.05"),
        (KeyScope.TRIAL, KeyState.PENDING, "0"),
    ],
)
@pytest.mark.parametrize("method", ["call", "call_signed"])
def test_claimed_known_name_never_discloses_paid_money(
    session, digester, partner, owner, scope, state, balance, method
):
    make_key(session, digester, owner, scope, name="goodhr", state=state)
    session.commit()
    answer = answered(getattr(partner, method)())
    assert (answer.key, answer.data["balance"]) == (None, balance)
    assert mails(session) == []


# owner's call


def test_owners_new_name_is_a_full_key_under_the_bearers_cap(session, digester, partner, owner):
    parent, secret = make_key(session, digester, owner, cap_nanos=7)
    session.commit()
    answer = answered(partner.call(headers=bearer(secret)))
    key = key_of(session)
    assert answer.key is not None
    assert (key.scope, key.state, key.origin) == (
        KeyScope.FULL,
        KeyState.ACTIVE,
        KeyOrigin.OWNER,
    )
    assert (key.parent_id, key.cap_id) == (parent.id, parent.cap_id)
    assert (answer.data["balance"], answer.data["cny_balance"]) == ("3.05", "21.96")
    assert answer.data["user"]["nickname"] == "Real Name"
    assert mails(session) == []


def test_owners_key_dies_with_the_bearers(session, digester, partner, owner):
    parent, secret = make_key(session, digester, owner)
    session.commit()
    partner.call(headers={"Authorization": f"bEaReR   {secret}"})
    keys.revoke(session, key=session.get_one(ApiKey, parent.id), actor=EMAIL)
    session.commit()
    assert key_of(session).state is KeyState.REVOKED


def test_owners_known_name_shows_what_that_key_may_spend(session, digester, partner, owner):
    _, secret = make_key(session, digester, owner)
    make_key(session, digester, owner, KeyScope.TRIAL, name="trial one")
    make_key(session, digester, owner, KeyScope.FULL, name="full one")
    session.commit()
    balances = {
        name: answered(partner.call(key_name=name, headers=bearer(secret))).data["balance"]
        for name in ("trial one", "full one")
    }
    assert balances == {"trial one": "0.05", "full one": "3.05"}


# revoked or refused key_name


@pytest.mark.parametrize("state", [KeyState.REVOKED, KeyState.REFUSED])
@pytest.mark.parametrize("claimed", [True, False])
@pytest.mark.parametrize("method", ["call", "call_signed"])
def test_revoked_or_refused_name_is_never_made_again(
    session, digester, partner, state, claimed, method
):
    user = make_user(session, email=EMAIL, claimed=claimed)
    credit(session, user.id, 5, "trial")
    make_key(session, digester, user, KeyScope.TRIAL, name="goodhr", state=state)
    session.commit()
    answer = answered(getattr(partner, method)())
    assert (answer.key, answer.data["balance"]) == (None, "0")
    assert (count(session, ApiKey), mails(session)) == (1, [])
