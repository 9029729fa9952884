"""Refunds: never more than was charged, to the bucket it came from, once for each reference."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.core.database import in_session
from app.domain.accounts.models import KeyScope
from app.domain.billing.errors import (
    CallUnknown,
    HoldPending,
    NothingToRefund,
    ReferenceUsed,
    RefundAboveCharge,
)
from app.domain.billing.refunds import Refunded, Split, refund, refunded
from tests.domain.billing.books import Books
from tests.domain.billing.test_races import together


def give_back(
    books: Books, call_id: int, amount_nanos: int | None = None, **changes: Any
) -> Refunded:
    with Session(books.engine) as session:
        given = refund(
            in_session(session),
            **{
                "call_id": call_id,
                "amount_nanos": amount_nanos,
                "actor": "operator",
                "reason": "a bad answer",
                "reference": None,
                **changes,
            },
        )
        session.commit()
    return given


def charged(books: Books, *, trial: int, paid: int, cost: int) -> tuple[int, int]:
    """(user, call) of a call that was posted."""
    user_id = books.user(trial=trial, paid=paid)
    hold = books.hold(books.key(user_id), min(cost, trial + paid))
    books.post(hold, cost)
    return user_id, hold.call_id


def test_whole_charge_goes_back_to_both_buckets(any_books: Books):
    user_id, call_id = charged(any_books, trial=30, paid=100, cost=50)
    given = give_back(any_books, call_id)
    assert given == Refunded(user_id, Split(trial_nanos=30, paid_nanos=20), 0, is_first=True)
    assert any_books.wallet(user_id) == (30, 0, 100, 0)
    assert any_books.drifts() == []
    assert any_books.rows(
        "SELECT debit_account_id, credit_account_id - user_id * 2, amount_nanos, call_id, actor"
        " FROM transfers WHERE kind = 'refund' ORDER BY amount_nanos"
    ) == [(1, 1, 20, call_id, "operator"), (1, 0, 30, call_id, "operator")]


def test_part_goes_to_the_paid_bucket_first_and_no_further_than_it_paid(books: Books):
    user_id, call_id = charged(books, trial=30, paid=100, cost=50)
    first = give_back(books, call_id, 15)
    assert (first.given, first.left_nanos) == (Split(trial_nanos=0, paid_nanos=15), 35)
    second = give_back(books, call_id, 15)
    assert (second.given, second.left_nanos) == (Split(trial_nanos=10, paid_nanos=5), 20)
    assert books.wallet(user_id) == (10, 0, 100, 0)
    assert books.drifts() == []


def test_more_than_is_left_is_refused_and_moves_nothing(books: Books):
    user_id, call_id = charged(books, trial=0, paid=100, cost=50)
    give_back(books, call_id, 20)
    with pytest.raises(RefundAboveCharge, match=r"0\.00000003 USD are left"):
        give_back(books, call_id, 31)
    assert books.wallet(user_id) == (0, 0, 70, 0)
    give_back(books, call_id, 30)
    with pytest.raises(NothingToRefund):
        give_back(books, call_id)


def test_written_off_part_was_never_paid(books: Books):
    user_id, call_id = charged(books, trial=0, paid=10, cost=15)
    with pytest.raises(RefundAboveCharge):
        give_back(books, call_id, 11)
    assert give_back(books, call_id).given.total_nanos == 10
    assert books.wallet(user_id) == (0, 0, 10, 0)
    assert books.drifts() == []


def test_trial_money_never_becomes_paid_money(books: Books):
    user_id = books.user(trial=40, paid=100)
    hold = books.hold(books.key(user_id, scope=KeyScope.TRIAL), 30)
    books.post(hold, 30)
    give_back(books, hold.call_id)
    assert books.wallet(user_id) == (40, 0, 100, 0)


def test_trial_part_stays_where_its_grant_is_over(books: Books):
    _, call_id = charged(books, trial=30, paid=100, cost=50)
    given = give_back(books, call_id, is_trial_over=True)
    assert (given.given, given.left_nanos) == (Split(trial_nanos=0, paid_nanos=20), 0)
    with pytest.raises(NothingToRefund):
        give_back(books, call_id, is_trial_over=True)


def test_running_voided_and_unknown_calls_are_not_refunded(books: Books):
    key = books.key(books.user(paid=100))
    running, voided = books.hold(key, 10), books.hold(key, 10)
    books.void(voided)
    with pytest.raises(HoldPending):
        give_back(books, running.call_id)
    with pytest.raises(NothingToRefund):
        give_back(books, voided.call_id)
    with pytest.raises(CallUnknown):
        give_back(books, 1)
    assert books.rows("SELECT 1 FROM transfers WHERE kind = 'refund'") == []


def test_same_reference_refunds_once(any_books: Books):
    user_id, call_id = charged(any_books, trial=30, paid=100, cost=50)
    first = give_back(any_books, call_id, 25, reference="case 7")
    again = give_back(any_books, call_id, 25, reference="case 7")
    assert (again.given, again.left_nanos, again.is_first) == (first.given, 25, False)
    assert give_back(any_books, call_id, None, reference="case 7").is_first is False
    assert any_books.wallet(user_id) == (5, 0, 100, 0)
    assert any_books.drifts() == []


def test_reference_of_another_refund_is_refused(books: Books):
    _, call_id = charged(books, trial=0, paid=100, cost=50)
    _, other_id = charged(books, trial=0, paid=100, cost=50)
    give_back(books, call_id, 25, reference="case 7")
    with pytest.raises(ReferenceUsed):
        give_back(books, call_id, 5, reference="case 7")
    with pytest.raises(ReferenceUsed):
        give_back(books, other_id, 25, reference="case 7")


def test_many_at_once_give_back_exactly_the_charge(any_books: Books):
    user_id, call_id = charged(any_books, trial=35, paid=100, cost=100)

    def attempt() -> int:
        try:
            return give_back(any_books, call_id, 9).given.total_nanos
        except RefundAboveCharge:
            return 0

    assert sum(together(*[attempt] * 20)) == 99
    assert any_books.wallet(user_id) == (34, 0, 100, 0)
    assert any_books.drifts() == []


def test_one_reference_in_many_threads_refunds_once(any_books: Books):
    user_id, call_id = charged(any_books, trial=0, paid=100, cost=50)
    given = together(*[lambda: give_back(any_books, call_id, 10, reference="case 7")] * 10)
    assert sum(each.is_first for each in given) == 1
    assert any_books.wallet(user_id) == (0, 0, 60, 0)


def test_refund_does_not_give_the_keys_cap_back(books: Books):
    user_id = books.user(paid=100)
    hold = books.hold(books.key(user_id, cap_nanos=60), 50)
    books.post(hold, 50)
    give_back(books, hold.call_id)
    assert books.rows("SELECT spent_nanos FROM key_cap_periods") == [(50,)]
    assert books.drifts() == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    trial=st.integers(0, 60),
    paid=st.integers(0, 60),
    cost=st.integers(1, 150),
    amounts=st.lists(st.one_of(st.none(), st.integers(1, 60)), max_size=6),
)
def test_no_sequence_gives_back_more_than_each_bucket_paid(
    books: Books, trial: int, paid: int, cost: int, amounts: list[int | None]
):
    user_id = books.user(trial=trial, paid=paid)
    hold = books.hold(books.key(user_id), min(cost, trial + paid))
    books.post(hold, cost)
    for amount in amounts:
        try:
            give_back(books, hold.call_id, amount)
        except (RefundAboveCharge, NothingToRefund):
            continue
    trial_left, _, paid_left, _ = books.wallet(user_id)
    assert trial_left <= trial
    assert paid_left <= paid
    with Session(books.engine) as session:
        split = refunded(in_session(session), user_id=user_id, call_id=hold.call_id)
    assert split.total_nanos == trial_left + paid_left - max(trial + paid - cost, 0)
    assert books.drifts() == []
