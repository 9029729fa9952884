"""A signature proves who made this very call, now, once."""

import hashlib
import hmac
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from app.core import clock
from app.domain.partners import signatures, signing_secrets
from app.domain.partners.errors import NonceUsed, SignatureExpired, SignatureInvalid
from app.domain.partners.models import SignatureNonce
from app.domain.partners.signatures import SignedRequest, Signer
from tests.factories import make_partner, make_partner_secret

NONCE = "nonce-0123456789"
BODY = b'{"email":"user@example.com"}'


def signed_request(partner, secret, *, at_s=None, nonce=NONCE, body=BODY) -> SignedRequest:
    """Signed by hand, as the documentation says, not by our own function."""
    timestamp = str(int(at_s if at_s is not None else clock.now_s()))
    path = "/api/auth/register?a=1"
    digest = hashlib.sha256(body).hexdigest()
    text = f"v1\n{partner.user_id}\n{timestamp}\n{nonce}\nPOST\n{path}\n{digest}"
    code = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return SignedRequest(str(partner.user_id), timestamp, nonce, f"v1={code}", "POST", path, body)


@pytest.fixture
def partner(session):
    return make_partner(session)


@pytest.fixture
def secret(session, sealer, partner):
    return make_partner_secret(session, sealer, partner)


def test_right_signature_names_its_signer(session, sealer, partner, secret):
    request = signed_request(partner, secret)
    assert signatures.verify(session, sealer, request) == Signer(partner.user_id, NONCE)


def test_both_live_secrets_sign_and_a_revoked_one_does_not(session, sealer, partner, secret):
    signing_secrets.create(session, sealer, partner_id=partner.user_id, actor="operator")
    signatures.verify(session, sealer, signed_request(partner, secret))
    newest = signing_secrets.create(session, sealer, partner_id=partner.user_id, actor="operator")
    signatures.verify(session, sealer, signed_request(partner, newest))
    with pytest.raises(SignatureInvalid):
        signatures.verify(session, sealer, signed_request(partner, secret))


@pytest.mark.parametrize(
    "change",
    [
        {"body": BODY + b" "},
        {"method": "PUT"},
        {"path_with_query": "/api/auth/register"},
        {"path_with_query": "/api/auth/register?a=2"},
        {"nonce": "nonce-0123456780"},
        {"timestamp": "1795500001"},
        {"partner_id": "99999"},
        {"signature": "v1=" + "0" * 64},
        {"signature": "v2=" + "0" * 64},
        {"signature": "0" * 64},
        {"signature": ""},
        {"signature": None},
        {"timestamp": None},
        {"timestamp": "1795500000.0"},
        {"timestamp": "-1"},
        {"timestamp": "9" * 30},
        {"timestamp": "١٧٩٥"},
        {"nonce": None},
        {"nonce": "short"},
        {"nonce": "x" * 65},
        {"nonce": "nonce 0123456789"},
        {"partner_id": None},
        {"partner_id": "x"},
        {"partner_id": "9" * 19},
    ],
)
def test_anything_changed_or_missing_is_no_signature(
    session, sealer, partner, secret, frozen_time, change
):
    request = replace(signed_request(partner, secret), **change)
    assert request.is_signed
    with pytest.raises(SignatureInvalid):
        signatures.verify(session, sealer, request)


def test_another_partners_secret_signs_nothing_here(session, sealer, partner, secret):
    other = make_partner_secret(session, sealer, make_partner(session))
    with pytest.raises(SignatureInvalid):
        signatures.verify(session, sealer, signed_request(partner, other))


@pytest.mark.parametrize(
    ("skew_s", "is_fresh"), [(-301, False), (-300, True), (300, True), (301, False)]
)
def test_timestamp_is_fresh_within_300_seconds(
    session, sealer, partner, secret, frozen_time, skew_s, is_fresh
):
    request = signed_request(partner, secret, at_s=frozen_time.now_s + skew_s)
    if is_fresh:
        signatures.verify(session, sealer, request)
        return
    with pytest.raises(SignatureExpired):
        signatures.verify(session, sealer, request)


def test_nonce_is_spent_once_for_each_partner_and_kept_15_minutes(session, partner, frozen_time):
    signer = Signer(partner.user_id, NONCE)
    signatures.spend_nonce(session, signer)
    signatures.spend_nonce(session, Signer(make_partner(session).user_id, NONCE))
    frozen_time.advance(15 * 60 - 1)
    with pytest.raises(NonceUsed):
        signatures.spend_nonce(session, signer)
    frozen_time.advance(1)
    signatures.spend_nonce(session, signer)


def test_nonces_past_their_time_are_swept_as_the_partner_calls(session, partner, frozen_time):
    for number in range(3):
        signatures.spend_nonce(session, Signer(partner.user_id, f"{NONCE}-{number}"))
    frozen_time.advance(16 * 60)
    signatures.spend_nonce(session, Signer(partner.user_id, NONCE))
    assert session.scalar(select(func.count()).select_from(SignatureNonce)) == 1


def test_request_without_any_header_is_not_signed():
    assert not SignedRequest(None, None, None, None, "POST", "/", b"").is_signed
