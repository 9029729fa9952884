"""The sweeper settles what a dead process left, as the published table says, and once."""

import json

import pytest
from sqlalchemy.orm import Session

from app.core import clock
from app.core.database import in_session
from app.domain.accounts.models import KeyScope
from app.domain.billing.leases import LEASE_S, Progress, RenewLease
from app.domain.billing.models import CallState
from app.domain.billing.sweep import DEADLINE_GRACE_S, SweepResult, sweep
from app.domain.billing.values import Hold
from app.domain.catalog.pricing import MILLION, Prices, PriceSheet
from app.domain.catalog.units import Unit
from tests.conftest import FrozenTime
from tests.domain.billing.books import DEADLINE_S, Books, add_model


def run_sweep(books: Books, limit: int = 100) -> SweepResult:
    with Session(books.engine) as session:
        result = sweep(in_session(session), at_ms=clock.now_ms(), limit=limit)
        session.commit()
    return result


def deliver(books: Books, hold: Hold, frames: int, input_tokens: int | None) -> None:
    progress = [Progress(hold.call_id, frames, input_tokens)]
    books.writer.submit(RenewLease(books.lease_id, clock.now_ms(), progress))


def die(frozen_time: FrozenTime) -> None:
    frozen_time.advance(LEASE_S + 1)


def test_delivered_output_of_a_dead_process_is_posted_as_an_estimate(
    any_books: Books, frozen_time: FrozenTime
):
    user_id = any_books.user(trial=30, paid=100)
    hold = any_books.hold(any_books.key(user_id, cap_nanos=500, max_running=1), 90)
    deliver(any_books, hold, 40, 12)
    die(frozen_time)
    assert run_sweep(any_books) == SweepResult(posted=1, voided=0, has_more=False)
    call = any_books.call(hold.call_id)
    assert (call.state, call.status, call.reason) == (CallState.POSTED, 200, "process_died")
    assert (call.is_estimated, call.cost_nanos, call.trial_cost_nanos) == (True, 52, 30)
    assert json.loads(call.units or "") == {"input": 12, "output": 40}
    assert any_books.wallet(user_id) == (0, 0, 78, 0)
    assert any_books.rows("SELECT spent_nanos, held_nanos FROM key_cap_periods") == [(52, 0)]
    assert any_books.rows("SELECT running FROM key_caps") == [(0,)]
    assert any_books.drifts() == []


def test_call_without_delivered_output_is_voided(any_books: Books, frozen_time: FrozenTime):
    user_id = any_books.user(paid=100)
    key = any_books.key(user_id)
    silent, counted = any_books.hold(key, 10), any_books.hold(key, 10)
    deliver(any_books, counted, 0, 12)
    die(frozen_time)
    assert run_sweep(any_books) == SweepResult(posted=0, voided=2, has_more=False)
    assert any_books.wallet(user_id) == (0, 0, 100, 0)
    call = any_books.call(silent.call_id)
    assert (call.state, call.reason, call.cost_nanos) == (CallState.VOIDED, "process_died", 0)
    assert any_books.drifts() == []


def test_estimate_is_never_above_the_hold(any_books: Books, frozen_time: FrozenTime):
    user_id = any_books.user(paid=1000)
    hold = any_books.hold(any_books.key(user_id), 50)
    deliver(any_books, hold, 10_000, 12)
    die(frozen_time)
    run_sweep(any_books)
    assert any_books.wallet(user_id) == (0, 0, 950, 0)
    assert json.loads(any_books.call(hold.call_id).units or "") == {"input": 12, "output": 38}
    assert any_books.drifts() == []


def test_prompt_that_was_not_counted_costs_nothing(books: Books, frozen_time: FrozenTime):
    hold = books.hold(books.key(books.user(paid=100)), 50)
    deliver(books, hold, 7, None)
    die(frozen_time)
    run_sweep(books)
    assert books.call(hold.call_id).cost_nanos == 7


def test_trial_call_is_settled_from_trial_money(books: Books, frozen_time: FrozenTime):
    user_id = books.user(trial=20, paid=100)
    hold = books.hold(books.key(user_id, scope=KeyScope.TRIAL), 20)
    deliver(books, hold, 50, 50)
    die(frozen_time)
    run_sweep(books)
    assert books.wallet(user_id) == (0, 0, 100, 0)
    assert books.drifts() == []


def test_calls_of_a_living_process_are_left_alone(any_books: Books, frozen_time: FrozenTime):
    hold = any_books.hold(any_books.key(any_books.user(paid=100)), 10)
    for _ in range(DEADLINE_S // LEASE_S):
        frozen_time.advance(LEASE_S)
        deliver(any_books, hold, 3, 3)
        assert run_sweep(any_books) == SweepResult(posted=0, voided=0, has_more=False)
    frozen_time.advance(DEADLINE_GRACE_S)
    deliver(any_books, hold, 3, 3)
    assert run_sweep(any_books).posted == 0


@pytest.mark.parametrize(
    ("frames", "state"), [(4, CallState.POSTED), (0, CallState.VOIDED)], ids=["posted", "voided"]
)
def test_call_long_past_its_deadline_is_settled_though_its_process_lives(
    any_books: Books, frozen_time: FrozenTime, frames: int, state: CallState
):
    hold = any_books.hold(any_books.key(any_books.user(paid=100)), 10)
    frozen_time.advance(DEADLINE_S + DEADLINE_GRACE_S + 1)
    deliver(any_books, hold, frames, 3)
    run_sweep(any_books)
    call = any_books.call(hold.call_id)
    assert (call.state, call.reason) == (state, "deadline")
    assert any_books.drifts() == []


def test_calls_of_an_ended_or_unknown_lease_are_settled_at_once(books: Books):
    key = books.key(books.user(paid=100))
    books.hold(key, 10)
    books.hold(key, 10, lease_id=999)
    assert run_sweep(books).voided == 1
    books.writer.submit(RenewLease(books.lease_id, clock.now_ms(), is_last=True))
    assert run_sweep(books).voided == 1
    assert books.drifts() == []


def test_sweep_works_in_batches_until_nothing_is_left(any_books: Books, frozen_time: FrozenTime):
    for _ in range(5):
        any_books.hold(any_books.key(any_books.user(paid=100)), 10)
    die(frozen_time)
    results = [run_sweep(any_books, limit=2) for _ in range(3)]
    assert [result.voided for result in results] == [2, 2, 1]
    assert [result.has_more for result in results] == [True, True, False]
    assert any_books.drifts() == []


def test_second_sweep_changes_nothing(books: Books, frozen_time: FrozenTime):
    user_id = books.user(paid=100)
    hold = books.hold(books.key(user_id), 10)
    deliver(books, hold, 5, 1)
    die(frozen_time)
    run_sweep(books)
    assert run_sweep(books) == SweepResult(posted=0, voided=0, has_more=False)
    assert books.wallet(user_id) == (0, 0, 94, 0)


def test_owner_that_comes_back_finds_its_call_settled(any_books: Books, frozen_time: FrozenTime):
    user_id = any_books.user(paid=100)
    hold = any_books.hold(any_books.key(user_id), 50)
    deliver(any_books, hold, 5, 1)
    die(frozen_time)
    run_sweep(any_books)
    assert not any_books.post(hold, 50).is_first
    assert not any_books.void(hold).is_first
    assert any_books.wallet(user_id) == (0, 0, 94, 0)
    assert any_books.drifts() == []


def test_call_without_a_price_by_the_token_is_voided(books: Books, frozen_time: FrozenTime, caplog):
    with Session(books.engine) as session:
        model_id, version_id = add_model(session, PriceSheet(Prices({Unit.IMAGE: MILLION})))
        session.commit()
    key = books.key(books.user(paid=100))
    hold = books.hold(key, 50, model_id=model_id, price_version_id=version_id)
    orphan = books.hold(key, 50, price_version_id=999)
    deliver(books, hold, 5, 1)
    deliver(books, orphan, 5, 1)
    die(frozen_time)
    assert run_sweep(books).voided == 2
    assert caplog.text.count("cannot be estimated") == 2


def test_writer_can_sweep_as_a_session_can(any_books: Books, frozen_time: FrozenTime):
    class Sweeping:
        order = 0

        def apply(self, execute):
            return sweep(execute, at_ms=clock.now_ms())

    hold = any_books.hold(any_books.key(any_books.user(paid=100)), 50)
    deliver(any_books, hold, 5, 1)
    die(frozen_time)
    assert any_books.writer.submit(Sweeping()) == SweepResult(posted=1, voided=0, has_more=False)
    assert any_books.drifts() == []
