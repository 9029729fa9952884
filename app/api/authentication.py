"""Who presents which key to ``/api``: only ``Authorization: Bearer sk-…`` counts, no cookie."""

from dataclasses import dataclass

from flask import request
from sqlalchemy.orm import Session

from app.callers import caller_ip
from app.core.crypto import Digester
from app.domain.accounts import keys
from app.domain.accounts.errors import InvalidApiKey, KeyPendingApproval
from app.domain.accounts.limits import require_usable
from app.domain.accounts.models import ApiKey, KeyState, User


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A live key, with the user whose wallet it spends from."""

    key: ApiKey
    user: User


def authenticate(session: Session, digester: Digester) -> KeyHolder:
    """Who holds the key that this request presents.

    Raises InvalidApiKey, KeyPendingApproval, KeyExpired, IpNotAllowed.
    """
    secret = bearer_secret(request.headers.get("Authorization"))
    key = keys.find_by_secret(session, digester, secret) if secret else None
    if key is None:
        raise InvalidApiKey(field="Authorization")
    if key.state is KeyState.PENDING and key.user.active:
        raise KeyPendingApproval
    if not keys.is_active(key):
        raise InvalidApiKey(field="Authorization")
    require_usable(key, ip=caller_ip())
    return KeyHolder(key, key.user)


def bearer_secret(header: str | None) -> str | None:
    """What stands behind ``Bearer``, in any case; "" for a header that holds anything else."""
    if header is None:
        return None
    scheme, _, secret = header.strip().partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""
