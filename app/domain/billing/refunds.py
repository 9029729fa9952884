"""Giving back what a request was charged, whole or in part. Rules: they never commit.

Money goes back to the bucket it came from, the paid part first, so that trial money never becomes
paid money, and a refund of half a request is money that stays. What was written off was never
paid, so it is not given back. The key's spend cap is not given back either: it bounds what a key
may cause, and that was caused.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, select

from app.core import ids
from app.core.database import Execute, Statement
from app.core.money import format_usd
from app.domain.billing import ledger
from app.domain.billing.errors import (
    CallUnknown,
    HoldPending,
    NothingToRefund,
    ReferenceUsed,
    RefundAboveCharge,
)
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import (
    AccountKind,
    Call,
    CallState,
    Transfer,
    TransferKind,
    trial_account_id,
)

_calls = Call.__table__.c
_transfers = Transfer.__table__.c
_READ_CHARGE = Statement(
    select(
        _calls.user_id,
        _calls.state,
        _calls.cost_nanos,
        _calls.trial_cost_nanos,
        _calls.written_off_nanos,
    ).where(_calls.id == bindparam("call_id", type_=BigInteger))
)
# By the index of a user's transfers outside of calls: refunds are among them, and they are few.
_SUM_REFUNDS = Statement(
    select(_transfers.credit_account_id, func.sum(_transfers.amount_nanos))
    .where(
        _transfers.user_id == bindparam("user_id", type_=BigInteger),
        _transfers.reference.is_not(None),
        _transfers.kind == TransferKind.REFUND.value,
        _transfers.call_id == bindparam("call_id", type_=BigInteger),
    )
    .group_by(_transfers.credit_account_id)
)
_FIND_EARLIER = Statement(
    select(_transfers.call_id, _transfers.amount_nanos).where(
        _transfers.reference == bindparam("reference")
    )
)


@dataclass(frozen=True, slots=True)
class Split:
    """An amount by bucket, in nanos."""

    trial_nanos: int
    paid_nanos: int

    @property
    def total_nanos(self) -> int:
        return self.trial_nanos + self.paid_nanos


@dataclass(frozen=True, slots=True)
class Refunded:
    """The verdict. `left_nanos` may still be given back; `is_first` is False on a replay, which
    tells what the first one moved."""

    user_id: int
    given: Split
    left_nanos: int
    is_first: bool


def refund(
    execute: Execute,
    *,
    call_id: int,
    amount_nanos: int | None,
    actor: str,
    reason: str,
    reference: str | None,
    is_trial_over: bool = False,
) -> Refunded:
    """Give back `amount_nanos` of what the call was charged; None: all that is left of it.

    The wallet's lock makes the sum exact, so no race gives back more than was charged. The same
    `reference` moves money once. With `is_trial_over` the trial part stays where it is: a grant
    past its days is not given a second time. Raises CallUnknown, HoldPending, NothingToRefund,
    RefundAboveCharge, ReferenceUsed.
    """
    assert amount_nanos is None or amount_nanos > 0
    user_id = _user_of(execute, call_id)
    ledger.balances(execute, user_id=user_id)
    left = _left(execute, call_id=call_id, is_trial_over=is_trial_over)
    if reference is not None:
        earlier = _earlier(execute, reference, call_id=call_id, amount_nanos=amount_nanos)
        if earlier is not None:
            return Refunded(user_id, earlier, left.total_nanos, is_first=False)
    given = _split(left, amount_nanos)
    name = reference if reference is not None else str(ids.mint())
    for bucket, nanos in ((Bucket.PAID, given.paid_nanos), (Bucket.TRIAL, given.trial_nanos)):
        if nanos:
            movement = Movement(
                user_id=user_id,
                bucket=bucket,
                amount_nanos=nanos,
                counterpart=AccountKind.REVENUE,
                kind=TransferKind.REFUND,
                reference=_reference(name, bucket),
                actor=actor,
                reason=reason,
                call_id=call_id,
            )
            moved = ledger.credit(execute, movement)
            assert moved, "the reference was looked for behind the wallet's lock"
    return Refunded(user_id, given, left.total_nanos - given.total_nanos, is_first=True)


def refunded(execute: Execute, *, user_id: int, call_id: int) -> Split:
    """What was given back of a call so far."""
    rows = execute(_SUM_REFUNDS, {"user_id": user_id, "call_id": call_id}).fetchall()
    sums = {account_id: int(nanos) for account_id, nanos in rows}
    trial = sums.pop(trial_account_id(user_id), 0)
    return Split(trial_nanos=trial, paid_nanos=sum(sums.values()))


def _user_of(execute: Execute, call_id: int) -> int:
    row: Any = execute(_READ_CHARGE, {"call_id": call_id}).fetchone()
    if row is None:
        raise CallUnknown
    user_id: int = row[0]
    return user_id


def _left(execute: Execute, *, call_id: int, is_trial_over: bool) -> Split:
    """What may still be given back; the caller holds the wallet's lock."""
    row: Any = execute(_READ_CHARGE, {"call_id": call_id}).fetchone()
    user_id, state, cost, trial_cost, written_off = row
    if state == CallState.PENDING:
        raise HoldPending
    so_far = refunded(execute, user_id=user_id, call_id=call_id)
    return Split(
        trial_nanos=0 if is_trial_over else trial_cost - so_far.trial_nanos,
        paid_nanos=cost - trial_cost - written_off - so_far.paid_nanos,
    )


def _earlier(
    execute: Execute, reference: str, *, call_id: int, amount_nanos: int | None
) -> Split | None:
    """What this reference moved before. Raises ReferenceUsed where that was something else."""
    moved = dict.fromkeys(Bucket, 0)
    for bucket in Bucket:
        row: Any = execute(_FIND_EARLIER, {"reference": _reference(reference, bucket)}).fetchone()
        if row is not None:
            if row[0] != call_id:
                raise ReferenceUsed
            moved[bucket] = row[1]
    earlier = Split(trial_nanos=moved[Bucket.TRIAL], paid_nanos=moved[Bucket.PAID])
    if earlier.total_nanos == 0:
        return None
    if amount_nanos not in (None, earlier.total_nanos):
        raise ReferenceUsed
    return earlier


def _split(left: Split, amount_nanos: int | None) -> Split:
    if left.total_nanos == 0:
        raise NothingToRefund
    wanted = left.total_nanos if amount_nanos is None else amount_nanos
    if wanted > left.total_nanos:
        raise RefundAboveCharge(f"Of this request {format_usd(left.total_nanos)} USD are left.")
    paid = min(wanted, left.paid_nanos)
    return Split(trial_nanos=wanted - paid, paid_nanos=paid)


def _reference(name: str, bucket: Bucket) -> str:
    return f"refund:{bucket.value}:{name}"
