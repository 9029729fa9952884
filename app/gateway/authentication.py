"""Who calls: a key's secret becomes a frozen `Caller`, kept for less than a second.

A revoked key stops working within a second in every process, because no process believes what it
read for longer than `TRUST_S`.
"""

import threading
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.client_ip import IpNetwork, client_ip, parse_networks
from app.core.crypto import Digester
from app.core.errors import AppError
from app.domain.accounts.errors import (
    InvalidApiKey,
    IpNotAllowed,
    KeyExpired,
    KeyPendingApproval,
)
from app.domain.accounts.key_secrets import secret_digest
from app.domain.accounts.models import ApiKey, KeyCap, KeyScope, KeyState, User
from app.gateway.errors import (
    AccountDisabled,
    ConflictingCredentials,
)
from app.gateway.inbound import Inbound

TRUST_S = 0.8
RENEW_S = 0.4
KEPT_MAX = 20_000
SECRET_LENGTH_MAX = 256


@dataclass(frozen=True, slots=True)
class Caller:
    """An active key and its user, as they were less than a second ago.

    What bounds the key it shares with its family: everything of `cap_id`. None is no bound.
    """

    key_id: int
    user_id: int
    scope: KeyScope
    cap_id: int | None
    max_running: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    models: frozenset[str] | None = None
    networks: tuple[IpNetwork, ...] | None = None

    def may_use(self, model_name: str) -> bool:
        return self.models is None or model_name in self.models


@dataclass(slots=True)
class _Kept:
    found: "Caller | AppError"
    read_s: float
    is_renewed: bool = False

    def is_good(self, now_s: float) -> bool:
        """Whether to believe it. Of many threads one renews it early, the rest need not wait."""
        age_s = now_s - self.read_s
        if age_s < RENEW_S or (age_s < TRUST_S and self.is_renewed):
            return True
        self.is_renewed = True
        return False


class Keys:
    """The process's short memory of keys by digest."""

    def __init__(
        self,
        engine: Engine,
        *,
        digester: Digester,
        trusted_proxies: tuple[IpNetwork, ...] = (),
    ) -> None:
        self._engine = engine
        self._digester = digester
        self._trusted_proxies = trusted_proxies
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def authenticate(self, inbound: Inbound) -> Caller:
        """The caller of this request. Raises 401, 403, or 400 for two different credentials."""
        digest = secret_digest(self._digester, _secret(inbound))
        now_s = clock.monotonic()
        kept = self._kept.get(digest)
        if kept is None or not kept.is_good(now_s):
            kept = self._look_up(digest, now_s)
        if isinstance(kept.found, AppError):
            raise type(kept.found)(kept.found.message)
        inbound.facts.update(user_id=kept.found.user_id, key_id=kept.found.key_id)
        if kept.found.networks is not None:
            self._refuse_other_networks(kept.found.networks, inbound)
        return kept.found

    def _refuse_other_networks(self, networks: tuple[IpNetwork, ...], inbound: Inbound) -> None:
        ip = client_ip(inbound.environ, self._trusted_proxies)
        if not any(ip in network for network in networks):
            raise IpNotAllowed

    def _look_up(self, digest: str, now_s: float) -> _Kept:
        with Session(self._engine) as session:
            kept = _Kept(_read(session, digest), now_s)
        with self._lock:
            if isinstance(kept.found, InvalidApiKey):
                self._kept.pop(digest, None)  # not worth a place: anyone can invent secrets
                return kept
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[digest] = kept
        return kept


def _secret(inbound: Inbound) -> str:
    sent = inbound.header("HTTP_AUTHORIZATION")
    secrets = set()
    if sent is not None:
        scheme, _, secret = sent.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidApiKey
        secrets.add(secret.strip())
    for name in ("HTTP_X_API_KEY", "HTTP_API_KEY"):
        other = inbound.header(name)
        if other is not None:
            secrets.add(other.strip())
    if len(secrets) > 1:
        raise ConflictingCredentials
    if sent is None or not (secret := secrets.pop()) or len(secret) > SECRET_LENGTH_MAX:
        raise InvalidApiKey
    return secret


def _read(session: Session, digest: str) -> Caller | AppError:
    row = session.execute(
        select(
            ApiKey.id,
            ApiKey.user_id,
            ApiKey.scope,
            ApiKey.state,
            ApiKey.cap_id,
            ApiKey.expires_at,
            User.active,
            KeyCap.max_running,
            KeyCap.requests_per_minute,
            KeyCap.tokens_per_minute,
            KeyCap.models,
            KeyCap.networks,
        )
        .join(User, User.id == ApiKey.user_id)
        .outerjoin(KeyCap, KeyCap.id == ApiKey.cap_id)
        .where(ApiKey.digest == digest)
    ).first()
    if row is None or row.state in (KeyState.REVOKED, KeyState.REFUSED):
        return InvalidApiKey()
    if not row.active:
        return AccountDisabled()
    if row.state is KeyState.PENDING:
        return KeyPendingApproval()
    if _is_past(row.expires_at):
        return KeyExpired()
    return Caller(
        key_id=row.id,
        user_id=row.user_id,
        scope=row.scope,
        cap_id=row.cap_id,
        max_running=row.max_running,
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
        models=None if row.models is None else frozenset(row.models),
        networks=None if row.networks is None else parse_networks(row.networks),
    )


def _is_past(moment: datetime | None) -> bool:
    return moment is not None and moment <= clock.now()
