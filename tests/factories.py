"""Small factories: each adds what is asked for and flushes; the caller commits.

Tests use them over a session of their own (the `session` fixture) or the app's.
"""

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.core import clock, ids
from app.core.crypto import Digester, Sealer, random_token
from app.core.database import in_session
from app.domain.accounts.key_secrets import make_secret
from app.domain.accounts.models import (
    ApiKey,
    InviterState,
    KeyCap,
    KeyOrigin,
    KeyScope,
    KeyState,
    Role,
    User,
)
from app.domain.billing import ledger
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import AccountKind, TransferKind
from app.domain.channels.models import LimitField, StreamUsage
from app.domain.channels.offers import PriceHistory, Route
from app.domain.partners.models import Partner, PartnerNetwork, PartnerSecret

_numbers = itertools.count(1)


def make_user(
    session: Session,
    *,
    email: str | None = None,
    claimed: bool = True,
    active: bool = True,
    inviter: User | Partner | None = None,
    inviter_state: InviterState | None = None,
    roles: Sequence[str] = (),
    **columns: Any,
) -> User:
    """A user with an empty wallet; `inviter` is recorded as provisional unless a state is given."""
    email = email or f"person{next(_numbers)}@example.com"
    inviter_id = None if inviter is None else _user_id(inviter)
    now = clock.now()
    user = User(
        **{
            "email": email,
            "nickname": email.partition("@")[0][:64],
            "active": active,
            "created_at": now,
            "claimed_at": now if claimed else None,
            "confirmed_at": now if claimed else None,
            "inviter_id": inviter_id,
            "inviter_state": inviter_state
            or (InviterState.NONE if inviter_id is None else InviterState.PROVISIONAL),
            "fs_uniquifier": random_token(),
            **columns,
        }
    )
    user.roles = [_role(session, name) for name in roles]
    session.add(user)
    session.flush()
    ledger.open_wallet(in_session(session), user_id=user.id)
    return user


def make_partner(
    session: Session,
    *,
    user: User | None = None,
    networks: Sequence[str] = (),
    is_active: bool = True,
    **columns: Any,
) -> Partner:
    """A partner whose calls are vouched for from `networks` (CIDR)."""
    user = user or make_user(session)
    partner = Partner(
        **{
            "user_id": user.id,
            "name": "GoodHR",
            "is_name_approved": True,
            "is_active": is_active,
            "require_signature": False,
            "created_at": clock.now(),
            **columns,
        }
    )
    session.add(partner)
    session.flush()
    session.add_all(
        PartnerNetwork(partner_id=user.id, network=network, created_at=clock.now())
        for network in networks
    )
    session.flush()
    return partner


def make_partner_secret(session: Session, sealer: Sealer, partner: Partner) -> str:
    """A live secret for signed calls, in clear."""
    secret = random_token()
    session.add(
        PartnerSecret(
            partner_id=partner.user_id, sealed_secret=sealer.seal(secret), created_at=clock.now()
        )
    )
    session.flush()
    return secret


def make_key(
    session: Session,
    digester: Digester,
    user: User,
    scope: KeyScope = KeyScope.FULL,
    *,
    name: str | None = None,
    state: KeyState = KeyState.ACTIVE,
    origin: KeyOrigin = KeyOrigin.OWNER,
    inviter: User | Partner | None = None,
    parent: ApiKey | None = None,
    cap_nanos: int | None = None,
    max_running: int | None = None,
    expires_at: datetime | None = None,
    **columns: Any,
) -> tuple[ApiKey, str]:
    """A key and its secret. A cap row is made where `cap_nanos` or `max_running` is given."""
    name = name or f"key{next(_numbers)}"
    secret = make_secret(digester)
    cap = None
    if cap_nanos is not None or max_running is not None:
        cap = KeyCap(limit_nanos=cap_nanos, max_running=max_running, running=0)
    key = ApiKey(
        **{
            "user_id": user.id,
            "name": name,
            "folded_name": name.lower(),
            "digest": secret.digest,
            "prefix": secret.prefix,
            "tail_digest": secret.tail_digest,
            "tail_tries": 0,
            "scope": scope,
            "state": state,
            "origin": origin,
            "inviter_id": None if inviter is None else _user_id(inviter),
            "parent_id": None if parent is None else parent.id,
            "cap": cap if cap is not None else (parent.cap if parent is not None else None),
            "expires_at": expires_at,
            "created_at": clock.now(),
            **columns,
        }
    )
    session.add(key)
    session.flush()
    return key, secret.text


def credit(
    session: Session, user_id: int, amount_nanos: int, bucket: Bucket | str = Bucket.PAID
) -> None:
    """Put money into a wallet through the ledger."""
    moved = ledger.credit(
        in_session(session),
        Movement(
            user_id=user_id,
            bucket=Bucket(bucket),
            amount_nanos=amount_nanos,
            counterpart=AccountKind.OPERATOR_CREDITS,
            kind=TransferKind.OPERATOR_CREDIT,
            reference=f"test-credit:{ids.mint()}",
            actor="system",
            reason="factory",
        ),
    )
    assert moved


def _user_id(inviter: User | Partner) -> int:
    return inviter.user_id if isinstance(inviter, Partner) else inviter.id


def _role(session: Session, name: str) -> Role:
    role = session.query(Role).filter_by(name=name).one_or_none()
    if role is None:
        role = Role(name=name)
        session.add(role)
    return role


def make_route(channel_id: int = 1, **facts: Any) -> Route:
    """A way to a model with the facts of a plain provider, none behind it."""
    plain: dict[str, Any] = {
        "channel_name": f"channel{channel_id}",
        "base_url": "https://provider.example/v1",
        "api_key": "sk-test",
        "allow_private": False,
        "priority": 0,
        "weight": 1,
        "upstream_name": "talk",
        "limit_field": LimitField.MAX_TOKENS,
        "limit_includes_reasoning": True,
        "enforces_limit": True,
        "stream_usage": StreamUsage.ASK,
        "cancel_stops_billing": False,
        "cut_member": None,
        "base64_embeddings": True,
        "knows_service_tier": False,
        "knows_safety_identifier": False,
        "retry_after_timeout": False,
        "costs": PriceHistory.of([]),
    }
    return Route(channel_id=channel_id, **{**plain, **facts})
