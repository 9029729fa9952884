"""The sweeper: settles what its owner cannot, exactly once.

A call is overdue when its process is dead or its deadline is well past. What was delivered is
posted as an estimate (the prompt as counted, one token a frame of content), never above the hold;
where nothing was delivered the hold is returned. A row's guarded change from pending decides a race
with an owner that is alive after all.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, bindparam, select

from app.core import ids
from app.core.database import Execute, Statement
from app.core.errors import AppError
from app.domain.accounts.models import KeyScope
from app.domain.billing import ledger, statements
from app.domain.billing.estimates import fit_to_hold
from app.domain.billing.leases import unrenewed_since_ms
from app.domain.billing.settle import CallRecord, Post, Void
from app.domain.billing.values import Hold
from app.domain.catalog.models import PriceVersion
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.units import Unit

log = logging.getLogger(__name__)

BATCH_LIMIT = 100

# A living owner settles its own calls at their deadline. With a sweep a minute this leaves no hold
# two minutes after its deadline.
DEADLINE_GRACE_S = 60

_READ_SHEET = Statement(
    select(PriceVersion.__table__.c.sheet).where(
        PriceVersion.__table__.c.id == bindparam("price_version_id", type_=BigInteger)
    )
)


@dataclass(frozen=True, slots=True)
class SweepResult:
    """How many overdue calls one batch settled. With `has_more`, commit and sweep again."""

    posted: int
    voided: int
    has_more: bool


def sweep(execute: Execute, *, at_ms: int, limit: int = BATCH_LIMIT) -> SweepResult:
    """Settle up to `limit` overdue calls, each user's under the lock of their wallet.

    A process renews its own lease before it sweeps, and replays its spooled settlements first.
    """
    overdue = execute(
        statements.FIND_OVERDUE,
        {
            "unrenewed_since": unrenewed_since_ms(at_ms),
            "deadline_before": at_ms - DEADLINE_GRACE_S * 1000,
            "limit": limit,
        },
    ).fetchall()
    settlements = [
        settlement.apply(execute).is_first and settlement
        for call_id, user_id, is_orphan in overdue
        if (settlement := _settlement(execute, call_id, user_id, bool(is_orphan), at_ms))
    ]
    posted = sum(isinstance(settlement, Post) for settlement in settlements)
    voided = sum(isinstance(settlement, Void) for settlement in settlements)
    return SweepResult(posted=posted, voided=voided, has_more=posted + voided == limit)


def _settlement(
    execute: Execute, call_id: int, user_id: int, is_orphan: bool, at_ms: int
) -> Post | Void | None:
    """How to settle the call; None where its owner is doing so in this moment, or just has.

    Locks the wallet before the call, and never waits for a call: so it cannot deadlock with the
    owner, who locks in the other order.
    """
    ledger.balances(execute, user_id=user_id)
    row = execute(statements.LOCK_PENDING_CALL, {"call_id": call_id}).fetchone()
    if row is None:
        return None
    scope, price_version_id, trial, paid, cap_id, cap_period, frames, input_tokens = row
    hold = Hold(
        call_id=call_id,
        user_id=user_id,
        scope=KeyScope(scope),
        trial_nanos=trial,
        paid_nanos=paid,
        cap_id=cap_id,
        cap_period=cap_period,
        bound=None,
    )
    reason = "process_died" if is_orphan else "deadline"
    estimate = _estimate(execute, hold, price_version_id, input_tokens or 0, frames or 0)
    if estimate is None:
        return Void(hold=hold, at_ms=at_ms, record=CallRecord(status=503, reason=reason))
    return Post(
        hold=hold,
        cost_nanos=estimate.cost_nanos,
        at_ms=at_ms,
        record=CallRecord(
            status=200, reason=reason, is_estimated=True, units=json.dumps(estimate.units)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Estimate:
    units: Mapping[Unit, int]
    cost_nanos: int


def _estimate(
    execute: Execute, hold: Hold, price_version_id: int, input_tokens: int, frames: int
) -> _Estimate | None:
    """What to charge; None where nothing was delivered, or has no price by the token."""
    if not frames:
        return None
    row: Any = execute(_READ_SHEET, {"price_version_id": price_version_id}).fetchone()
    try:
        if row is None:
            raise AppError(f"price version {price_version_id} is missing")
        sheet = PriceSheet.from_json(row[0])
        counted = {Unit.INPUT: input_tokens, Unit.OUTPUT: frames}
        units = fit_to_hold(sheet, counted, hold_nanos=hold.amount_nanos)
        return _Estimate(units, sheet.cost_nanos(units))
    except AppError as error:  # one call without an estimate must not keep all others held
        log.error("%s cannot be estimated: %s", ids.request_id(hold.call_id), error.message)
        return None
