"""Signed calls: proof that a partner itself made the call, once.

The partner sends ``X-Partner-Id``, ``X-Timestamp`` (seconds since the epoch), ``X-Nonce`` and
``X-Signature: v1=<hex>``, where hex is HMAC-SHA256, under one of its live secrets, of these lines
joined by newlines: ``v1``, partner id, timestamp, nonce, METHOD, path with query, and the hex
SHA-256 of the raw body.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Sealer, matches
from app.domain.partners import signing_secrets
from app.domain.partners.errors import NonceUsed, SignatureExpired, SignatureInvalid
from app.domain.partners.models import SignatureNonce

PARTNER_ID_HEADER = "X-Partner-Id"
TIMESTAMP_HEADER = "X-Timestamp"
NONCE_HEADER = "X-Nonce"
SIGNATURE_HEADER = "X-Signature"

CLOCK_SKEW_MAX_S = 300
NONCE_KEPT = timedelta(minutes=15)

_NUMBER = re.compile(r"[0-9]{1,18}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_SIGNATURE = re.compile(r"v1=([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What was sent: the four headers (None where one is missing) and what they sign."""

    partner_id: str | None
    timestamp: str | None
    nonce: str | None
    signature: str | None
    method: str
    path_with_query: str
    body: bytes

    @property
    def is_signed(self) -> bool:
        """Whether any of the headers is there: then all must be, and must be right."""
        return any(
            header is not None
            for header in (self.partner_id, self.timestamp, self.nonce, self.signature)
        )


@dataclass(frozen=True, slots=True)
class Signer:
    """A partner whose signature was right, with the nonce that is still to be spent."""

    partner_id: int
    nonce: str


def sign(secret: str, text: str) -> str:
    """The value of ``X-Signature`` for a text made by `signed_text`."""
    return f"v1={hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()}"


def signed_text(
    *, partner_id: str, timestamp: str, nonce: str, method: str, path_with_query: str, body: bytes
) -> str:
    """The seven lines that are signed."""
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join(("v1", partner_id, timestamp, nonce, method.upper(), path_with_query, digest))


def verify(session: Session, sealer: Sealer, request: SignedRequest) -> Signer:
    """Who signed. Raises SignatureInvalid, SignatureExpired; the nonce is not looked at yet."""
    partner_id, timestamp, nonce, signature = _parts(request)
    text = signed_text(
        partner_id=partner_id,
        timestamp=timestamp,
        nonce=nonce,
        method=request.method,
        path_with_query=request.path_with_query,
        body=request.body,
    )
    secrets = signing_secrets.open_live(session, sealer, int(partner_id))
    if not any(matches(sign(secret, text), signature) for secret in secrets):
        raise SignatureInvalid(field=SIGNATURE_HEADER)
    if abs(clock.now_s() - int(timestamp)) > CLOCK_SKEW_MAX_S:
        raise SignatureExpired(field=TIMESTAMP_HEADER)
    return Signer(int(partner_id), nonce)


def spend_nonce(session: Session, signer: Signer) -> None:
    """Write the nonce beside the effect of its call; the caller commits both. Raises NonceUsed."""
    expired = delete(SignatureNonce).where(
        SignatureNonce.partner_id == signer.partner_id,
        SignatureNonce.expires_at <= clock.now(),
    )
    session.execute(expired.execution_options(synchronize_session=False))
    spent = session.execute(
        insert(SignatureNonce)
        .values(
            partner_id=signer.partner_id,
            nonce=signer.nonce,
            expires_at=clock.now() + NONCE_KEPT,
        )
        .on_conflict_do_nothing(index_elements=["partner_id", "nonce"])
        .returning(SignatureNonce.nonce)
    ).scalar_one_or_none()
    if spent is None:
        raise NonceUsed(field=NONCE_HEADER)


def _parts(request: SignedRequest) -> tuple[str, str, str, str]:
    """Partner id, timestamp, nonce and signature, each well-formed. Raises SignatureInvalid."""
    parts = (
        (PARTNER_ID_HEADER, request.partner_id, _NUMBER),
        (TIMESTAMP_HEADER, request.timestamp, _NUMBER),
        (NONCE_HEADER, request.nonce, _NONCE),
        (SIGNATURE_HEADER, request.signature, _SIGNATURE),
    )
    for header, value, pattern in parts:
        if value is None:
            raise SignatureInvalid(f"A signed call needs the header {header}.", field=header)
        if not pattern.fullmatch(value):
            raise SignatureInvalid(f"The header {header} is not well-formed.", field=header)
    partner_id, timestamp, nonce, signature = (value or "" for _, value, _ in parts)
    return partner_id, timestamp, nonce, signature
