"""Users and their keys."""

from enum import StrEnum
from typing import Any

from flask_security.core import RoleMixin, UserMixin, WebAuthnMixin
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.columns import BigId, Id, Moment, Nanos, OptionalMoment, choice
from app.core.database import Base

FIRST_USER_ID = 10001
FIRST_KEY_ID = 30001

user_roles = Table(
    "user_roles",
    Base.metadata,
    Column("user_id", BigId, ForeignKey("users.id"), primary_key=True),
    Column("role_id", BigId, ForeignKey("roles.id"), primary_key=True),
)


class InviterState(StrEnum):
    """Whether the inviter of record may earn: only `confirmed` does."""

    NONE = "none"
    PROVISIONAL = "provisional"
    CONFIRMED = "confirmed"


class KeyScope(StrEnum):
    """What a key may spend: `trial` the trial bucket alone, `full` trial first, then paid."""

    TRIAL = "trial"
    FULL = "full"


class KeyState(StrEnum):
    """`pending` waits for its owner's approval and spends nothing; the last two are final."""

    ACTIVE = "active"
    PENDING = "pending"
    REFUSED = "refused"
    REVOKED = "revoked"


class KeyOrigin(StrEnum):
    """Who asked for the key: it decides how its owner may approve it."""

    ANONYMOUS = "anonymous"
    SIGNED = "signed"
    OWNER = "owner"
    OPERATOR = "operator"


class Role(Base, RoleMixin):
    """Flask-Security's role; ``admin`` is the operator."""

    __tablename__ = "roles"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(80), unique=True)
    description: Mapped[str | None] = mapped_column(String(254))


class User(Base, UserMixin):
    """A person with a wallet. *Claimed* once the mailbox's owner has used our link.

    An unclaimed user has no credential: no password, no passkey, no mailed code.
    """

    __tablename__ = "users"
    __table_args__ = ({"info": {"first_id": FIRST_USER_ID}, "sqlite_autoincrement": True},)

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    nickname: Mapped[str] = mapped_column(String(64))
    language: Mapped[str | None] = mapped_column(String(16))
    active: Mapped[bool]
    created_at: Mapped[Moment]
    claimed_at: Mapped[OptionalMoment]
    claim_mailed_at: Mapped[OptionalMoment]
    approval_mailed_at: Mapped[OptionalMoment]
    inviter_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("users.id"))
    inviter_state: Mapped[InviterState] = mapped_column(choice(InviterState))

    # What Flask-Security keeps.
    password: Mapped[str | None] = mapped_column(String(254))
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    confirmed_at: Mapped[OptionalMoment]
    tf_primary_method: Mapped[str | None] = mapped_column(String(64))
    tf_totp_secret: Mapped[str | None] = mapped_column(String(254))
    us_totp_secrets: Mapped[str | None] = mapped_column(String(1024))
    mf_recovery_codes: Mapped[Any | None] = mapped_column(JSON)
    fs_webauthn_user_handle: Mapped[str | None] = mapped_column(  # type: ignore[assignment]
        String(64), unique=True
    )

    roles: Mapped[list[Role]] = relationship(secondary=user_roles)  # type: ignore[assignment]
    webauthn: Mapped[list["WebAuthn"]] = relationship(  # type: ignore[assignment]
        back_populates="user", cascade="all, delete-orphan"
    )

    @property
    def is_claimed(self) -> bool:
        return self.claimed_at is not None

    @property
    def is_staff(self) -> bool:
        return bool(self.roles)


class WebAuthn(Base, WebAuthnMixin):
    """A passkey, as Flask-Security keeps it."""

    __tablename__ = "webauthn"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1024), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int]
    transports: Mapped[Any | None] = mapped_column(JSON)
    backup_state: Mapped[bool]
    device_type: Mapped[str] = mapped_column(String(64))
    extensions: Mapped[str | None] = mapped_column(String(254))
    create_datetime: Mapped[Moment]
    lastuse_datetime: Mapped[Moment]
    name: Mapped[str] = mapped_column(String(64))
    usage: Mapped[str] = mapped_column(String(64))

    user: Mapped[User] = relationship(back_populates="webauthn")

    def get_user_mapping(self) -> dict[str, Any]:
        return {"id": self.user_id}


class CapPeriod(StrEnum):
    """How often a spend cap starts anew: at midnight, on Mondays, on the first (all UTC)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class KeyCap(Base):
    """What a key may do, shared with every key that was made by presenting it; None: no bound.

    A spend cap a `period`, a bound on running calls, rate limits, and lists: `models` are the only
    ones it may call, `networks` (CIDR) the only ones it may call from. `running` and the periods
    are written by the ledger alone, in the reserve and the settlement.
    """

    __tablename__ = "key_caps"
    __table_args__ = (
        CheckConstraint("limit_nanos >= 0", name="limit_not_negative"),
        CheckConstraint("running >= 0", name="running_not_negative"),
        CheckConstraint("requests_per_minute > 0", name="requests_positive"),
        CheckConstraint("tokens_per_minute > 0", name="tokens_positive"),
    )

    id: Mapped[Id]
    limit_nanos: Mapped[int | None] = mapped_column(BigInteger)
    period: Mapped[CapPeriod] = mapped_column(choice(CapPeriod), default=CapPeriod.MONTH)
    max_running: Mapped[int | None]
    running: Mapped[int] = mapped_column(default=0)
    requests_per_minute: Mapped[int | None]
    tokens_per_minute: Mapped[int | None]
    models: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    networks: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))


class KeyCapPeriod(Base):
    """What a cap has spent and holds in one period (``2026-11-24``, ``2026-W48``, ``2026-11``)."""

    __tablename__ = "key_cap_periods"
    __table_args__ = (
        CheckConstraint("spent_nanos >= 0", name="spent_not_negative"),
        CheckConstraint("held_nanos >= 0", name="held_not_negative"),
    )

    cap_id: Mapped[int] = mapped_column(BigId, ForeignKey("key_caps.id"), primary_key=True)
    period: Mapped[str] = mapped_column(String(10), primary_key=True)
    spent_nanos: Mapped[Nanos]
    held_nanos: Mapped[Nanos]


class ApiKey(Base):
    """A secret that may spend from its user's wallet; the secret itself is never stored.

    One row per user and name, for ever: a revoked or refused name is not made again by a stranger.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("user_id", "folded_name"),
        CheckConstraint("tail_tries >= 0", name="tries_not_negative"),
        Index(
            "ix_api_keys_parent_id",
            "parent_id",
            sqlite_where=text("parent_id IS NOT NULL"),
            postgresql_where=text("parent_id IS NOT NULL"),
        ),
        {"info": {"first_id": FIRST_KEY_ID}, "sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(64))
    folded_name: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    prefix: Mapped[str] = mapped_column(String(16))
    tail_digest: Mapped[str] = mapped_column(String(64))
    tail_tries: Mapped[int]
    scope: Mapped[KeyScope] = mapped_column(choice(KeyScope))
    state: Mapped[KeyState] = mapped_column(choice(KeyState))
    origin: Mapped[KeyOrigin] = mapped_column(choice(KeyOrigin))
    inviter_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("users.id"))
    parent_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("api_keys.id"))
    cap_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("key_caps.id"))
    expires_at: Mapped[OptionalMoment]
    created_at: Mapped[Moment]
    settled_at: Mapped[OptionalMoment]

    user: Mapped[User] = relationship(foreign_keys=[user_id])
    cap: Mapped[KeyCap | None] = relationship()


class ClaimLink(Base):
    """A single-use link to a mailbox, stored hashed. Using one kills all others of its user."""

    __tablename__ = "claim_links"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    inviter_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("users.id"))
    created_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    used_at: Mapped[OptionalMoment]


class InviterBlock(Base):
    """ "This wasn't me": this inviter may no longer make keys for this user."""

    __tablename__ = "inviter_blocks"

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"), primary_key=True)
    inviter_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"), primary_key=True)
    created_at: Mapped[Moment]
