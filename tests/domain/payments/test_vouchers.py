"""Vouchers: a code is worth its money once, to one account, whoever races for it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import AppError
from app.domain.accounts.models import User
from app.domain.audit.models import AuditEntry
from app.domain.payments import vouchers
from app.domain.payments.errors import (
    AccountCannotRedeem,
    InvalidVouchers,
    VoucherBatchExists,
    VoucherBatchUnknown,
    VoucherNotAccepted,
    VoucherRedeemedBefore,
)
from app.domain.payments.models import Voucher
from app.domain.payments.vouchers import Redeemed, VoucherState
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books
from tests.domain.billing.test_races import together

AMOUNT = 5_000_000_000


def make(books: Books, *, count: int = 1, **changes: Any) -> list[str]:
    given: dict[str, Any] = {
        "amount_nanos": AMOUNT,
        "count": count,
        "batch": "spring",
        "expires_at": None,
        "author": "operator",
        "reason": "for a fair",
    }
    with Session(books.engine) as session:
        codes = vouchers.create(session, books.digester, **(given | changes))
        session.commit()
    return codes


def redeem(books: Books, code: str, user_id: int) -> Redeemed:
    with Session(books.engine) as session:
        redeemed = vouchers.redeem(
            session, books.digester, code=code, user_id=user_id, actor="owner"
        )
        session.commit()
    return redeemed


def refused(task: Callable[[], Any]) -> AppError:
    with pytest.raises(AppError) as caught:
        task()
    return caught.value


def change(books: Books, user_id: int, **columns: Any) -> None:
    with Session(books.engine) as session:
        for name, value in columns.items():
            setattr(session.get_one(User, user_id), name, value)
        session.commit()


def test_code_fills_the_paid_bucket_from_the_vouchers_account(any_books: Books):
    (code,) = make(any_books)
    user_id = any_books.user(trial=3)
    assert redeem(any_books, code, user_id).amount_nanos == AMOUNT
    assert any_books.wallet(user_id) == (3, 0, AMOUNT, 0)
    assert any_books.rows(
        "SELECT debit_account_id, credit_account_id, reference FROM transfers"
        " WHERE kind = 'voucher'"
    ) == [(6, user_id * 2 + 1, "voucher:1")]
    assert any_books.drifts() == []


def test_code_is_nowhere_in_clear(books: Books):
    codes = make(books, count=3)
    redeem(books, codes[0], books.user())
    stored = repr(books.rows("SELECT * FROM vouchers") + books.rows("SELECT * FROM audit_entries"))
    for code in codes:
        symbols = code.removeprefix("FLOW-").replace("-", "")
        assert code not in stored
        assert symbols not in stored
        assert symbols[:4] in stored
        assert symbols[:5] not in stored


def test_making_and_redeeming_leave_a_trace(books: Books):
    (code,) = make(books)
    user_id = books.user()
    redeem(books, code, user_id)
    with Session(books.engine) as session:
        made, redeemed = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert (made.action, made.actor) == ("vouchers_made", "operator")
    assert made.details == {"batch": "spring", "count": 1, "amount_nanos": AMOUNT}
    assert (redeemed.action, redeemed.user_id, redeemed.actor) == (
        "voucher_redeemed", user_id, "owner",
    )  # fmt: skip


def test_thirty_accounts_race_for_one_code_and_one_has_it(any_books: Books):
    (code,) = make(any_books)
    users = [any_books.user() for _ in range(30)]

    def attempt(user_id: int) -> bool:
        try:
            redeem(any_books, code, user_id)
        except VoucherNotAccepted:
            return False
        return True

    won = together(*(lambda user_id=user_id: attempt(user_id) for user_id in users))
    assert sum(won) == 1
    assert sorted(any_books.wallet(user_id)[2] for user_id in users) == [0] * 29 + [AMOUNT]
    assert any_books.drifts() == []


def test_one_account_in_many_threads_redeems_each_code_once(any_books: Books):
    codes = make(any_books, count=4)
    user_id = any_books.user()

    def attempt(code: str) -> bool:
        try:
            redeem(any_books, code, user_id)
        except VoucherRedeemedBefore:
            return False
        return True

    assert sum(together(*(lambda code=code: attempt(code) for code in codes * 5))) == 4
    assert any_books.wallet(user_id) == (0, 0, 4 * AMOUNT, 0)
    assert any_books.drifts() == []


def test_redeeming_and_cancelling_at_once_agree(any_books: Books):
    codes = make(any_books, count=12)
    user_id = any_books.user()

    def attempt(code: str) -> int:
        try:
            return redeem(any_books, code, user_id).amount_nanos
        except VoucherNotAccepted:
            return 0

    *won, ended = together(
        *(lambda code=code: attempt(code) for code in codes), lambda: cancel(any_books)
    )
    assert sum(won) + ended * AMOUNT == 12 * AMOUNT
    assert any_books.wallet(user_id)[2] == sum(won)
    assert any_books.drifts() == []


def cancel(books: Books, batch: str = "spring") -> int:
    with Session(books.engine) as session:
        count = vouchers.cancel(session, batch=batch, actor="operator", reason="lost")
        session.commit()
    return count


def test_a_stranger_hears_the_same_of_every_code_that_is_no_good(
    books: Books, frozen_time: FrozenTime
):
    (used,) = make(books, batch="used")
    (cancelled,) = make(books, batch="cancelled")
    (expired,) = make(books, batch="expired", expires_at=clock.now() + timedelta(days=1))
    redeem(books, used, books.user())
    cancel(books, "cancelled")
    frozen_time.advance(86_400)
    unknown = "FLOW-00000-00000-00000-00000"
    stranger = books.user()
    heard = {
        (type(error), error.message, error.field)
        for code in (used, cancelled, expired, unknown, "nonsense", "")
        for error in [refused(lambda code=code: redeem(books, code, stranger))]
    }
    assert heard == {(VoucherNotAccepted, VoucherNotAccepted.message, "code")}
    assert books.wallet(stranger) == (0, 0, 0, 0)


def test_who_used_it_is_told_so_and_not_paid_again(books: Books):
    (code,) = make(books)
    user_id = books.user()
    redeem(books, code, user_id)
    error = refused(lambda: redeem(books, code.lower(), user_id))
    assert isinstance(error, VoucherRedeemedBefore)
    assert "2026-11-24" in error.message
    assert books.wallet(user_id) == (0, 0, AMOUNT, 0)


@pytest.mark.parametrize("columns", [{"active": False}, {"claimed_at": None}])
def test_only_an_active_claimed_account_redeems(books: Books, columns: dict[str, Any]):
    (code,) = make(books)
    user_id = books.user()
    change(books, user_id, **columns)
    assert isinstance(refused(lambda: redeem(books, code, user_id)), AccountCannotRedeem)
    assert books.rows("SELECT redeemed_by FROM vouchers") == [(None,)]


def test_refused_account_learns_nothing_of_the_code(books: Books):
    user_id = books.user()
    change(books, user_id, claimed_at=None)
    assert isinstance(refused(lambda: redeem(books, "nonsense", user_id)), AccountCannotRedeem)


def test_code_is_good_until_the_moment_it_expires(books: Books, frozen_time: FrozenTime):
    (code,) = make(books, expires_at=clock.now() + timedelta(days=1))
    frozen_time.advance(86_399)
    assert redeem(books, code, books.user()).amount_nanos == AMOUNT


def test_cancel_ends_what_is_open_and_leaves_what_was_redeemed(books: Books):
    codes = make(books, count=3)
    user_id = books.user()
    redeem(books, codes[0], user_id)
    assert cancel(books) == 2
    assert cancel(books) == 0
    assert books.wallet(user_id)[2] == AMOUNT
    assert states(books) == [VoucherState.CANCELLED, VoucherState.CANCELLED, VoucherState.REDEEMED]
    assert books.drifts() == []


def states(books: Books) -> list[VoucherState]:
    with Session(books.engine) as session:
        return [
            vouchers.state_of(voucher, at=clock.now()) for voucher, _ in vouchers.listed(session)
        ]


def test_unknown_batch_is_told(books: Books):
    assert isinstance(refused(lambda: cancel(books, "summer")), VoucherBatchUnknown)


def test_batch_is_made_once(books: Books):
    make(books)
    assert isinstance(refused(lambda: make(books)), VoucherBatchExists)
    assert len(books.rows("SELECT id FROM vouchers")) == 1


def test_batch_that_is_made_many_times_at_once_is_made_once(any_books: Books):
    def attempt() -> bool:
        try:
            make(any_books, count=200)
        except VoucherBatchExists:
            return False
        return True

    assert sum(together(*[attempt] * 6)) == 1
    assert len(any_books.rows("SELECT id FROM vouchers")) == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", 0), ("amount", -1), ("amount", vouchers.MOST_NANOS + 1),
        ("count", 0), ("count", vouchers.MOST_AT_ONCE + 1),
        ("batch", ""), ("batch", " x"), ("batch", "a\nb"), ("batch", "x" * 65),
        ("reason", "  "), ("reason", "x" * 255),
        ("expires_at", datetime.fromtimestamp(0, clock.now().tzinfo)),
    ],
)  # fmt: skip
def test_batch_that_makes_no_sense_is_refused_by_its_field(books: Books, field: str, value: Any):
    name = "amount_nanos" if field == "amount" else field
    error = refused(lambda: make(books, **{name: value}))
    assert isinstance(error, InvalidVouchers)
    assert error.field == field
    assert books.rows("SELECT id FROM vouchers") == []


def test_list_tells_who_redeemed_and_is_bounded(books: Books):
    first, _ = make(books, count=2)
    make(books, batch="summer")
    redeem(books, first, books.user())
    with Session(books.engine) as session:
        rows = vouchers.listed(session, batch="spring")
        assert [email for _, email in rows] == [None, rows[1][1]]
        assert rows[1][1] is not None
        assert len(vouchers.listed(session, count=1)) == 1
        assert session.get_one(Voucher, 1).batch == "spring"
