"""Partners, what proves that a call is theirs, and the trial money they hand out."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.columns import BigId, Id, LongText, Moment, Nanos, OptionalMoment
from app.core.database import Base


class Partner(Base):
    """A user who may invite; `user_id` is the `inviter_id` of the register call."""

    __tablename__ = "partners"

    user_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("users.id"), primary_key=True, autoincrement=False
    )
    name: Mapped[str | None] = mapped_column(String(64))
    is_name_approved: Mapped[bool]
    is_active: Mapped[bool]
    require_signature: Mapped[bool]
    language: Mapped[str | None] = mapped_column(String(16))
    daily_trial_budget_nanos: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[Moment]


class PartnerNetwork(Base):
    """A network (CIDR) from which a partner's servers call: it vouches, and nothing else."""

    __tablename__ = "partner_networks"
    __table_args__ = (UniqueConstraint("partner_id", "network"),)

    id: Mapped[Id]
    partner_id: Mapped[int] = mapped_column(BigId, ForeignKey("partners.user_id"))
    network: Mapped[str] = mapped_column(String(49))
    created_at: Mapped[Moment]


class PartnerSecret(Base):
    """A secret for signed calls, sealed; two may live at once so that it can be rotated."""

    __tablename__ = "partner_secrets"

    id: Mapped[Id]
    partner_id: Mapped[int] = mapped_column(BigId, ForeignKey("partners.user_id"), index=True)
    sealed_secret: Mapped[LongText]
    created_at: Mapped[Moment]
    revoked_at: Mapped[OptionalMoment]


class SignatureNonce(Base):
    """A nonce that was used; written with the effect of its call, so a replay changes nothing."""

    __tablename__ = "signature_nonces"

    partner_id: Mapped[int] = mapped_column(BigId, ForeignKey("partners.user_id"), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[Moment] = mapped_column(index=True)


class TrialGrant(Base):
    """Trial money given once to one canonical mailbox, for ever (the digest outlives the account).

    `user_id` is None for a grant whose account is gone.
    """

    __tablename__ = "trial_grants"
    __table_args__ = (
        CheckConstraint("amount_nanos > 0", name="amount_positive"),
        Index(
            "ix_trial_grants_expires_at",
            "expires_at",
            sqlite_where=text("returned_at IS NULL"),
            postgresql_where=text("returned_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    mailbox_digest: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("users.id"), index=True)
    vouched_by: Mapped[int | None] = mapped_column(BigId, ForeignKey("partners.user_id"))
    amount_nanos: Mapped[Nanos]
    granted_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    returned_at: Mapped[OptionalMoment]


class OwedTrial(Base):
    """A grant that its day's budget had no room for, with what it counts for once it is given."""

    __tablename__ = "owed_trials"

    user_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("users.id"), primary_key=True, autoincrement=False
    )
    vouched_by: Mapped[int | None] = mapped_column(BigId, ForeignKey("partners.user_id"))
    network: Mapped[str] = mapped_column(String(49))
    created_at: Mapped[Moment]


class DailyBudget(Base):
    """How much of a daily budget is used: nanos, or a count. Changed by guarded upserts."""

    __tablename__ = "daily_budgets"
    __table_args__ = (CheckConstraint("used >= 0", name="used_not_negative"),)

    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    used: Mapped[Nanos]
