"""What a key may do: its limits read, changed by its owner or the operator, tightened by itself.

Limits belong to a family: the key that was made first and every key made by presenting it share
one row (`KeyCap`), and their expiry moves together. So only the first key's limits are changed. A
running process believes what it read of a key for less than a second (``gateway/authentication``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.client_ip import IpAddress, parse_networks
from app.core.moments import show_moment
from app.core.money import format_usd
from app.domain.accounts import users
from app.domain.accounts.errors import (
    IpNotAllowed,
    KeyExpired,
    KeyNotChangeable,
    LimitsOfFirstKey,
    LimitsOnlyNarrow,
    UnknownLimit,
)
from app.domain.accounts.limit_values import ROWS, may_replace, read_value
from app.domain.accounts.models import ApiKey, CapPeriod, KeyCap, KeyState
from app.domain.audit import trail
from app.domain.audit.actions import AuditAction


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """None stands for no bound. `cap_nanos` is what the family may spend in one `period` (UTC);
    `models` and `networks` (CIDR) are the only ones that it may call, and call from."""

    cap_nanos: int | None = None
    period: CapPeriod = CapPeriod.MONTH
    max_running: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    models: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None
    expires_at: datetime | None = None


def limits_of(key: ApiKey) -> KeyLimits:
    """The limits in force for this key, its family's."""
    cap = key.cap
    if cap is None:
        return KeyLimits(expires_at=key.expires_at)
    return KeyLimits(
        cap_nanos=cap.limit_nanos,
        period=cap.period,
        max_running=cap.max_running,
        requests_per_minute=cap.requests_per_minute,
        tokens_per_minute=cap.tokens_per_minute,
        models=None if cap.models is None else tuple(cap.models),
        networks=None if cap.networks is None else tuple(cap.networks),
        expires_at=key.expires_at,
    )


UNBOUNDED = KeyLimits()
NAMES = frozenset(row.name for row in ROWS)


def read_limits(changes: Mapping[str, Any], *, old: KeyLimits = UNBOUNDED) -> KeyLimits:
    """`old` with these of its members replaced, every value judged.

    Raises UnknownLimit, InvalidLimit.
    """
    unknown = sorted(set(changes) - NAMES)
    if unknown:
        raise UnknownLimit(f"There is no limit called {unknown[0]}.", field=unknown[0])
    rows = [row for row in ROWS if row.name in changes]
    return replace(old, **{row.name: read_value(row, changes[row.name]) for row in rows})


def cap_of(limits: KeyLimits) -> KeyCap | None:
    """A row for a new key, its expiry aside; None where nothing is bounded."""
    if replace(limits, expires_at=None) == UNBOUNDED:
        return None
    return _write(KeyCap(running=0), limits)


def change_limits(
    session: Session, *, key: ApiKey, changes: Mapping[str, Any], actor: str
) -> KeyLimits:
    """Replace the limits named in `changes` (members of `KeyLimits`; None lifts one).

    For the owner and the operator. Another period starts counting anew. Raises UnknownLimit,
    InvalidLimit, LimitsOfFirstKey for a child, KeyNotChangeable for an expired or ended key.
    """
    old = _behind_lock(session, key)
    return _store(session, key, old=old, new=read_limits(changes, old=old), actor=actor)


def narrow_limits(
    session: Session, *, key: ApiKey, changes: Mapping[str, Any], actor: str
) -> KeyLimits:
    """`change_limits` for whoever holds the secret: it tightens and never widens.

    Raises LimitsOnlyNarrow besides. A cap may fall below what was spent.
    """
    old = _behind_lock(session, key)
    new = read_limits(changes, old=old)
    _require_narrower(old, new)
    return _store(session, key, old=old, new=new, actor=actor)


def plain(limits: KeyLimits) -> dict[str, Any]:
    """The limits as JSON shows them, by the rows' shown names: dollars as text, ISO 8601."""
    cap_nanos, expires_at = limits.cap_nanos, limits.expires_at
    return {
        "cap_usd": None if cap_nanos is None else format_usd(cap_nanos),
        "cap_period": limits.period.value,
        "max_running": limits.max_running,
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "models": None if limits.models is None else list(limits.models),
        "networks": None if limits.networks is None else list(limits.networks),
        "expires_at": None if expires_at is None else show_moment(expires_at),
    }


def require_usable(key: ApiKey, *, ip: IpAddress) -> None:
    """Refuse a key that is past its time or presented from elsewhere. Raises KeyExpired,
    IpNotAllowed."""
    if is_expired(key):
        raise KeyExpired
    networks = None if key.cap is None else key.cap.networks
    if networks is not None and not any(ip in each for each in parse_networks(networks)):
        raise IpNotAllowed


def is_expired(key: ApiKey) -> bool:
    return key.expires_at is not None and key.expires_at <= clock.now()


def _behind_lock(session: Session, key: ApiKey) -> KeyLimits:
    """The limits as they are behind the user's lock, of a key whose limits may be changed."""
    users.lock(session, key.user_id)
    session.refresh(key)
    if key.cap is not None:
        session.refresh(key.cap)
    if key.state not in (KeyState.ACTIVE, KeyState.PENDING) or is_expired(key):
        raise KeyNotChangeable
    if key.parent_id is not None:
        first = _first_of_family(session, key)
        raise LimitsOfFirstKey(
            f"This key shares the limits of key {first.id}, by which it was made: change them "
            "there.",
            facts={"first_key_id": first.id},
        )
    return limits_of(key)


def _first_of_family(session: Session, key: ApiKey) -> ApiKey:
    while key.parent_id is not None:
        key = session.get_one(ApiKey, key.parent_id)
    return key


def _require_narrower(old: KeyLimits, new: KeyLimits) -> None:
    present = plain(old)
    for row in ROWS:
        if row.name == "period" and old.cap_nanos is None and new.cap_nanos is not None:
            continue  # chosen with the cap that it counts for; alone it would wait for the owner's
        if not may_replace(row, new=getattr(new, row.name), old=getattr(old, row.name)):
            value = present[row.shown]
            raise LimitsOnlyNarrow(
                f"A key may only tighten its own limits; {row.shown} is {value} now. Its owner "
                "may change it.",
                field=row.shown,
                facts={"present": value},
            )


def _store(
    session: Session, key: ApiKey, *, old: KeyLimits, new: KeyLimits, actor: str
) -> KeyLimits:
    if new == old:
        return old
    if replace(new, expires_at=old.expires_at) != old:
        cap = _write(key.cap or KeyCap(running=0), new)
        for member in _family(session, key):
            member.cap = cap
    if new.expires_at != old.expires_at:
        for member in _family(session, key):
            member.expires_at = new.expires_at
    session.flush()
    _record(session, key, old=plain(old), new=plain(new), actor=actor)
    return new


def _write(cap: KeyCap, limits: KeyLimits) -> KeyCap:
    cap.limit_nanos = limits.cap_nanos
    cap.period = limits.period
    cap.max_running = limits.max_running
    cap.requests_per_minute = limits.requests_per_minute
    cap.tokens_per_minute = limits.tokens_per_minute
    cap.models = None if limits.models is None else list(limits.models)
    cap.networks = None if limits.networks is None else list(limits.networks)
    return cap


def _family(session: Session, first: ApiKey) -> Iterator[ApiKey]:
    """The key and all that descend from it."""
    waiting = [first]
    while waiting:
        member = waiting.pop()
        yield member
        waiting.extend(session.scalars(select(ApiKey).where(ApiKey.parent_id == member.id)))


def _record(
    session: Session, key: ApiKey, *, old: dict[str, Any], new: dict[str, Any], actor: str
) -> None:
    changed = [name for name in old if old[name] != new[name]]
    details = {
        "key_id": key.id,
        "name": key.name,
        "old": {name: old[name] for name in changed},
        "new": {name: new[name] for name in changed},
    }
    trail.record(
        session,
        actor=actor,
        action=AuditAction.KEY_CHANGED,
        user_id=key.user_id,
        details=details,
    )
