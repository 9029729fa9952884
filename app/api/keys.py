"""``/api/user/keys/current``: the presenting key, its limits, and what is left within them."""

from collections.abc import Callable
from typing import Any

from flask import Response, request
from pydantic import BaseModel, ConfigDict

from app.api import bodies, envelope
from app.api.authentication import authenticate
from app.api.rates import require_rate
from app.callers import rate_limiter
from app.core.database import db
from app.core.errors import AppError
from app.core.moments import parse_end, show_moment
from app.core.money import format_usd, parse_usd
from app.core.ratelimit import Quota
from app.domain.accounts.key_rates import request_quota, token_quota
from app.domain.accounts.limit_values import ROWS
from app.domain.accounts.limits import KeyLimits, limits_of, narrow_limits, plain
from app.domain.accounts.models import ApiKey
from app.domain.billing.spending import Cap, look_spending
from app.services import services

BODY_LIMIT_BYTES = 64 * 1024

# Each change is a line in the account's history, for ever.
CHANGES_PER_MINUTE = 30


class LimitChanges(BaseModel):
    """What to tighten; a member that is left out stays as it is. Types are exact."""

    model_config = ConfigDict(strict=True, extra="forbid")

    cap_usd: str | None = None
    cap_period: str | None = None
    max_running: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    models: list[str] | None = None
    networks: list[str] | None = None
    expires_at: str | None = None


def show_current_key() -> Response:
    """Who this key is, what it may do, and what it has left. Its secret is nowhere."""
    holder = authenticate(db.session(), services().digester)
    return envelope.success(_shown(holder.key))


def narrow_current_key() -> Response:
    """Tighten the key's own limits, for ever: only its owner and the operator can loosen them.

    A thief of the key gains nothing here: no limit goes up and no money moves. He can make the key
    useless, by a cap of 0 or a network of his own, which stops his spending as well, leaves a line
    in the account's history, and is undone by the owner. Keys made by presenting this one follow
    it; such a key cannot change the family's limits itself.
    """
    session = db.session()
    holder = authenticate(session, services().digester)
    require_rate(Quota("narrow-key", str(holder.key.id), CHANGES_PER_MINUTE))
    raw = bodies.read_raw(request.environ, limit_bytes=BODY_LIMIT_BYTES)
    changes = _read_changes(bodies.parse(raw, LimitChanges))
    try:
        narrow_limits(session, key=holder.key, changes=changes, actor=f"key:{holder.key.id}")
        session.commit()
    except AppError:
        session.rollback()
        raise
    return envelope.success(_shown(holder.key))


def _read_changes(body: LimitChanges) -> dict[str, Any]:
    """By the names of `KeyLimits`, whose rule judges the values. A day counts in full."""
    sent = body.model_dump(exclude_unset=True)
    if sent.get("cap_usd") is not None:
        sent["cap_usd"] = parse_usd(sent["cap_usd"], field="cap_usd")
    if sent.get("expires_at") is not None:
        sent["expires_at"] = parse_end(sent["expires_at"], field="expires_at")
    return {row.name: sent[row.shown] for row in ROWS if row.shown in sent}


def _shown(key: ApiKey) -> dict[str, Any]:
    limits = limits_of(key)
    spending = look_spending(db.session(), user_id=key.user_id, scope=key.scope, cap_id=key.cap_id)
    expires_at = None if key.expires_at is None else show_moment(key.expires_at)
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scope": key.scope.value,
        "state": key.state.value,
        "created_at": show_moment(key.created_at),
        "expires_at": expires_at,
        "parent_id": key.parent_id,
        "limits": {**plain(limits), "expires_at": expires_at},
        "cap": None if spending.cap is None else _shown_cap(spending.cap),
        "rates": _shown_rates(key, limits),
        "available_usd": format_usd(spending.available_nanos),
    }


def _shown_cap(cap: Cap) -> dict[str, Any]:
    counted = cap.counted
    return {
        "period": counted.name,
        "limit_usd": format_usd(cap.limit_nanos),
        "spent_usd": format_usd(counted.spent_nanos),
        "held_usd": format_usd(counted.held_nanos),
        "left_usd": format_usd(cap.left_nanos),
        "starts_anew_at": show_moment(counted.ends_at),
    }


def _shown_rates(key: ApiKey, limits: KeyLimits) -> dict[str, Any]:
    """What remains in the present minute."""
    return {
        "requests": _shown_rate(request_quota, key, limits.requests_per_minute),
        "tokens": _shown_rate(token_quota, key, limits.tokens_per_minute),
    }


def _shown_rate(
    quota: Callable[[int | None, int], Quota], key: ApiKey, amount: int | None
) -> dict[str, int] | None:
    if amount is None:
        return None
    taken = rate_limiter().peek(quota(key.cap_id, amount))
    return {"limit": amount, "remaining": taken.remaining, "reset_s": taken.reset_s}
