"""What an attacker tries at the register endpoint, and gets nothing for."""

from datetime import timedelta

import pytest

from app.core import clock
from app.domain.accounts import claims, keys
from app.domain.accounts.limits import change_limits
from app.domain.accounts.models import ApiKey, InviterState, KeyOrigin, KeyScope, KeyState, User
from app.domain.audit.models import AuditEntry
from app.domain.partners import budgets
from app.domain.partners.models import SignatureNonce
from tests.api.registering import (
    EMAIL,
    LISTED,
    PATH,
    answered,
    change_setting,
    count,
    key_of,
    mails,
    refused,
    user_of,
    wallet_of,
)
from tests.factories import credit, make_key, make_user


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def test_anonymous_answer_on_an_existing_account_shows_only_what_was_sent(
    session, digester, partner, other_partner
):
    user = make_user(session, email=EMAIL, nickname="Secret Name", language="en-US")
    user.inviter_id, user.inviter_state = other_partner.inviter_id, InviterState.CONFIRMED
    credit(session, user.id, 9_000_000_000)
    make_key(session, digester, user, name="GoodHR")
    session.commit()
    for name in ("goodhr", "unknown"):
        response = partner.call("  USER@example.com ", name)
        data = answered(response).data
        assert data["user"] == {
            "id": user.id,
            "email": EMAIL,
            "nickname": "user",
            "role": "user",
            "inviter_id": partner.inviter_id,
        }
        assert data["api_key"]["name"] == name
        assert len(data["api_key"]["key_prefix"]) == len("sk-") + 4
        assert data["balance"] == "0"
        assert "Secret" not in response.get_data(as_text=True)


def test_account_made_in_advance_is_no_way_into_the_owners_money(session, digester, partner):
    """Pre-hijack: a stranger registers the victim's mailbox, who claims it and pays in."""
    stolen = answered(partner.call()).key
    user = user_of(session)
    _, token = claims.make_link(session, digester, user=user, inviter_id=partner.inviter_id)
    claims.claim(session, digester, token=token, password_hash="hash", inviter_id=None)
    credit(session, user.id, 9_000_000_000)
    session.commit()
    key = keys.find_by_secret(session, digester, stolen)
    assert key.scope is KeyScope.TRIAL
    assert wallet_of(session).paid_balance_nanos == 9_000_000_000
    assert answered(partner.call()).data["balance"] == "0.2"
    assert refused(partner.call(key_name="more", headers=bearer(stolen)))[0] == 401


def test_owner_may_undo_a_strangers_registration(session, digester, partner):
    stolen = answered(partner.call()).key
    text = mails(session)[0].text_body
    token = text.partition("/claim/")[2].split()[0].partition("/")[0]
    claims.disown(session, digester, token=token)
    session.commit()
    assert keys.find_by_secret(session, digester, stolen).state is KeyState.REVOKED
    assert refused(partner.call(key_name="again")) == (403, "account_not_allowed")
    assert user_of(session).inviter_state is InviterState.NONE


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "sk-abc",
        "Bearer sk-unknown",
        "Bearer sk-" + "x" * 5000,
        "Token sk-abc",
    ],
)
def test_wrong_authorization_never_falls_back_to_anonymous(session, partner, header):
    response = partner.call(headers={"Authorization": header})
    assert refused(response) == (401, "bearer_not_accepted")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert user_of(session) is None


@pytest.mark.parametrize(
    "columns",
    [
        {"scope": KeyScope.TRIAL},
        {"scope": KeyScope.TRIAL, "state": KeyState.PENDING},
        {"state": KeyState.PENDING},
        {"state": KeyState.REVOKED},
        {"state": KeyState.REFUSED},
    ],
)
def test_only_a_live_full_key_makes_an_owners_call(session, digester, partner, columns):
    user = make_user(session, email=EMAIL)
    _, secret = make_key(session, digester, user, **columns)
    session.commit()
    assert refused(partner.call(headers=bearer(secret))) == (401, "bearer_not_accepted")
    assert count(session, ApiKey) == 1


def test_expired_key_makes_no_owners_call(session, digester, partner):
    user = make_user(session, email=EMAIL)
    past = clock.now() - timedelta(seconds=1)
    _, secret = make_key(session, digester, user, expires_at=past)
    session.commit()
    assert refused(partner.call(headers=bearer(secret))) == (403, "key_expired")
    assert count(session, ApiKey) == 1


def test_owners_call_comes_from_the_keys_networks_alone(session, digester, partner):
    key, secret = make_key(session, digester, make_user(session, email=EMAIL))
    change_limits(session, key=key, changes={"networks": ["192.0.2.0/24"]}, actor="operator")
    session.commit()
    assert refused(partner.call(headers=bearer(secret))) == (403, "ip_not_allowed")
    assert count(session, ApiKey) == 1


def test_key_of_another_account_is_refused_whether_or_not_the_email_exists(
    session, digester, partner
):
    mine, theirs = make_user(session), make_user(session)
    _, secret = make_key(session, digester, mine)
    session.commit()
    bodies = {
        partner.call(email, headers=bearer(secret)).get_data()
        for email in (theirs.email, "unknown@example.com")
    }
    assert len(bodies) == 1
    assert user_of(session, "unknown@example.com") is None


def test_wrong_signature_never_falls_back_to_anonymous(session, partner):
    for change in (
        {"X-Signature": "v1=" + "0" * 64},
        {"X-Partner-Id": "1"},
        {"X-Nonce": "other-nonce-123456"},
        {"X-Timestamp": "1"},
    ):
        status, _ = refused(partner.call_signed(headers=change))
        assert status == 401
    for header in ("X-Signature", "X-Nonce", "X-Timestamp", "X-Partner-Id"):
        assert refused(partner.call(headers={header: "1"})) == (401, "signature_invalid")
    assert user_of(session) is None
    assert count(session, SignatureNonce) == 0


def test_changed_body_is_not_what_was_signed(session, partner):
    raw = b'{"email":"user@example.com","inviter_id":%d,"key_name":"a"}' % partner.inviter_id
    headers = partner.signature(raw)
    changed = raw.replace(b'"a"', b'"b"')
    assert refused(partner.send(changed, headers=headers)) == (401, "signature_invalid")
    assert answered(partner.send(raw, headers=headers)).key


def test_stale_signature_is_refused(session, partner, frozen_time):
    raw = b'{"email":"user@example.com","inviter_id":%d,"key_name":"a"}' % partner.inviter_id
    headers = partner.signature(raw)
    frozen_time.advance(301)
    assert refused(partner.send(raw, headers=headers)) == (401, "signature_expired")


def test_replayed_call_changes_nothing(session, partner):
    raw = b'{"email":"user@example.com","inviter_id":%d,"key_name":"a"}' % partner.inviter_id
    headers = partner.signature(raw) | {"X-Reissue": "1"}
    first = answered(partner.send(raw, headers=headers))
    assert refused(partner.send(raw, headers=headers)) == (401, "nonce_used")
    session.expire_all()
    assert key_of(session, "a").prefix == first.data["api_key"]["key_prefix"]


def test_nonce_of_a_call_without_effect_may_be_used_again(app, session, partner):
    change_setting(app, "blocked_email_domains", "blocked.example")
    nonce = "nonce-0123456789abc"
    assert refused(partner.call_signed("a@blocked.example", nonce=nonce))[0] == 403
    assert answered(partner.call_signed(nonce=nonce)).key


def test_partner_signs_only_for_itself(session, partner, other_partner):
    response = partner.call_signed(inviter_id=other_partner.inviter_id)
    assert refused(response) == (401, "signature_invalid")
    assert user_of(session) is None


def test_cookies_are_neither_read_nor_set(session, app, partner):
    response = partner.call(headers={"Cookie": "session=forged", "Origin": "https://evil.example"})
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers
    assert not any(name.startswith("Access-Control") for name, _ in response.headers)
    assert response.headers["Cache-Control"] == "no-store"


def test_forwarded_header_of_a_stranger_does_not_vouch(session, partner):
    partner.call(headers={"X-Forwarded-For": LISTED})
    assert budgets.used(session, name="trial:open") == 200_000_000


def test_owners_call_may_be_signed_too(session, digester, partner):
    user = make_user(session, email=EMAIL)
    _, secret = make_key(session, digester, user)
    session.commit()
    assert answered(partner.call_signed(headers=bearer(secret))).key
    assert key_of(session).scope is KeyScope.FULL
    assert refused(partner.call_signed(key_name="x", headers=bearer("sk-wrong"))) == (
        401,
        "bearer_not_accepted",
    )


def test_child_of_an_operators_key_is_no_trial_key(session, digester, partner):
    """An unclaimed account has a full key only from the operator; its owner's call still works."""
    user = make_user(session, email=EMAIL, claimed=False)
    _, secret = make_key(session, digester, user, origin=KeyOrigin.OPERATOR)
    session.commit()
    assert answered(partner.call(headers=bearer(secret))).key
    assert refused(partner.call_signed(reissue=True)) == (409, "key_name_taken")


def test_every_effect_is_in_the_audit_trail_without_secrets(session, partner):
    secret = answered(partner.call_signed()).key
    session.expire_all()
    entries = session.query(AuditEntry).order_by(AuditEntry.id).all()
    told = [(entry.actor, entry.action) for entry in entries]
    actor = f"partner:{partner.inviter_id}"
    assert told == [
        (actor, "account_created"),
        (actor, "trial_granted"),
        (actor, "key_made"),
        (actor, "claim_mailed"),
    ]
    assert secret not in str([entry.details for entry in entries])


def test_get_is_not_an_address(app):
    assert app.test_client().get(PATH).status_code == 405


def test_users_are_counted_once(session, partner):
    for email in ("A@Example.com", "a@example.com", " a@EXAMPLE.com"):
        partner.call(email)
    assert session.query(User).filter_by(email="a@example.com").count() == 1
