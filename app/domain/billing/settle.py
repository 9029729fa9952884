"""Settle: post what was used or void the hold, exactly once, unwinding exactly what was held.

Settlement never fails for want of money: what plausible usage costs above the hold is charged up to
what is available, and the rest is written off (and alarmed by the caller).
"""

from typing import Any, NamedTuple

from app.core import ids
from app.core.database import Execute
from app.domain.accounts.models import KeyScope
from app.domain.billing import ledger, statements
from app.domain.billing.models import (
    OPERATOR_ACCOUNTS,
    AccountKind,
    CallState,
    TransferKind,
    paid_account_id,
    trial_account_id,
)
from app.domain.billing.values import Balances, Hold


class CallRecord(NamedTuple):
    """How a call ended, as its row keeps it. `units`, `attempts`, `reported` are JSON texts."""

    status: int
    reason: str | None
    channel_id: int | None = None
    cost_version_id: int | None = None
    is_estimated: bool = False
    units: str | None = None
    upstream_cost_nanos: int | None = None
    first_content_ms: int | None = None
    duration_ms: int | None = None
    attempts: str | None = None
    reported: str | None = None


class Settled(NamedTuple):
    """The verdict: what was charged, the wallet afterwards. `is_first` is False on a replay."""

    is_first: bool
    cost_nanos: int
    written_off_nanos: int
    balances: Balances | None


class Post(NamedTuple):
    """Charge `cost_nanos` and return the rest of the hold. A cost of 0 posts without a transfer."""

    hold: Hold
    cost_nanos: int
    at_ms: int
    record: CallRecord

    @property
    def order(self) -> int:
        return self.hold.user_id

    def apply(self, execute: Execute) -> Settled:
        hold = self.hold
        trial = min(self.cost_nanos, hold.trial_nanos)
        paid = min(self.cost_nanos - trial, hold.paid_nanos)
        written_off = 0
        excess = self.cost_nanos - trial - paid
        if excess:
            extra_trial, extra_paid, written_off = _split_excess(execute, hold, excess)
            trial, paid = trial + extra_trial, paid + extra_paid
        row = _completion(hold, CallState.POSTED, self.record, self.at_ms) | {
            "cost_nanos": self.cost_nanos,
            "trial_cost_nanos": trial,
            "written_off_nanos": written_off,
        }
        if execute(statements.COMPLETE_CALL, row).rowcount != 1:
            return Settled(is_first=False, cost_nanos=0, written_off_nanos=0, balances=None)
        balances = _unwind(execute, hold, trial_cost=trial, paid_cost=paid)
        self._transfer(execute, trial, paid, written_off)
        return Settled(
            is_first=True,
            cost_nanos=self.cost_nanos,
            written_off_nanos=written_off,
            balances=balances,
        )

    def _transfer(self, execute: Execute, trial: int, paid: int, written_off: int) -> None:
        call_id, user_id = self.hold.call_id, self.hold.user_id
        revenue = OPERATOR_ACCOUNTS[AccountKind.REVENUE]
        row: dict[str, Any] = {
            "user_id": user_id,
            "credit_account_id": revenue,
            "kind": TransferKind.USAGE.value,
            "call_id": call_id,
            "reference": None,
            "actor": "gateway",
            "reason": "",
            "at": self.at_ms,
        }
        legs: dict[str, Any]
        if trial:
            legs = {"id": call_id * 2, "debit_account_id": trial_account_id(user_id)}
            execute(statements.INSERT_TRANSFER, row | legs | {"amount_nanos": trial})
        if paid:
            legs = {"id": call_id * 2 + 1, "debit_account_id": paid_account_id(user_id)}
            execute(statements.INSERT_TRANSFER, row | legs | {"amount_nanos": paid})
        if written_off:
            legs = {
                "id": ids.mint() * 2,
                "user_id": None,
                "debit_account_id": OPERATOR_ACCOUNTS[AccountKind.WRITE_OFFS],
                "kind": TransferKind.WRITE_OFF.value,
                "reference": f"write-off:{call_id}",
                "reason": "usage above the hold, more than was available",
            }
            execute(statements.INSERT_TRANSFER, row | legs | {"amount_nanos": written_off})


class Void(NamedTuple):
    """Return the whole hold; the call stays on record with its reason and costs nothing."""

    hold: Hold
    at_ms: int
    record: CallRecord

    @property
    def order(self) -> int:
        return self.hold.user_id

    def apply(self, execute: Execute) -> Settled:
        row = _completion(self.hold, CallState.VOIDED, self.record, self.at_ms)
        if execute(statements.COMPLETE_CALL, row).rowcount != 1:
            return Settled(is_first=False, cost_nanos=0, written_off_nanos=0, balances=None)
        balances = _unwind(execute, self.hold, trial_cost=0, paid_cost=0)
        return Settled(is_first=True, cost_nanos=0, written_off_nanos=0, balances=balances)


def _split_excess(execute: Execute, hold: Hold, excess: int) -> tuple[int, int, int]:
    """Cover a cost above the hold from what is free: (trial, paid, to be written off)."""
    wallet = ledger.balances(execute, user_id=hold.user_id)
    trial = min(excess, wallet.trial_available)
    may_pay = wallet.paid_available if hold.scope is KeyScope.FULL else 0
    paid = min(excess - trial, may_pay)
    return trial, paid, excess - trial - paid


def _completion(hold: Hold, state: CallState, record: CallRecord, at_ms: int) -> dict[str, Any]:
    return {
        "call_id": hold.call_id,
        "new_state": state.value,
        "channel_id": record.channel_id,
        "cost_version_id": record.cost_version_id,
        "status": record.status,
        "reason": record.reason,
        "is_estimated": record.is_estimated,
        "units": record.units,
        "cost_nanos": 0,
        "trial_cost_nanos": 0,
        "written_off_nanos": 0,
        "upstream_cost_nanos": record.upstream_cost_nanos,
        "first_content_ms": record.first_content_ms,
        "duration_ms": record.duration_ms,
        "attempts": record.attempts,
        "reported": record.reported,
        "settled_at": at_ms,
    }


def _unwind(execute: Execute, hold: Hold, *, trial_cost: int, paid_cost: int) -> Balances:
    row = execute(
        statements.SETTLE_IN_WALLET,
        {
            "wallet_id": hold.user_id,
            "trial_cost": trial_cost,
            "trial_held": hold.trial_nanos,
            "paid_cost": paid_cost,
            "paid_held": hold.paid_nanos,
        },
    ).fetchone()
    if hold.cap_id is not None:
        execute(statements.STOP_RUNNING, {"which_cap": hold.cap_id})
    if hold.cap_period is not None:
        execute(
            statements.SETTLE_IN_PERIOD,
            {
                "which_cap": hold.cap_id,
                "which_period": hold.cap_period,
                "cost": trial_cost + paid_cost,
                "held": hold.amount_nanos,
            },
        )
    return Balances(*row)
