"""The demonstration: a partner (id 10001), an admin, a user with money and a key, the sandbox.

Made on a development instance's first start, made again by `flask demo`, ended by `flask demo
remove`. What only it knows in clear (two passwords, one key) stands in the instance folder.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask_security.utils import hash_password, verify_password
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock, ids
from app.core.crypto import random_token
from app.core.database import in_session
from app.core.errors import Conflict
from app.domain.accounts import keys, roles, users
from app.domain.accounts.models import InviterState, KeyOrigin, KeyScope, User
from app.domain.accounts.roles import RoleName
from app.domain.billing import ledger
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import AccountKind, TransferKind
from app.domain.catalog.kinds import SERVED_KINDS
from app.domain.catalog.models import Model
from app.domain.catalog.selling import import_starting_models
from app.domain.catalog.starting import starting_models
from app.domain.channels import buying
from app.domain.channels.models import Channel, ChannelModel
from app.domain.partners import membership, networks
from app.domain.partners.models import Partner
from app.domain.partners.opening import open_account
from app.services import Services

ACTOR = "system"
CHANNEL = "demonstration"
PARTNER_EMAIL = "partner@example.org"
ADMIN_EMAIL = "admin@example.org"
USER_EMAIL = "demo@example.org"
KEY_NAME = "demo"
CREDIT_NANOS = 10_000_000_000
UNKNOWN_SANDBOX = "http://127.0.0.1:9/v1"
"""The channel's address until the sandbox runs: nothing listens on the discard port."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What a newcomer needs to try everything."""

    admin_email: str
    admin_password: str
    user_email: str
    user_password: str
    inviter_id: int
    api_key: str


class DemonstrationRefused(Conflict):
    number = 20
    reason = "demonstration_refused"
    message = "The demonstration exists only outside of production."


def make(session: Session, services: Services) -> Demonstration:
    """Make what is missing of the demonstration; the caller commits. Raises in production."""
    if services.boot["APP_ENV"] == "production":
        raise DemonstrationRefused
    kept = _read(services)
    partner = _account(session, PARTNER_EMAIL)
    if session.get(Partner, partner.id) is None:
        membership.make_partner(
            session, user=partner, name="GoodHR (demo)", language=None, actor=ACTOR
        )
    let_invite(session, partner, is_active=True)
    for network in networks.LOOPBACK:
        networks.add(session, partner_id=partner.id, network=network, actor=ACTOR)
    admin, user = _account(session, ADMIN_EMAIL), _account(session, USER_EMAIL)
    roles.give(session, user=admin, role=RoleName.ADMIN, actor=ACTOR)
    passwords = {who.email: _password(who, kept) for who in (admin, user)}
    key = _key(session, services, user, kept)
    _credit(session, user)
    import_starting_models(session, author="demonstration")
    _serve_all(session, services)
    made = Demonstration(
        admin_email=admin.email,
        admin_password=passwords[admin.email],
        user_email=user.email,
        user_password=passwords[user.email],
        inviter_id=partner.id,
        api_key=key,
    )
    _write(services, made)
    return made


def is_there(session: Session) -> bool:
    """Whether the demonstration runs here: then the sandbox must run as well."""
    enabled = select(Channel.id).where(Channel.name == CHANNEL, Channel.is_enabled)
    return session.scalar(enabled) is not None


def has_active_partner(session: Session) -> bool:
    """Whether its partner may still invite. It vouches for every call from the machine itself."""
    active = (
        select(Partner.user_id)
        .join(User, User.id == Partner.user_id)
        .where(User.email == PARTNER_EMAIL, Partner.is_active)
    )
    return session.scalar(active) is not None


def follow_sandbox(session: Session, base_url: str) -> None:
    """Let the demonstration's channel point at the sandbox, which has a new port at each start."""
    channel = buying.find_channel(session, CHANNEL)
    buying.set_base_url(session, channel=channel, base_url=base_url)


def open_claimed(session: Session, *, email: str, password: str) -> User:
    """Open an account that needs no mail to be claimed, because the operator makes it."""
    user, _ = open_account(
        session,
        email=email,
        inviter_id=None,
        inviter_state=InviterState.NONE,
        language=None,
        actor=ACTOR,
    )
    user.claimed_at = user.claimed_at or clock.now()
    user.confirmed_at = user.confirmed_at or clock.now()
    user.password = hash_password(password)
    return user


def _account(session: Session, email: str) -> User:
    user = session.scalar(select(User).where(User.email == email))
    if user is None or user.claimed_at is None:
        user = open_claimed(session, email=email, password=random_token(18))
    users.enable(session, user=user, actor=ACTOR)
    return user


def let_invite(session: Session, user: User, *, is_active: bool) -> None:
    if membership.get(session, user.id).is_active is not is_active:
        membership.change(session, partner_id=user.id, actor=ACTOR, is_active=is_active)


def _password(user: User, kept: Mapping[str, Any]) -> str:
    """The password that was shown before, else a new one; it opens the account in any case.

    The database may be younger than what the instance folder keeps.
    """
    password: str = kept.get(user.email) or random_token(12)
    if user.password is None or not verify_password(password, user.password):
        user.password = hash_password(password)
    return password


def _key(session: Session, services: Services, user: User, kept: Mapping[str, Any]) -> str:
    """The secret that was shown before while its key lives, else a new key."""
    secret: str | None = kept.get("api_key")
    if secret is not None:
        found = keys.find_by_secret(session, services.digester, secret)
        if found is not None and keys.is_live(found):
            return secret
    name = KEY_NAME
    if keys.find_by_name(session, user_id=user.id, name=name) is not None:
        name = f"{KEY_NAME}-{ids.mint() % 100_000}"
    new = keys.NewKey(name=name, scope=KeyScope.FULL, origin=KeyOrigin.OPERATOR)
    return keys.issue(session, services.digester, user=user, new=new, actor=ACTOR).secret


def _credit(session: Session, user: User) -> None:
    """Fill the wallet up, where it is empty."""
    execute = in_session(session)
    if ledger.balances(execute, user_id=user.id).paid_balance:
        return
    ledger.credit(
        execute,
        Movement(
            user_id=user.id,
            bucket=Bucket.PAID,
            amount_nanos=CREDIT_NANOS,
            counterpart=AccountKind.OPERATOR_CREDITS,
            kind=TransferKind.OPERATOR_CREDIT,
            reference=f"demonstration:{ids.mint()}",
            actor=ACTOR,
            reason="money to try with",
        ),
    )


def _serve_all(session: Session, services: Services) -> None:
    """A channel that serves the whole starting catalogue through the sandbox."""
    channel = session.scalar(select(Channel).where(Channel.name == CHANNEL))
    unserved = _unserved(session, channel)
    if channel is None:
        new = buying.NewChannel(
            name=CHANNEL,
            base_url=UNKNOWN_SANDBOX,
            api_key="sandbox",
            models={name: name for name in unserved},
            allow_private=True,
        )
        buying.add_channel(session, new, sealer=services.sealer)
        return
    for name in unserved:
        buying.serve_model(session, channel=channel, sold=name, upstream=name)
    if unserved or not channel.is_enabled:
        buying.set_enabled(session, channel=channel, is_enabled=True)


def _unserved(session: Session, channel: Channel | None) -> list[str]:
    """The models of the starting catalogue, as far as they are sold, that the channel lacks."""
    wanted = select(Model.name).where(
        Model.is_published,
        Model.kind.in_(SERVED_KINDS),
        Model.name.in_([new.name for new in starting_models()]),
    )
    if channel is not None:
        served = select(ChannelModel.model_id).where(ChannelModel.channel_id == channel.id)
        wanted = wanted.where(Model.id.not_in(served))
    return list(session.scalars(wanted.order_by(Model.name)))


def secrets_file(services: Services) -> Path:
    return Path(services.boot["INSTANCE_PATH"]) / "demonstration.json"


def _read(services: Services) -> dict[str, Any]:
    try:
        kept = json.loads(secrets_file(services).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _write(services: Services, made: Demonstration) -> None:
    kept = {
        made.admin_email: made.admin_password,
        made.user_email: made.user_password,
        "api_key": made.api_key,
    }
    path = secrets_file(services)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(kept, file, indent=1)
