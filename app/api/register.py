"""``POST /api/auth/register``: read the call, run the rule, commit once, show what it gave."""

from typing import Annotated

from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError, OperationalError

from app.api import bodies, envelope
from app.api.authentication import bearer_secret
from app.api.errors import InvalidHeader
from app.callers import caller_ip, rate_limiter
from app.core.database import db
from app.core.errors import AppError
from app.core.money import convert, format_usd
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.key_names import normalise_key_name
from app.domain.partners.callers import RegisterCall, Tools
from app.domain.partners.onboarding import Registration
from app.domain.partners.onboarding import register as register_call
from app.domain.partners.signatures import (
    NONCE_HEADER,
    PARTNER_ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SignedRequest,
)
from app.domain.settings import SettingsView
from app.services import services

BODY_LIMIT_BYTES = 8 * 1024
REISSUE_HEADER = "X-Reissue"


class RegisterBody(BaseModel):
    """The call's body. Types are exact: neither ``true`` nor ``"1"`` is an integer."""

    model_config = ConfigDict(strict=True)

    email: str
    inviter_id: Annotated[int, Field(ge=1, lt=2**63)]
    key_name: str


class RegisteredUser(BaseModel):
    """The user, as far as the caller may know them."""

    id: int
    email: str
    nickname: str
    role: str
    inviter_id: int


class RegisteredKey(BaseModel):
    """The key; `key` is its secret where this very call made it, else null."""

    id: int
    name: str
    key: str | None
    key_prefix: str


class RegisterData(BaseModel):
    """``data`` of the answer. Balances are decimal strings, in USD and in CNY."""

    user: RegisteredUser
    api_key: RegisteredKey
    balance: str
    cny_balance: str
    is_new_user: bool


def register() -> Response:
    """Find or make a user and their key for a partner."""
    call = _read_call()
    settings = services().settings.current()
    return envelope.success(_shown(_run(call, settings), settings).model_dump())


def _read_call() -> RegisterCall:
    raw = bodies.read_raw(request.environ, limit_bytes=BODY_LIMIT_BYTES)
    body = bodies.parse(raw, RegisterBody)
    return RegisterCall(
        email=normalise_email(body.email),
        inviter_id=body.inviter_id,
        key_name=normalise_key_name(body.key_name),
        reissue=_wants_reissue(),
        bearer=bearer_secret(request.headers.get("Authorization")),
        signed=_signed_request(raw),
        ip=caller_ip(),
    )


def _wants_reissue() -> bool:
    value = request.headers.get(REISSUE_HEADER)
    if value not in (None, "1"):
        raise InvalidHeader(f"Send {REISSUE_HEADER}: 1, or leave it out.", field=REISSUE_HEADER)
    return value == "1"


def _signed_request(raw: bytes) -> SignedRequest:
    query = request.query_string.decode("latin-1")
    path = request.root_path + request.path
    return SignedRequest(
        partner_id=request.headers.get(PARTNER_ID_HEADER),
        timestamp=request.headers.get(TIMESTAMP_HEADER),
        nonce=request.headers.get(NONCE_HEADER),
        signature=request.headers.get(SIGNATURE_HEADER),
        method=request.method,
        path_with_query=f"{path}?{query}" if query else path,
        body=raw,
    )


def _run(call: RegisterCall, settings: SettingsView) -> Registration:
    """Once more where the database broke the call off: a deadlock, or a row that came first."""
    try:
        return _run_once(call, settings)
    except (IntegrityError, OperationalError):
        return _run_once(call, settings)


def _run_once(call: RegisterCall, settings: SettingsView) -> Registration:
    process = services()
    tools = Tools(
        session=db.session(),
        digester=process.digester,
        sealer=process.sealer,
        limiter=rate_limiter(),
        settings=settings,
        base_url=process.boot["BASE_URL"],
        default_language=process.boot["DEFAULT_LANGUAGE"],
    )
    try:
        registration = register_call(tools, call)
        tools.session.commit()
    except (AppError, IntegrityError, OperationalError):
        tools.session.rollback()
        raise
    return registration


def _shown(registration: Registration, settings: SettingsView) -> RegisterData:
    return RegisterData(
        user=RegisteredUser(
            id=registration.user_id,
            email=registration.email,
            nickname=registration.nickname,
            role="user",
            inviter_id=registration.inviter_id,
        ),
        api_key=RegisteredKey(
            id=registration.key_id,
            name=registration.key_name,
            key=registration.secret,
            key_prefix=registration.key_prefix,
        ),
        balance=format_usd(registration.balance_nanos),
        cny_balance=convert(registration.balance_nanos, settings["rate_cny"]),
        is_new_user=registration.is_new_user,
    )
