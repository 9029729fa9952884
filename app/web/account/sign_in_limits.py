"""How often a password may be tried, without letting a stranger lock the owner out.

A browser that once signed in to an account carries a signed cookie that says so and is counted by
itself alone; all other browsers share what strangers may try. So whoever floods an account from
elsewhere slows down strangers, and its owner signs in as before.
"""

from flask import Response, after_this_request, current_app, request
from itsdangerous import BadSignature, URLSafeSerializer

from app.callers import caller_ip, rate_limiter
from app.core.client_ip import rate_subject
from app.core.crypto import random_token
from app.core.ratelimit import Quota
from app.services import services

DEVICE_COOKIE = "device"
_DEVICE_COOKIE_AGE_S = 365 * 24 * 3600
_DEVICE_TOKEN_BYTES = 12

_WINDOW_S = 15 * 60
TRIES_OF_DEVICE = 10
TRIES_OF_STRANGER_AT_IP = 10
TRIES_OF_STRANGERS = 100
TRIES_OF_IP = 60


def count_try(email: str) -> None:
    """Count one try at this account, before it is looked up. Raises TooManyRequests."""
    rate_limiter().require(*_quotas(_account_digest(email)))


def remember_device(email: str) -> None:
    """Let this browser be counted by itself when it next signs in to this account."""
    value = _serializer().dumps([_account_digest(email), random_token(_DEVICE_TOKEN_BYTES)])

    @after_this_request
    def _set_cookie(response: Response) -> Response:
        response.set_cookie(
            DEVICE_COOKIE,
            value,
            max_age=_DEVICE_COOKIE_AGE_S,
            path="/login",
            secure=current_app.config["SESSION_COOKIE_SECURE"],
            httponly=True,
            samesite="Lax",
        )
        return response


def _quotas(account: str) -> tuple[Quota, ...]:
    device = _known_device(account)
    if device is not None:
        return (_quota("sign-in-device", device, TRIES_OF_DEVICE),)
    ip = rate_subject(caller_ip())
    return (
        _quota("sign-in-stranger-at-ip", f"{account} {ip}", TRIES_OF_STRANGER_AT_IP),
        _quota("sign-in-ip", ip, TRIES_OF_IP),
        _quota("sign-in-strangers", account, TRIES_OF_STRANGERS),
    )


def _quota(name: str, subject: str, amount: int) -> Quota:
    return Quota(name, subject, amount, window_s=_WINDOW_S)


def _known_device(account: str) -> str | None:
    """The token of a browser that signed in to this very account before."""
    try:
        known_account, token = _serializer().loads(request.cookies.get(DEVICE_COOKIE, ""))
    except (BadSignature, ValueError, TypeError):
        return None
    return str(token) if known_account == account else None


def _account_digest(email: str) -> str:
    return services().digester.digest("sign-in-device", email)


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="sign-in-device")
