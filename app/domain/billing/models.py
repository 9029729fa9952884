"""Wallets, the ledger, and the calls that move it.

The two hot tables, `calls` and `transfers`, carry no foreign keys and as few indexes as their
readers need: each costs microseconds on every call. `flask ledger verify` proves what a foreign
key would have promised.
"""

import json
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import ids
from app.core.columns import (
    BigId,
    Id,
    LongText,
    MintedId,
    Moment,
    Nanos,
    OptionalMoment,
    choice,
)
from app.core.database import Base
from app.domain.accounts.models import KeyScope
from app.domain.catalog.units import Unit


class AccountKind(StrEnum):
    """What a ledger account holds: the first two are users' buckets, the rest the operator's."""

    USER_TRIAL = "user_trial"
    USER_PAID = "user_paid"
    REVENUE = "revenue"
    TRIAL_GRANTS = "trial_grants"
    OPERATOR_CREDITS = "operator_credits"
    WRITE_OFFS = "write_offs"
    CLOSED_ACCOUNTS = "closed_accounts"
    VOUCHERS = "vouchers"


OPERATOR_ACCOUNTS = {
    AccountKind.REVENUE: 1,
    AccountKind.TRIAL_GRANTS: 2,
    AccountKind.OPERATOR_CREDITS: 3,
    AccountKind.WRITE_OFFS: 4,
    AccountKind.CLOSED_ACCOUNTS: 5,
    AccountKind.VOUCHERS: 6,
}


def trial_account_id(user_id: int) -> int:
    """The ledger account of a user's trial bucket; user ids start far above the operator's rows."""
    return user_id * 2


def paid_account_id(user_id: int) -> int:
    """The ledger account of a user's paid bucket."""
    return user_id * 2 + 1


class TransferKind(StrEnum):
    """Why money moved."""

    USAGE = "usage"
    WRITE_OFF = "write_off"
    TRIAL_GRANT = "trial_grant"
    TRIAL_RETURN = "trial_return"
    OPERATOR_CREDIT = "operator_credit"
    OPERATOR_DEBIT = "operator_debit"
    REFUND = "refund"
    CLOSING = "closing"
    VOUCHER = "voucher"


class CallState(StrEnum):
    """A call is born pending (the hold) and settled once: posted (charged) or voided (not)."""

    PENDING = "pending"
    POSTED = "posted"
    VOIDED = "voided"


class LedgerAccount(Base):
    """One account of the double-entry ledger. Users' are derived from the user's id."""

    __tablename__ = "ledger_accounts"

    id: Mapped[MintedId]
    kind: Mapped[AccountKind] = mapped_column(choice(AccountKind))
    user_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("users.id"), index=True)


class Wallet(Base):
    """A user's two buckets; their cached balances change in the transaction of their entries."""

    __tablename__ = "wallets"
    __table_args__ = (
        CheckConstraint(
            "0 <= trial_held_nanos AND trial_held_nanos <= trial_balance_nanos",
            name="trial_covered",
        ),
        CheckConstraint(
            "0 <= paid_held_nanos AND paid_held_nanos <= paid_balance_nanos", name="paid_covered"
        ),
    )

    user_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("users.id"), primary_key=True, autoincrement=False
    )
    trial_balance_nanos: Mapped[Nanos]
    trial_held_nanos: Mapped[Nanos]
    paid_balance_nanos: Mapped[Nanos]
    paid_held_nanos: Mapped[Nanos]


class Transfer(Base):
    """One movement of money from one account to another. Never edited; corrected by another one.

    A usage transfer's id is twice its call's id plus the bucket, so the primary key itself admits
    one settlement per call and bucket. Others carry a unique `reference`.
    """

    __tablename__ = "transfers"
    __table_args__ = (
        CheckConstraint("amount_nanos > 0", name="amount_positive"),
        CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
        Index(
            "uq_transfers_reference",
            "reference",
            unique=True,
            sqlite_where=text("reference IS NOT NULL"),
            postgresql_where=text("reference IS NOT NULL"),
        ),
        Index(
            "ix_transfers_user_id_id",
            "user_id",
            "id",
            sqlite_where=text("reference IS NOT NULL"),
            postgresql_where=text("reference IS NOT NULL"),
        ),
        {"info": {"append_only": True}},
    )

    id: Mapped[MintedId]
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    debit_account_id: Mapped[int] = mapped_column(BigInteger)
    credit_account_id: Mapped[int] = mapped_column(BigInteger)
    amount_nanos: Mapped[Nanos]
    kind: Mapped[TransferKind] = mapped_column(choice(TransferKind))
    call_id: Mapped[int | None] = mapped_column(BigInteger)
    reference: Mapped[str | None] = mapped_column(String(128))
    actor: Mapped[str] = mapped_column(String(254))
    reason: Mapped[LongText]
    at: Mapped[Moment]


class ProcessLease(Base):
    """A process that may have calls in flight; one whose lease ran out is dead and is swept."""

    __tablename__ = "process_leases"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    started_at: Mapped[Moment]
    renewed_at: Mapped[Moment]
    ended_at: Mapped[OptionalMoment]


class Call(Base):
    """One request to ``/v1``: written as the hold, completed as the usage record.

    Its id is time-ordered, so a user's calls are listed by key set without another index. `scope`
    is what the key might spend when the call was admitted; the key's own may have widened since.
    """

    __tablename__ = "calls"
    __table_args__ = (
        Index("ix_calls_user_id_id", "user_id", "id"),
        Index(
            "ix_calls_pending",
            "lease_id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        CheckConstraint("held_trial_nanos >= 0 AND held_paid_nanos >= 0", name="held_not_negative"),
        CheckConstraint("scope = 'full' OR held_paid_nanos = 0", name="trial_holds_no_paid"),
    )

    id: Mapped[MintedId]
    state: Mapped[CallState] = mapped_column(choice(CallState))
    user_id: Mapped[int] = mapped_column(BigInteger)
    key_id: Mapped[int] = mapped_column(BigInteger)
    scope: Mapped[KeyScope] = mapped_column(choice(KeyScope))
    model_id: Mapped[int] = mapped_column(BigInteger)
    price_version_id: Mapped[int] = mapped_column(BigInteger)
    lease_id: Mapped[int] = mapped_column(BigInteger)
    deadline_at: Mapped[Moment]
    held_trial_nanos: Mapped[Nanos]
    held_paid_nanos: Mapped[Nanos]
    cap_id: Mapped[int | None] = mapped_column(BigInteger)
    cap_period: Mapped[str | None] = mapped_column(String(10))
    protocol: Mapped[str] = mapped_column(String(32))
    is_streamed: Mapped[bool]
    client_request_id: Mapped[str | None] = mapped_column(String(128))

    # While it runs: stored with the lease, so that a crash loses seconds of output at most.
    delivered_frames: Mapped[int | None]
    local_input_tokens: Mapped[int | None]

    # The settlement.
    channel_id: Mapped[int | None] = mapped_column(BigInteger)
    cost_version_id: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(64))
    is_estimated: Mapped[bool | None]
    units: Mapped[str | None] = mapped_column(String)
    cost_nanos: Mapped[int | None] = mapped_column(BigInteger)
    trial_cost_nanos: Mapped[int | None] = mapped_column(BigInteger)
    written_off_nanos: Mapped[int | None] = mapped_column(BigInteger)
    upstream_cost_nanos: Mapped[int | None] = mapped_column(BigInteger)
    first_content_ms: Mapped[int | None]
    duration_ms: Mapped[int | None]
    attempts: Mapped[str | None] = mapped_column(String)
    reported: Mapped[str | None] = mapped_column(String)
    settled_at: Mapped[OptionalMoment]

    @property
    def started_at(self) -> datetime:
        """The moment in which its id was minted."""
        return datetime.fromtimestamp(ids.moment_ms_of(self.id) / 1000, UTC)

    @property
    def charged_nanos(self) -> int:
        """What was taken from the wallet: the cost, less what was written off."""
        return (self.cost_nanos or 0) - (self.written_off_nanos or 0)

    @property
    def used_units(self) -> dict[Unit, int]:
        """What it was billed for; nothing while it runs and where it was voided."""
        return {Unit(name): count for name, count in json.loads(self.units or "{}").items()}
