"""The money's SQL, once. Rules in a session execute these; the writer executes their compiled text.

Every statement that takes money away is guarded: it changes a row only where the money is there.
Parameters are integers and plain strings (moments in milliseconds), named as the bindparams say.
"""

from typing import cast

from sqlalchemy import (
    BigInteger,
    Integer,
    String,
    Table,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.sql.elements import BindParameter

from app.core.database import Base, Statement
from app.domain.accounts.models import KeyCap, KeyCapPeriod
from app.domain.billing.models import Call, CallState, LedgerAccount, ProcessLease, Transfer, Wallet


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=String)


def _table(model: type[Base]) -> Table:
    return cast(Table, model.__table__)


_wallets = Wallet.__table__.c
_calls = Call.__table__.c
_leases = ProcessLease.__table__.c
_caps = KeyCap.__table__.c
_periods = KeyCapPeriod.__table__.c
_BALANCES = (
    _wallets.trial_balance_nanos,
    _wallets.trial_held_nanos,
    _wallets.paid_balance_nanos,
    _wallets.paid_held_nanos,
)

INSERT_ACCOUNT = Statement(
    insert(_table(LedgerAccount)).values(
        id=_number("id"), kind=_text("kind"), user_id=_number("user_id")
    )
)
INSERT_WALLET = Statement(
    insert(_table(Wallet)).values(
        user_id=_number("user_id"),
        trial_balance_nanos=0,
        trial_held_nanos=0,
        paid_balance_nanos=0,
        paid_held_nanos=0,
    )
)
READ_WALLET = Statement(select(*_BALANCES).where(_wallets.user_id == _number("user_id")))
LOCK_WALLET = Statement(
    select(*_BALANCES).where(_wallets.user_id == _number("user_id")).with_for_update()
)
MOVE_BALANCE = Statement(
    update(_table(Wallet))
    .where(
        _wallets.user_id == _number("wallet_id"),
        _wallets.trial_balance_nanos + _number("trial") >= _wallets.trial_held_nanos,
        _wallets.paid_balance_nanos + _number("paid") >= _wallets.paid_held_nanos,
    )
    .values(
        trial_balance_nanos=_wallets.trial_balance_nanos + _number("trial"),
        paid_balance_nanos=_wallets.paid_balance_nanos + _number("paid"),
    )
)
HOLD_IN_WALLET = Statement(
    update(_table(Wallet))
    .where(
        _wallets.user_id == _number("wallet_id"),
        _wallets.trial_held_nanos + _number("trial") <= _wallets.trial_balance_nanos,
        _wallets.paid_held_nanos + _number("paid") <= _wallets.paid_balance_nanos,
    )
    .values(
        trial_held_nanos=_wallets.trial_held_nanos + _number("trial"),
        paid_held_nanos=_wallets.paid_held_nanos + _number("paid"),
    )
)
SETTLE_IN_WALLET = Statement(
    update(_table(Wallet))
    .where(_wallets.user_id == _number("wallet_id"))
    .values(
        trial_balance_nanos=_wallets.trial_balance_nanos - _number("trial_cost"),
        trial_held_nanos=_wallets.trial_held_nanos - _number("trial_held"),
        paid_balance_nanos=_wallets.paid_balance_nanos - _number("paid_cost"),
        paid_held_nanos=_wallets.paid_held_nanos - _number("paid_held"),
    )
    .returning(*_BALANCES)
)

LOCK_CAP = Statement(
    select(_caps.limit_nanos, _caps.max_running, _caps.running, _caps.period)
    .where(_caps.id == _number("cap_id"))
    .with_for_update()
)
OPEN_PERIOD = Statement(
    text(
        "INSERT INTO key_cap_periods (cap_id, period, spent_nanos, held_nanos) "
        "VALUES (:cap_id, :period, 0, 0) ON CONFLICT (cap_id, period) DO NOTHING"
    ).bindparams(_number("cap_id"), _text("period"))
)
READ_PERIOD = Statement(
    select(_periods.spent_nanos, _periods.held_nanos).where(
        _periods.cap_id == _number("cap_id"), _periods.period == _text("period")
    )
)
HOLD_IN_PERIOD = Statement(
    update(_table(KeyCapPeriod))
    .where(
        _periods.cap_id == _number("which_cap"),
        _periods.period == _text("which_period"),
        _periods.spent_nanos + _periods.held_nanos + _number("amount")
        <= select(_caps.limit_nanos).where(_caps.id == _number("which_cap")).scalar_subquery(),
    )
    .values(held_nanos=_periods.held_nanos + _number("amount"))
)
SETTLE_IN_PERIOD = Statement(
    update(_table(KeyCapPeriod))
    .where(_periods.cap_id == _number("which_cap"), _periods.period == _text("which_period"))
    .values(
        spent_nanos=_periods.spent_nanos + _number("cost"),
        held_nanos=_periods.held_nanos - _number("held"),
    )
)
START_RUNNING = Statement(
    update(_table(KeyCap))
    .where(
        _caps.id == _number("which_cap"),
        (_caps.max_running.is_(None)) | (_caps.running < _caps.max_running),
    )
    .values(running=_caps.running + 1)
)
STOP_RUNNING = Statement(
    update(_table(KeyCap)).where(_caps.id == _number("which_cap")).values(running=_caps.running - 1)
)

INSERT_CALL = Statement(
    insert(_table(Call)).values(
        id=_number("id"),
        state=text(f"'{CallState.PENDING}'"),
        user_id=_number("user_id"),
        key_id=_number("key_id"),
        scope=_text("scope"),
        model_id=_number("model_id"),
        price_version_id=_number("price_version_id"),
        lease_id=_number("lease_id"),
        deadline_at=_number("deadline_at"),
        held_trial_nanos=_number("held_trial_nanos"),
        held_paid_nanos=_number("held_paid_nanos"),
        cap_id=_number("cap_id"),
        cap_period=_text("cap_period"),
        protocol=_text("protocol"),
        is_streamed=bindparam("is_streamed"),
        client_request_id=_text("client_request_id"),
    )
)
COMPLETE_CALL = Statement(
    update(_table(Call))
    .where(_calls.id == _number("call_id"), _calls.state == text(f"'{CallState.PENDING}'"))
    .values(
        state=_text("new_state"),
        channel_id=_number("channel_id"),
        cost_version_id=_number("cost_version_id"),
        status=_number("status"),
        reason=_text("reason"),
        is_estimated=bindparam("is_estimated"),
        units=_text("units"),
        cost_nanos=_number("cost_nanos"),
        trial_cost_nanos=_number("trial_cost_nanos"),
        written_off_nanos=_number("written_off_nanos"),
        upstream_cost_nanos=_number("upstream_cost_nanos"),
        first_content_ms=_number("first_content_ms"),
        duration_ms=_number("duration_ms"),
        attempts=_text("attempts"),
        reported=_text("reported"),
        settled_at=_number("settled_at"),
    )
)
_IS_ORPHAN = (
    _leases.id.is_(None)
    | _leases.ended_at.is_not(None)
    | (_leases.renewed_at < _number("unrenewed_since"))
)
FIND_OVERDUE = Statement(
    select(_calls.id, _calls.user_id, _IS_ORPHAN.label("is_orphan"))
    .outerjoin_from(Call.__table__, ProcessLease.__table__, _leases.id == _calls.lease_id)
    .where(
        _calls.state == text(f"'{CallState.PENDING}'"),
        _IS_ORPHAN | (_calls.deadline_at < _number("deadline_before")),
    )
    .order_by(_calls.user_id, _calls.id)
    .limit(_number("limit"))
)
LOCK_PENDING_CALL = Statement(
    select(
        _calls.scope,
        _calls.price_version_id,
        _calls.held_trial_nanos,
        _calls.held_paid_nanos,
        _calls.cap_id,
        _calls.cap_period,
        _calls.delivered_frames,
        _calls.local_input_tokens,
    )
    .where(_calls.id == _number("call_id"), _calls.state == text(f"'{CallState.PENDING}'"))
    .with_for_update(skip_locked=True)
)
STORE_PROGRESS = Statement(
    update(_table(Call))
    .where(_calls.id == _number("call_id"), _calls.state == text(f"'{CallState.PENDING}'"))
    .values(
        delivered_frames=bindparam("frames", type_=Integer),
        local_input_tokens=bindparam("input_tokens", type_=Integer),
    )
)
INSERT_TRANSFER = Statement(
    insert(_table(Transfer)).values(
        id=_number("id"),
        user_id=_number("user_id"),
        debit_account_id=_number("debit_account_id"),
        credit_account_id=_number("credit_account_id"),
        amount_nanos=_number("amount_nanos"),
        kind=_text("kind"),
        call_id=_number("call_id"),
        reference=_text("reference"),
        actor=_text("actor"),
        reason=_text("reason"),
        at=_number("at"),
    )
)
FIND_REFERENCE = Statement(
    select(Transfer.__table__.c.id).where(Transfer.__table__.c.reference == _text("reference"))
)
RENEW_LEASE = Statement(
    update(_table(ProcessLease))
    .where(ProcessLease.__table__.c.id == _number("lease_id"))
    .values(renewed_at=_number("renewed_at"), ended_at=_number("ended_at"))
)
