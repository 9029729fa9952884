"""Reserve: hold a provable upper bound before the upstream is called, all or nothing.

There is no shortcut for anyone. The wallet (and the key's cap, where it has one) is read under its
lock, a pure function decides how much to hold, and guarded updates hold it; their row counts are
asserted, so that even a wrong decision could not overdraw.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.core.database import Execute
from app.domain.accounts.models import CapPeriod, KeyScope
from app.domain.billing import ledger, statements
from app.domain.billing.bound import BeyondMeans
from app.domain.billing.cap_periods import end_of, period_of
from app.domain.billing.values import Decide, Hold, Refusal


class Reserve(NamedTuple):
    """A write for the writer; its verdict is a `Hold` or a `Refusal`. Times are milliseconds."""

    call_id: int
    user_id: int
    key_id: int
    scope: KeyScope
    cap_id: int | None
    model_id: int
    price_version_id: int
    lease_id: int
    at_ms: int
    deadline_ms: int
    protocol: str
    is_streamed: bool
    client_request_id: str | None
    decide: Decide

    @property
    def order(self) -> int:
        return self.user_id

    def apply(self, execute: Execute) -> Hold | Refusal:
        wallet = ledger.balances(execute, user_id=self.user_id)
        cap = None if self.cap_id is None else _lock_cap(execute, self.cap_id, self.at_ms)
        if cap is not None and cap.is_full:
            return self._refusal("concurrency", held=0, available=0)
        free = wallet.available(self.scope)
        available = free if cap is None or cap.left_nanos is None else min(free, cap.left_nanos)
        choice = self.decide(available)
        if isinstance(choice, BeyondMeans):
            # What others hold of the wallet is none of a capped key's business.
            is_capped = cap is not None and cap.left_nanos is not None
            held = cap.held_nanos if cap is not None and is_capped else wallet.held(self.scope)
            if cap is None or choice.needed_nanos > free or available == free:
                return self._refusal("balance", held=held, available=available, choice=choice)
            refusal = self._refusal("cap", held=held, available=available, choice=choice)
            return refusal._replace(cap_ends_at=end_of(self.at_ms, cap.period))
        trial = min(choice.amount_nanos, wallet.trial_available)
        hold = Hold(
            call_id=self.call_id,
            user_id=self.user_id,
            scope=self.scope,
            trial_nanos=trial,
            paid_nanos=choice.amount_nanos - trial,
            cap_id=self.cap_id,
            cap_period=None if cap is None or cap.left_nanos is None else cap.period_name,
            bound=choice,
        )
        self._write(execute, hold)
        return hold

    def _write(self, execute: Execute, hold: Hold) -> None:
        assert self.scope is KeyScope.FULL or hold.paid_nanos == 0
        _expect_one(
            execute(
                statements.HOLD_IN_WALLET,
                {"wallet_id": self.user_id, "trial": hold.trial_nanos, "paid": hold.paid_nanos},
            )
        )
        if hold.cap_id is not None:
            _expect_one(execute(statements.START_RUNNING, {"which_cap": hold.cap_id}))
        if hold.cap_period is not None:
            _expect_one(
                execute(
                    statements.HOLD_IN_PERIOD,
                    {
                        "which_cap": hold.cap_id,
                        "which_period": hold.cap_period,
                        "amount": hold.amount_nanos,
                    },
                )
            )
        execute(statements.INSERT_CALL, self._call_row(hold))

    def _call_row(self, hold: Hold) -> Mapping[str, Any]:
        return {
            "id": self.call_id,
            "user_id": self.user_id,
            "key_id": self.key_id,
            "scope": self.scope.value,
            "model_id": self.model_id,
            "price_version_id": self.price_version_id,
            "lease_id": self.lease_id,
            "deadline_at": self.deadline_ms,
            "held_trial_nanos": hold.trial_nanos,
            "held_paid_nanos": hold.paid_nanos,
            "cap_id": hold.cap_id,
            "cap_period": hold.cap_period,
            "protocol": self.protocol,
            "is_streamed": self.is_streamed,
            "client_request_id": self.client_request_id,
        }

    def _refusal(
        self, reason: str, *, held: int, available: int, choice: BeyondMeans | None = None
    ) -> Refusal:
        return Refusal(
            reason=reason,
            needed_nanos=0 if choice is None else choice.needed_nanos,
            available_nanos=available,
            held_nanos=held,
            affordable_output_limit=None if choice is None else choice.affordable_output_limit,
        )


class _Cap(NamedTuple):
    """`left_nanos` is None where spending is not capped; then no period counts it."""

    period: CapPeriod
    period_name: str
    is_full: bool
    left_nanos: int | None
    held_nanos: int = 0


def _lock_cap(execute: Execute, cap_id: int, at_ms: int) -> _Cap:
    row = execute(statements.LOCK_CAP, {"cap_id": cap_id}).fetchone()
    limit, max_running, running, period = row
    name = period_of(at_ms, period)
    is_full = max_running is not None and running >= max_running
    if limit is None or is_full:
        return _Cap(period, name, is_full=is_full, left_nanos=None)
    where = {"cap_id": cap_id, "period": name}
    execute(statements.OPEN_PERIOD, where)
    spent, held = execute(statements.READ_PERIOD, where).fetchone()
    left = max(limit - spent - held, 0)
    return _Cap(period, name, is_full=False, left_nanos=left, held_nanos=held)


def _expect_one(cursor: Any) -> None:
    if cursor.rowcount != 1:
        raise AssertionError("a guarded update refused what its lock had allowed")
