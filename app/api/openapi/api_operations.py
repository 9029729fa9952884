"""The operations under ``/api``, and of the machines' addresses."""

from app.api.errors import (
    InvalidHeader,
    InvalidMember,
    InvalidParameterValue,
    MissingMember,
    UnknownEndpoint,
    UnknownMember,
)
from app.api.openapi import examples
from app.api.openapi.api_schemas import enveloped
from app.api.openapi.operations import (
    Answer,
    Body,
    Dialect,
    Errors,
    Operation,
    Parameter,
    Tag,
)
from app.api.openapi.shapes import one_of, ref, text, whole
from app.api.register import REISSUE_HEADER
from app.api.usage import LIMIT_MAX, LIMIT_USUAL, MODEL_NAME_MAX
from app.core.errors import PayloadTooLarge, TooManyRequests, UnsupportedMediaType
from app.core.moments import InvalidMoment
from app.core.money import InvalidAmount
from app.core.pagination import InvalidCursor
from app.core.query_parameters import InvalidQuery, UnknownParameter
from app.core.request_body import ClientLeft, EncodedBody, InvalidContentLength
from app.core.strict_json import InvalidJson
from app.domain.accounts import errors as accounts
from app.domain.billing.errors import NoWallet
from app.domain.partners import errors as partners
from app.domain.partners.signatures import (
    NONCE_HEADER,
    PARTNER_ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
)
from app.domain.usage.errors import RequestNotFound

KEY_ERRORS: Errors = (
    accounts.InvalidApiKey,
    accounts.KeyPendingApproval,
    accounts.KeyExpired,
    accounts.IpNotAllowed,
)
BODY_ERRORS: Errors = (
    InvalidJson,
    ClientLeft,
    InvalidContentLength,
    PayloadTooLarge,
    UnsupportedMediaType,
    EncodedBody,
)
_MEMBER_ERRORS: Errors = (MissingMember, InvalidMember)

_SIGNATURE_HEADERS = (
    Parameter(PARTNER_ID_HEADER, "header", text(pattern="^[0-9]{1,18}$"), "Signed calls: your id."),
    Parameter(
        TIMESTAMP_HEADER,
        "header",
        text(pattern="^[0-9]{1,18}$"),
        "Signed calls: seconds since the epoch, at most 300 off.",
    ),
    Parameter(
        NONCE_HEADER,
        "header",
        text(pattern="^[A-Za-z0-9_-]{16,64}$"),
        "Signed calls: random, never used before.",
    ),
    Parameter(
        SIGNATURE_HEADER,
        "header",
        text(pattern="^v1=[0-9a-f]{64}$"),
        "Signed calls: `v1=` and the hex HMAC-SHA256, by your secret, of these lines joined by "
        "newlines: `v1`, partner id, timestamp, nonce, METHOD, path with query, hex SHA-256 of "
        "the body.",
    ),
    Parameter(
        REISSUE_HEADER,
        "header",
        one_of(("1",)),
        "Signed calls: give the key of that name a new secret. The old one is dead.",
    ),
)

_RANGE = (
    Parameter(
        "from", "query", text(), "The first day, or moment: 2026-11-24 or 2026-11-24T09:30:00Z."
    ),
    Parameter("to", "query", text(), "The last day, which counts in full, or the moment after."),
    Parameter("model", "query", text(minLength=1, maxLength=MODEL_NAME_MAX), "This model alone."),
    Parameter("cursor", "query", text(), "`next_cursor` of the page before."),
    Parameter(
        "limit",
        "query",
        whole(minimum=1, maximum=LIMIT_MAX, default=LIMIT_USUAL),
        "The most requests a page may hold.",
    ),
)

API_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        endpoint="api.register",
        method="POST",
        path="/api/auth/register",
        tag=Tag.ONBOARDING,
        summary="Find or make a user and their key",
        description="Used for third-party auto onboarding. It requires inviter_id, email, and "
        "key_name. The service looks up API key by user + key_name and creates one only when "
        "missing: then alone `api_key.key` holds its secret. Signed with a partner's secret, or "
        "sent with a full key of the account itself, it may do more than anonymously.",
        dialect=Dialect.ENVELOPE,
        security=("", "key"),
        parameters=_SIGNATURE_HEADERS,
        body=Body(ref("RegisterBody"), examples.REGISTER),
        answers=(
            Answer(
                200,
                "The user, the key and what it may spend.",
                enveloped(ref("RegisterData")),
                examples.REGISTERED,
            ),
        ),
        errors=(
            *BODY_ERRORS,
            *_MEMBER_ERRORS,
            InvalidHeader,
            accounts.InvalidEmail,
            accounts.InvalidKeyName,
            accounts.InvalidApiKey,
            accounts.KeyExpired,
            accounts.IpNotAllowed,
            accounts.AccountNotAllowed,
            accounts.TooManyKeys,
            accounts.KeyNameTaken,
            partners.SignatureInvalid,
            partners.SignatureExpired,
            partners.NonceUsed,
            partners.SignatureRequired,
            partners.BearerNotAccepted,
            partners.RegisterOff,
            partners.InviterNotAccepted,
            TooManyRequests,
        ),
    ),
    Operation(
        endpoint="api.balance",
        method="GET",
        path="/api/user/balance",
        tag=Tag.QUERIES,
        summary="The balance",
        description="Both buckets for a full key, the trial bucket alone for a trial key.",
        dialect=Dialect.ENVELOPE,
        answers=(
            Answer(200, "What there is.", enveloped(ref("Balance")), examples.BALANCE),
        ),
        errors=(*KEY_ERRORS, NoWallet),
    ),
    Operation(
        endpoint="api.show_current_key",
        method="GET",
        path="/api/user/keys/current",
        tag=Tag.QUERIES,
        summary="This key, its limits and what is left within them",
        description="Its secret is nowhere.",
        dialect=Dialect.ENVELOPE,
        answers=(
            Answer(200, "The key.", enveloped(ref("CurrentKey")), examples.CURRENT_KEY),
        ),
        errors=(*KEY_ERRORS, NoWallet),
    ),
    Operation(
        endpoint="api.narrow_current_key",
        method="PATCH",
        path="/api/user/keys/current",
        tag=Tag.QUERIES,
        summary="Tighten this key's own limits",
        description="A key can only tighten its limits: its owner loosens them. They hold for "
        "every key that was made by presenting this one; such a key cannot change them itself. "
        "A member that is left out stays as it is. 30 changes a minute.",
        dialect=Dialect.ENVELOPE,
        body=Body(ref("LimitChanges"), examples.LIMIT_CHANGES),
        answers=(
            Answer(200, "The key as it is now.", enveloped(ref("CurrentKey")),
                   examples.CURRENT_KEY),
        ),
        errors=(
            *KEY_ERRORS,
            *BODY_ERRORS,
            InvalidMember,
            UnknownMember,
            InvalidAmount,
            InvalidMoment,
            NoWallet,
            accounts.InvalidLimit,
            accounts.LimitsOnlyNarrow,
            accounts.KeyNotChangeable,
            accounts.LimitsOfFirstKey,
            TooManyRequests,
        ),
    ),
    Operation(
        endpoint="api.list_usage",
        method="GET",
        path="/api/usage",
        tag=Tag.QUERIES,
        summary="This key's requests, newest first",
        description="Follow `next_cursor` until it is null. A parameter that is not listed here "
        "is refused.",
        dialect=Dialect.ENVELOPE,
        parameters=_RANGE,
        answers=(
            Answer(200, "A page.", enveloped(ref("UsagePage")), examples.USAGE_PAGE),
        ),
        errors=(
            *KEY_ERRORS,
            InvalidQuery,
            UnknownParameter,
            InvalidParameterValue,
            InvalidMoment,
            InvalidCursor,
        ),
    ),
    Operation(
        endpoint="api.show_usage",
        method="GET",
        path="/api/usage/{request_id}",
        tag=Tag.QUERIES,
        summary="The receipt of one request",
        description="404 for another key's request as for none.",
        dialect=Dialect.ENVELOPE,
        parameters=(
            Parameter(
                "request_id",
                "path",
                text(pattern="^req_[a-z2-7]{13}$"),
                "`X-Request-Id` of the call.",
                is_required=True,
            ),
        ),
        answers=(
            Answer(200, "It has ended.", enveloped(ref("Receipt")), examples.RECEIPT),
            Answer(202, "It is running.", enveloped(ref("Receipt"))),
        ),
        errors=(*KEY_ERRORS, RequestNotFound),
    ),
    Operation(
        endpoint="openapi.show",
        method="GET",
        path="/openapi.json",
        tag=Tag.MACHINES,
        summary="This document",
        description="Public.",
        dialect=Dialect.NONE,
        security=("",),
        answers=(Answer(200, "OpenAPI 3.1.", {"type": "object"}),),
    ),
    Operation(
        endpoint="health.healthz",
        method="GET",
        path="/healthz",
        tag=Tag.MACHINES,
        summary="The process is alive",
        description="Says nothing about the database.",
        dialect=Dialect.NONE,
        security=("",),
        answers=(Answer(200, "Alive.", ref("Health"), {"status": "ok"}),),
    ),
    Operation(
        endpoint="health.readyz",
        method="GET",
        path="/readyz",
        tag=Tag.MACHINES,
        summary="The process can take calls",
        description="Not while it stops, without its database, or with an older schema.",
        dialect=Dialect.NONE,
        security=("",),
        answers=(
            Answer(200, "Ready.", ref("Readiness"), {"status": "ready"}),
            Answer(503, "Not ready.", ref("Readiness")),
        ),
    ),
)  # fmt: skip

UNKNOWN_ENDPOINT_ERRORS: Errors = (MissingMember, InvalidMember, UnknownMember, UnknownEndpoint)
