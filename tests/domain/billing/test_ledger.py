"""Money in and out of wallets: one transfer for each occasion, and never more out than is free."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.database import in_session
from app.domain.accounts.models import KeyScope
from app.domain.billing import ledger
from app.domain.billing.errors import InsufficientBalance, NoWallet
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import (
    AccountKind,
    Transfer,
    TransferKind,
    paid_account_id,
    trial_account_id,
)
from app.domain.billing.values import Balances
from tests.domain.billing.books import Books


def movement(user_id: int, amount_nanos: int, **changes: Any) -> Movement:
    row = Movement(
        user_id=user_id,
        bucket=Bucket.PAID,
        amount_nanos=amount_nanos,
        counterpart=AccountKind.OPERATOR_CREDITS,
        kind=TransferKind.OPERATOR_CREDIT,
        reference="invoice 7",
        actor="operator",
        reason="paid by bank",
    )
    return replace(row, **changes)


def move(books: Books, rule, moved: Movement) -> bool:
    if rule is ledger.debit:
        moved = replace(moved, kind=TransferKind.OPERATOR_DEBIT)
    with Session(books.engine) as session:
        is_new = rule(in_session(session), moved)
        session.commit()
    return is_new


def test_new_wallet_is_empty_and_has_its_two_accounts(any_books: Books):
    user_id = any_books.user()
    assert any_books.wallet(user_id) == (0, 0, 0, 0)
    assert any_books.rows(
        f"SELECT id, kind FROM ledger_accounts WHERE user_id = {user_id} ORDER BY id"
    ) == [(trial_account_id(user_id), "user_trial"), (paid_account_id(user_id), "user_paid")]


def test_credit_moves_money_from_the_operators_account(any_books: Books):
    user_id = any_books.user()
    assert move(any_books, ledger.credit, movement(user_id, 500))
    assert any_books.wallet(user_id) == (0, 0, 500, 0)
    with Session(any_books.engine) as session:
        transfer = session.query(Transfer).one()
    assert (transfer.debit_account_id, transfer.credit_account_id) == (3, paid_account_id(user_id))
    assert (transfer.amount_nanos, transfer.kind) == (500, TransferKind.OPERATOR_CREDIT)
    assert (transfer.user_id, transfer.reference) == (user_id, "invoice 7")
    assert any_books.drifts() == []


def test_trial_grant_fills_the_trial_bucket_alone(books: Books):
    user_id = books.user()
    move(books, ledger.credit, movement(user_id, 5, bucket=Bucket.TRIAL))
    assert books.wallet(user_id) == (5, 0, 0, 0)


@pytest.mark.parametrize("rule", [ledger.credit, ledger.debit])
def test_same_reference_moves_money_once(any_books: Books, rule):
    user_id = any_books.user(paid=1000)
    assert move(any_books, rule, movement(user_id, 500))
    after = any_books.wallet(user_id)
    assert not move(any_books, rule, movement(user_id, 500))
    assert any_books.wallet(user_id) == after
    assert any_books.drifts() == []


def test_debit_takes_what_is_free_and_not_what_is_held(any_books: Books):
    user_id = any_books.user(paid=100)
    any_books.hold(any_books.key(user_id), 40)
    with pytest.raises(InsufficientBalance):
        move(any_books, ledger.debit, movement(user_id, 61))
    assert any_books.wallet(user_id) == (0, 0, 100, 40)
    assert move(any_books, ledger.debit, movement(user_id, 60))
    assert any_books.wallet(user_id) == (0, 0, 40, 40)
    assert any_books.drifts() == []


def test_debit_of_one_bucket_does_not_reach_the_other(books: Books):
    user_id = books.user(trial=10, paid=100)
    with pytest.raises(InsufficientBalance):
        move(books, ledger.debit, movement(user_id, 11, bucket=Bucket.TRIAL))


def test_movement_without_wallet_is_refused(books: Books):
    with pytest.raises(NoWallet):
        move(books, ledger.credit, movement(999_999, 1))


def test_refused_movement_leaves_no_transfer_to_commit(books: Books):
    user_id = books.user()
    with Session(books.engine) as session:
        with pytest.raises(InsufficientBalance):
            ledger.debit(in_session(session), movement(user_id, 1))
        session.commit()
    assert books.rows("SELECT COUNT(*) FROM transfers") == [(0,)]


@pytest.mark.parametrize(
    "change",
    [
        "trial_held_nanos = trial_balance_nanos + 1",
        "paid_held_nanos = paid_balance_nanos + 1",
        "paid_held_nanos = -1",
        "paid_balance_nanos = -1",
    ],
)
def test_the_database_itself_refuses_an_uncovered_wallet(any_books: Books, change: str):
    any_books.user(trial=1, paid=1)
    with Session(any_books.engine) as session, pytest.raises(DBAPIError, match="covered"):
        session.execute(text(f"UPDATE wallets SET {change}"))


def test_balances_tell_what_each_scope_may_spend_and_know():
    seen = Balances(trial_balance=10, trial_held=4, paid_balance=100, paid_held=30)
    trial, full = KeyScope.TRIAL, KeyScope.FULL
    assert (seen.available(trial), seen.balance(trial), seen.held(trial)) == (6, 10, 4)
    assert (seen.available(full), seen.balance(full), seen.held(full)) == (76, 110, 34)
