"""The owner's yes to a key that a partner made: from then on it may spend paid money.

A secret that went to an anonymous caller is never promoted by a tick: the owner types its last six
characters, as the product that uses it shows them, or replaces it. A stranger who made a key for
somebody else's mailbox holds a secret that no product of the owner's shows.
"""

from enum import StrEnum

from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Digester, matches
from app.domain.accounts import keys, users
from app.domain.accounts.errors import KeyNotWaiting
from app.domain.accounts.key_secrets import tail_digest
from app.domain.accounts.keys import IssuedKey
from app.domain.accounts.models import (
    ApiKey,
    CapPeriod,
    KeyCap,
    KeyOrigin,
    KeyScope,
    KeyState,
    User,
)
from app.domain.audit import trail
from app.domain.audit.actions import AuditAction

TAIL_TRIES_MAX = 5


class Approval(StrEnum):
    """What became of a try. The last two are no errors: their count must be committed."""

    APPROVED = "approved"
    WRONG_TAIL = "wrong_tail"
    REPLACE_ONLY = "replace_only"


def is_waiting(key: ApiKey) -> bool:
    """Whether the key may be approved: pending, or an earlier key that is still trial-only."""
    if key.state is KeyState.PENDING:
        return True
    return key.state is KeyState.ACTIVE and key.scope is KeyScope.TRIAL


def needs_tail(key: ApiKey) -> bool:
    """Whether a tick is not enough, because the secret went to an anonymous caller."""
    return key.origin is KeyOrigin.ANONYMOUS


def approve(
    session: Session,
    digester: Digester,
    *,
    owner: User,
    key_id: int,
    last_six: str | None,
    cap_nanos: int | None,
) -> Approval:
    """Let the key spend paid money, at most `cap_nanos` a month (None: no cap).

    Commit whatever the outcome: a wrong try counts. Raises KeyNotFound, KeyNotWaiting.
    """
    key = _waiting_key(session, owner=owner, key_id=key_id)
    if needs_tail(key):
        if key.tail_tries >= TAIL_TRIES_MAX:
            return Approval.REPLACE_ONLY
        if not _is_tail(digester, key, last_six or ""):
            key.tail_tries += 1
            spent = key.tail_tries >= TAIL_TRIES_MAX
            return Approval.REPLACE_ONLY if spent else Approval.WRONG_TAIL
    _promote(session, key, owner=owner, cap_nanos=cap_nanos)
    return Approval.APPROVED


def approve_by_replacing(
    session: Session, digester: Digester, *, owner: User, key_id: int, cap_nanos: int | None
) -> IssuedKey:
    """Approve under a new secret, to be shown once. Raises KeyNotFound, KeyNotWaiting."""
    key = _waiting_key(session, owner=owner, key_id=key_id)
    issued = keys.replace_secret(
        session, digester, key=key, origin=KeyOrigin.OWNER, actor=owner.email
    )
    _promote(session, key, owner=owner, cap_nanos=cap_nanos)
    return issued


def _waiting_key(session: Session, *, owner: User, key_id: int) -> ApiKey:
    if not users.lock(session, owner.id).is_claimed:
        raise KeyNotWaiting("Claim the account first.")
    key = keys.get(session, user_id=owner.id, key_id=key_id)
    if not is_waiting(key):
        raise KeyNotWaiting
    return key


def _is_tail(digester: Digester, key: ApiKey, tail: str) -> bool:
    typed = tail_digest(digester, key_digest=key.digest, tail=tail.strip())
    return matches(typed, key.tail_digest)


def _promote(session: Session, key: ApiKey, *, owner: User, cap_nanos: int | None) -> None:
    key.state = KeyState.ACTIVE
    key.scope = KeyScope.FULL
    key.settled_at = clock.now()
    _set_cap(key, cap_nanos)
    trail.record(
        session,
        actor=owner.email,
        action=AuditAction.KEY_APPROVED,
        user_id=key.user_id,
        details={"key_id": key.id, "name": key.name, "cap_nanos": cap_nanos},
    )


def _set_cap(key: ApiKey, cap_nanos: int | None) -> None:
    """The cap that the owner chose; what else bounds the key already stays."""
    if key.cap is None and cap_nanos is None:
        return
    key.cap = key.cap or KeyCap(running=0)
    key.cap.limit_nanos = cap_nanos
    key.cap.period = CapPeriod.MONTH
