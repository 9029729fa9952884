"""Reserve holds all that it needs or nothing, and says why not."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.accounts.models import CapPeriod, KeyScope
from app.domain.billing.cap_periods import end_of
from app.domain.billing.errors import NoWallet
from app.domain.billing.models import CallState
from app.domain.billing.values import Refusal
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books, Key, bound_of


def counts(books: Books) -> list[tuple[int, ...]]:
    """Whatever a reserve may change, in numbers."""
    return books.rows(
        "SELECT (SELECT COUNT(*) FROM calls), (SELECT SUM(trial_held_nanos) FROM wallets),"
        " (SELECT SUM(paid_held_nanos) FROM wallets), (SELECT COALESCE(SUM(running), 0) FROM"
        " key_caps), (SELECT COALESCE(SUM(held_nanos), 0) FROM key_cap_periods)"
    )


def test_full_key_holds_trial_money_first_then_paid(any_books: Books):
    user_id = any_books.user(trial=30, paid=100)
    hold = any_books.hold(any_books.key(user_id), 50)
    assert (hold.trial_nanos, hold.paid_nanos) == (30, 20)
    assert any_books.wallet(user_id) == (30, 30, 100, 20)
    call = any_books.call(hold.call_id)
    assert (call.state, call.scope) == (CallState.PENDING, KeyScope.FULL)
    assert (call.held_trial_nanos, call.held_paid_nanos, call.cost_nanos) == (30, 20, None)
    assert any_books.drifts() == []


def test_trial_key_never_reaches_paid_money(any_books: Books):
    user_id = any_books.user(trial=30, paid=100)
    key = any_books.key(user_id, scope=KeyScope.TRIAL)
    before = counts(any_books)
    refusal = any_books.reserve(key, 31)
    assert refusal == Refusal(
        reason="balance",
        needed_nanos=31,
        available_nanos=30,
        held_nanos=0,
        affordable_output_limit=None,
    )
    assert counts(any_books) == before
    assert any_books.hold(key, 30).paid_nanos == 0


def test_refusal_tells_what_a_trial_key_may_know(books: Books):
    user_id = books.user(trial=30, paid=100)
    books.hold(books.key(user_id), 50)
    refusal = books.reserve(books.key(user_id, scope=KeyScope.TRIAL), 1)
    assert isinstance(refusal, Refusal)
    assert (refusal.available_nanos, refusal.held_nanos) == (0, 30)


def test_wallet_is_spent_to_the_last_nano_and_no_further(books: Books):
    user_id = books.user(paid=100)
    key = books.key(user_id)
    books.hold(key, 60)
    books.hold(key, 40)
    assert isinstance(books.reserve(key, 1), Refusal)
    assert books.hold(key, 0).amount_nanos == 0
    assert books.wallet(user_id) == (0, 0, 100, 100)


def test_cap_bounds_spent_and_held_of_all_keys_that_share_it(any_books: Books):
    first = any_books.key(any_books.user(paid=1000), cap_nanos=100)
    second = any_books.sibling(first)
    any_books.post(any_books.hold(first, 50), 40)
    any_books.hold(second, 30)
    before = counts(any_books)
    refusal = any_books.reserve(first, 31)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.available_nanos) == ("cap", 30)
    assert counts(any_books) == before
    any_books.hold(second, 30)
    assert any_books.drifts() == []


def test_refusal_names_the_balance_where_the_cap_would_admit(books: Books):
    refusal = books.reserve(books.key(books.user(paid=10), cap_nanos=100), 50)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "balance"


def test_refusal_names_the_balance_where_neither_would_admit(books: Books):
    refusal = books.reserve(books.key(books.user(paid=20), cap_nanos=10), 50)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.available_nanos) == ("balance", 10)


def test_cap_lowered_below_what_is_spent_leaves_nothing(books: Books):
    key = books.key(books.user(paid=1000), cap_nanos=100)
    books.post(books.hold(key, 80), 80)
    books.execute("UPDATE key_caps SET limit_nanos = 50")
    refusal = books.reserve(key, 1)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.available_nanos) == ("cap", 0)


@pytest.mark.parametrize(
    ("period", "name", "days", "next_name"),
    [
        (CapPeriod.DAY, "2026-11-24", 1, "2026-11-25"),
        (CapPeriod.WEEK, "2026-W48", 7, "2026-W49"),
        (CapPeriod.MONTH, "2026-11", 8, "2026-12"),
    ],
)
def test_cap_starts_anew_with_its_period(
    any_books: Books,
    frozen_time: FrozenTime,
    period: CapPeriod,
    name: str,
    days: int,
    next_name: str,
):
    key = any_books.key(any_books.user(paid=1000), cap_nanos=100, cap_period=period)
    late = any_books.hold(key, 60)
    any_books.post(any_books.hold(key, 40), 40)
    refusal = any_books.reserve(key, 1)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "cap"
    assert refusal.cap_ends_at == end_of(clock.now_ms(), period)
    frozen_time.advance(days * 86_400)
    assert any_books.hold(key, 100).cap_period == next_name
    any_books.post(late, 60)  # counts where it was held
    assert {drift.check for drift in any_books.drifts()} <= {"overdue"}
    assert any_books.rows(
        "SELECT period, spent_nanos, held_nanos FROM key_cap_periods ORDER BY period"
    ) == [(name, 100, 0), (next_name, 0, 100)]


def test_other_refusals_name_no_period(books: Books):
    key = books.key(books.user(paid=10), cap_nanos=100, max_running=1)
    for refusal in (books.reserve(key, 11), books.hold(key, 1) and books.reserve(key, 1)):
        assert isinstance(refusal, Refusal)
        assert refusal.cap_ends_at is None


def test_another_period_counts_anew(any_books: Books):
    key = any_books.key(any_books.user(paid=1000), cap_nanos=100)
    any_books.post(any_books.hold(key, 100), 100)
    any_books.execute("UPDATE key_caps SET period = 'day'")
    any_books.hold(key, 100)
    assert any_books.drifts() == []


def test_max_running_admits_as_many_and_one_more_when_one_ended(any_books: Books):
    key = any_books.key(any_books.user(paid=1000), max_running=2)
    first = any_books.hold(key, 10)
    any_books.hold(key, 10)
    before = counts(any_books)
    refusal = any_books.reserve(key, 10)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "concurrency"
    assert counts(any_books) == before
    any_books.void(first)
    any_books.hold(key, 10)
    assert any_books.drifts() == []


def test_wrong_decision_cannot_overdraw(any_books: Books):
    user_id = any_books.user(trial=10, paid=10)
    key = any_books.key(user_id, cap_nanos=1000, max_running=5)
    before = counts(any_books)
    with pytest.raises(AssertionError):
        any_books.reserve(key, 0, decide=lambda available: bound_of(available + 1))
    assert counts(any_books) == before


def test_wrong_decision_cannot_pass_the_cap(any_books: Books):
    key = any_books.key(any_books.user(paid=1000), cap_nanos=100)
    before = counts(any_books)
    with pytest.raises(AssertionError):
        any_books.reserve(key, 0, decide=lambda available: bound_of(101))
    assert counts(any_books) == before


def test_the_database_itself_refuses_paid_money_to_a_trial_call(any_books: Books):
    key = any_books.key(any_books.user(trial=10, paid=10), scope=KeyScope.TRIAL)
    hold = any_books.hold(key, 5)
    with (
        Session(any_books.engine) as session,
        pytest.raises(Exception, match="trial_holds_no_paid"),
    ):
        session.execute(text(f"UPDATE calls SET held_paid_nanos = 1 WHERE id = {hold.call_id}"))


def test_the_bound_travels_with_the_hold(books: Books):
    key = books.key(books.user(paid=1000))
    hold = books.hold(key, 0, decide=lambda available: bound_of(available // 2, output_limit=77))
    assert (hold.amount_nanos, hold.bound) == (500, bound_of(500, output_limit=77))


def test_user_without_wallet_is_refused(books: Books):
    with pytest.raises(NoWallet):
        books.reserve(Key(id=1, user_id=999_999, scope=KeyScope.FULL, cap_id=None), 1)
