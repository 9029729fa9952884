"""Money in and out of wallets, outside of calls: each movement is one transfer, once per reference.

Rules: they execute `statements` through the executor given (a session's or the writer's) and never
commit.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.core import clock, ids
from app.core.database import Execute
from app.domain.billing import statements
from app.domain.billing.errors import InsufficientBalance, NoWallet
from app.domain.billing.models import (
    OPERATOR_ACCOUNTS,
    AccountKind,
    TransferKind,
    paid_account_id,
    trial_account_id,
)
from app.domain.billing.values import Balances


class Bucket(StrEnum):
    """The two halves of a wallet."""

    TRIAL = "trial"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement between a user's bucket and an account of the operator.

    `reference` names the occasion: the same one moves money once, however often it is replayed.
    """

    user_id: int
    bucket: Bucket
    amount_nanos: int
    counterpart: AccountKind
    kind: TransferKind
    reference: str
    actor: str
    reason: str
    call_id: int | None = None


def open_wallet(execute: Execute, *, user_id: int) -> None:
    """Give a new user an empty wallet and its two ledger accounts."""
    execute(statements.INSERT_WALLET, {"user_id": user_id})
    for account_id, kind in (
        (trial_account_id(user_id), AccountKind.USER_TRIAL),
        (paid_account_id(user_id), AccountKind.USER_PAID),
    ):
        execute(
            statements.INSERT_ACCOUNT, {"id": account_id, "kind": kind.value, "user_id": user_id}
        )


def balances(execute: Execute, *, user_id: int) -> Balances:
    """The wallet, locked until the transaction ends. Raises `NoWallet`."""
    row = execute(statements.LOCK_WALLET, {"user_id": user_id}).fetchone()
    if row is None:
        raise NoWallet
    return Balances(*row)


def look(execute: Execute, *, user_id: int) -> Balances:
    """The wallet as it is, without a lock: for showing, never for deciding. Raises `NoWallet`."""
    row = execute(statements.READ_WALLET, {"user_id": user_id}).fetchone()
    if row is None:
        raise NoWallet
    return Balances(*row)


def credit(execute: Execute, movement: Movement) -> bool:
    """Add to the bucket. False where this reference has moved its money before: nothing changes."""
    return _move(execute, movement, sign=1)


def debit(execute: Execute, movement: Movement) -> bool:
    """Take from the bucket what is free. Raises `InsufficientBalance`; False as for `credit`."""
    return _move(execute, movement, sign=-1)


def _move(execute: Execute, movement: Movement, *, sign: int) -> bool:
    assert movement.amount_nanos > 0
    balances(execute, user_id=movement.user_id)  # the wallet's lock makes the next look exact
    if execute(statements.FIND_REFERENCE, {"reference": movement.reference}).fetchone():
        return False
    trial = sign * movement.amount_nanos if movement.bucket is Bucket.TRIAL else 0
    paid = sign * movement.amount_nanos if movement.bucket is Bucket.PAID else 0
    moved = execute(
        statements.MOVE_BALANCE, {"wallet_id": movement.user_id, "trial": trial, "paid": paid}
    )
    if moved.rowcount != 1:
        raise InsufficientBalance("The bucket does not hold that much that is free.")
    own = (trial_account_id if movement.bucket is Bucket.TRIAL else paid_account_id)(
        movement.user_id
    )
    other = OPERATOR_ACCOUNTS[movement.counterpart]
    execute(
        statements.INSERT_TRANSFER,
        {
            "id": ids.mint() * 2,
            "user_id": movement.user_id,
            "debit_account_id": other if sign > 0 else own,
            "credit_account_id": own if sign > 0 else other,
            "amount_nanos": movement.amount_nanos,
            "kind": movement.kind.value,
            "call_id": movement.call_id,
            "reference": movement.reference,
            "actor": movement.actor,
            "reason": movement.reason,
            "at": clock.now_ms(),
        },
    )
    return True
