"""Keys: made, found, given a new secret, refused, revoked.

A key is *trial* (spends the trial bucket), *full*, or *pending* (spends nothing until its owner
approves it, and is gone after some days). Whoever makes one holds the user's lock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session, joinedload

from app.core import clock
from app.core.crypto import Digester
from app.domain.accounts import users
from app.domain.accounts.errors import (
    InvalidApiKey,
    KeyNameTaken,
    KeyNotFound,
    KeyNotWaiting,
)
from app.domain.accounts.key_names import fold_key_name
from app.domain.accounts.key_secrets import make_secret, secret_digest
from app.domain.accounts.limits import UNBOUNDED, KeyLimits, cap_of, is_expired
from app.domain.accounts.models import ApiKey, KeyOrigin, KeyScope, KeyState, User
from app.domain.audit import trail
from app.domain.audit.actions import AuditAction


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is asked for. A child of `parent` shares its limits and is revoked with it."""

    name: str
    scope: KeyScope
    origin: KeyOrigin
    state: KeyState = KeyState.ACTIVE
    inviter_id: int | None = None
    parent: ApiKey | None = None
    limits: KeyLimits = UNBOUNDED


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key with its secret in clear, which exists nowhere else."""

    key: ApiKey
    secret: str

    def __repr__(self) -> str:
        return f"IssuedKey({self.key.prefix}…)"


def issue(
    session: Session, digester: Digester, *, user: User, new: NewKey, actor: str
) -> IssuedKey:
    """Make a key under a normalised name. Raises KeyNameTaken; InvalidApiKey for a dead parent."""
    users.lock(session, user.id)
    if new.parent is not None:
        _require_live(session, new.parent)
    if find_by_name(session, user_id=user.id, name=new.name) is not None:
        raise KeyNameTaken(field="key_name")
    secret = make_secret(digester)
    parent = new.parent
    key = ApiKey(
        user_id=user.id,
        name=new.name,
        folded_name=fold_key_name(new.name),
        digest=secret.digest,
        prefix=secret.prefix,
        tail_digest=secret.tail_digest,
        tail_tries=0,
        scope=new.scope,
        state=new.state,
        origin=new.origin,
        inviter_id=new.inviter_id,
        parent_id=parent.id if parent else None,
        cap=parent.cap if parent else cap_of(new.limits),
        expires_at=parent.expires_at if parent else new.limits.expires_at,
        created_at=clock.now(),
    )
    session.add(key)
    session.flush()
    is_pending = new.state is KeyState.PENDING
    _record(session, key, actor, AuditAction.KEY_ASKED_FOR if is_pending else AuditAction.KEY_MADE)
    return IssuedKey(key, secret.text)


def find_by_secret(session: Session, digester: Digester, secret: str) -> ApiKey | None:
    """The key of this secret in any state, its user and limits loaded; see `is_live`."""
    found = select(ApiKey).where(ApiKey.digest == secret_digest(digester, secret))
    return session.scalar(found.options(joinedload(ApiKey.user), joinedload(ApiKey.cap)))


def find_by_name(session: Session, *, user_id: int, name: str) -> ApiKey | None:
    return session.scalar(
        select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.folded_name == fold_key_name(name))
    )


def get(session: Session, *, user_id: int, key_id: int) -> ApiKey:
    """A key of this user, as it is behind the user's lock.

    Raises KeyNotFound, for another user's key as well.
    """
    users.lock(session, user_id)
    found = select(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user_id)
    key = session.scalar(found.execution_options(populate_existing=True))
    if key is None:
        raise KeyNotFound
    return key


def of_user(session: Session, user_id: int) -> list[ApiKey]:
    keys = select(ApiKey).where(ApiKey.user_id == user_id).order_by(ApiKey.id)
    return list(session.scalars(keys))


def is_live(key: ApiKey) -> bool:
    """Whether the key may be presented at all: active, not expired, of an active account."""
    return is_active(key) and not is_expired(key)


def is_active(key: ApiKey) -> bool:
    """Whether key and account are active; `limits.require_usable` judges the rest."""
    return key.state is KeyState.ACTIVE and key.user.active


def count_of_inviter(
    session: Session, *, user_id: int, inviter_id: int, states: Iterable[KeyState]
) -> int:
    """How many keys in these states an inviter has on one account."""
    counted = select(func.count()).where(
        ApiKey.user_id == user_id, ApiKey.inviter_id == inviter_id, ApiKey.state.in_(states)
    )
    return session.scalar(counted) or 0


def replace_secret(
    session: Session, digester: Digester, *, key: ApiKey, origin: KeyOrigin, actor: str
) -> IssuedKey:
    """Give an active or pending key a new secret; the old one is dead. `origin`: who gets it.

    Raises KeyNotFound for a key that is refused or revoked.
    """
    if key.state not in (KeyState.ACTIVE, KeyState.PENDING):
        raise KeyNotFound("This key is revoked. Make another one.")
    secret = make_secret(digester)
    key.digest = secret.digest
    key.prefix = secret.prefix
    key.tail_digest = secret.tail_digest
    key.tail_tries = 0
    key.origin = origin
    _record(session, key, actor, AuditAction.KEY_REPLACED)
    return IssuedKey(key, secret.text)


def refuse(session: Session, *, key: ApiKey, actor: str) -> None:
    """The owner says no to a waiting key, for ever. Raises KeyNotWaiting."""
    if key.state is not KeyState.PENDING:
        raise KeyNotWaiting
    key.state = KeyState.REFUSED
    key.settled_at = clock.now()
    _record(session, key, actor, AuditAction.KEY_REFUSED)


def revoke(session: Session, *, key: ApiKey, actor: str) -> None:
    """Revoke the key and every key that was made by presenting it. Once revoked, it stays so."""
    users.lock(session, key.user_id)  # so that no child is born meanwhile
    waiting = [key]
    while waiting:
        current = waiting.pop()
        waiting.extend(_children(session, current))
        if current.state not in (KeyState.ACTIVE, KeyState.PENDING):
            continue
        current.state = KeyState.REVOKED
        current.settled_at = clock.now()
        _record(session, current, actor, AuditAction.KEY_REVOKED)


def remove_stale_pending(
    session: Session, *, older_than_days: int, user_id: int | None = None
) -> int:
    """Forget the keys that waited too long, of one user or of all; their names are free again.

    Returns how many. The sweep does all; a register call does its own account first.
    """
    stale = delete(ApiKey).where(
        ApiKey.state == KeyState.PENDING,
        ApiKey.created_at <= clock.now() - timedelta(days=older_than_days),
    )
    if user_id is not None:
        stale = stale.where(ApiKey.user_id == user_id)
    removed = session.execute(stale.execution_options(synchronize_session=False))
    assert isinstance(removed, CursorResult)
    return removed.rowcount


def _require_live(session: Session, parent: ApiKey) -> None:
    """Look again behind the user's lock: the parent may have been revoked since it was found."""
    session.refresh(parent)
    if not is_live(parent):
        raise InvalidApiKey


def _children(session: Session, key: ApiKey) -> Iterable[ApiKey]:
    return session.scalars(select(ApiKey).where(ApiKey.parent_id == key.id))


def _record(session: Session, key: ApiKey, actor: str, action: AuditAction) -> None:
    details = {"key_id": key.id, "name": key.name, "inviter_id": key.inviter_id}
    trail.record(session, actor=actor, action=action, user_id=key.user_id, details=details)
