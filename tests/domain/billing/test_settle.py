"""Post charges what was used, void returns it all, each once; no settlement fails for money."""

import json

from app.domain.accounts.models import KeyScope
from app.domain.billing.models import CallState
from app.domain.billing.settle import CallRecord, Settled
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books, posting, voiding

REPLAYED = Settled(is_first=False, cost_nanos=0, written_off_nanos=0, balances=None)


def everything(books: Books) -> list[tuple[object, ...]]:
    return books.rows(
        "SELECT w.*, (SELECT COUNT(*) FROM transfers), (SELECT SUM(amount_nanos) FROM transfers),"
        " (SELECT SUM(cost_nanos) FROM calls), (SELECT SUM(running) FROM key_caps),"
        " (SELECT SUM(spent_nanos + held_nanos) FROM key_cap_periods)"
        " FROM wallets w ORDER BY user_id"
    )


def usage(books: Books) -> list[tuple[object, ...]]:
    return books.rows(
        "SELECT id - call_id * 2, debit_account_id - user_id * 2, credit_account_id, amount_nanos"
        " FROM transfers WHERE kind = 'usage' ORDER BY id"
    )


def test_post_returns_unused_hold(any_books: Books):
    user_id = any_books.user(paid=100)
    settled = any_books.post(any_books.hold(any_books.key(user_id), 80), 30)
    assert (settled.is_first, settled.cost_nanos, settled.written_off_nanos) == (True, 30, 0)
    assert settled.balances is not None
    assert settled.balances.available(KeyScope.FULL) == 70
    assert any_books.wallet(user_id) == (0, 0, 70, 0)
    assert usage(any_books) == [(1, 1, 1, 30)]
    assert any_books.drifts() == []


def test_post_spends_trial_money_first(any_books: Books):
    user_id = any_books.user(trial=30, paid=100)
    hold = any_books.hold(any_books.key(user_id), 50)
    any_books.post(hold, 40)
    assert any_books.wallet(user_id) == (0, 0, 90, 0)
    assert usage(any_books) == [(0, 0, 1, 30), (1, 1, 1, 10)]
    assert any_books.call(hold.call_id).trial_cost_nanos == 30
    assert any_books.drifts() == []


def test_post_within_the_trial_leg_leaves_paid_money_alone(books: Books):
    user_id = books.user(trial=30, paid=100)
    books.post(books.hold(books.key(user_id), 50), 20)
    assert books.wallet(user_id) == (10, 0, 100, 0)
    assert usage(books) == [(0, 0, 1, 20)]


def test_post_completes_the_call_with_its_record(any_books: Books, frozen_time: FrozenTime):
    hold = any_books.hold(any_books.key(any_books.user(paid=100)), 80)
    frozen_time.advance(2)
    record = CallRecord(
        status=200,
        reason="client_gone",
        channel_id=4,
        cost_version_id=5,
        is_estimated=True,
        units=json.dumps({"input": 10, "output": 20}),
        upstream_cost_nanos=12,
        first_content_ms=300,
        duration_ms=2000,
        attempts="[]",
        reported="{}",
    )
    any_books.writer.submit(posting(hold, 30)._replace(record=record))
    call = any_books.call(hold.call_id)
    assert call.state is CallState.POSTED
    assert (call.status, call.reason, call.channel_id, call.cost_version_id) == (
        200,
        "client_gone",
        4,
        5,
    )
    assert (call.is_estimated, call.upstream_cost_nanos, call.cost_nanos) == (True, 12, 30)
    assert (call.first_content_ms, call.duration_ms) == (300, 2000)
    assert (call.attempts, call.reported) == ("[]", "{}")
    assert call.settled_at is not None
    assert call.settled_at.timestamp() == frozen_time.now_s
    assert any_books.drifts() == []


def test_post_of_nothing_makes_no_transfer(books: Books):
    user_id = books.user(paid=100)
    hold = books.hold(books.key(user_id), 80)
    books.post(hold, 0)
    assert books.call(hold.call_id).state is CallState.POSTED
    assert books.wallet(user_id) == (0, 0, 100, 0)
    assert usage(books) == []
    assert books.drifts() == []


def test_void_returns_all_and_keeps_the_reason(any_books: Books):
    user_id = any_books.user(trial=30, paid=100)
    hold = any_books.hold(any_books.key(user_id, cap_nanos=500, max_running=1), 50)
    settled = any_books.void(hold)
    assert settled.is_first
    assert any_books.wallet(user_id) == (30, 0, 100, 0)
    call = any_books.call(hold.call_id)
    assert (call.state, call.cost_nanos, call.reason) == (CallState.VOIDED, 0, "upstream_failed")
    assert any_books.rows("SELECT running FROM key_caps") == [(0,)]
    assert any_books.rows("SELECT spent_nanos, held_nanos FROM key_cap_periods") == [(0, 0)]
    assert any_books.drifts() == []


def test_second_settlement_changes_nothing(any_books: Books):
    key = any_books.key(any_books.user(trial=20, paid=100), cap_nanos=500, max_running=3)
    posted, voided = any_books.hold(key, 50), any_books.hold(key, 30)
    any_books.post(posted, 40)
    any_books.void(voided)
    after = everything(any_books)
    for hold in (posted, voided):
        for replay in (posting(hold, 40), posting(hold, 70), posting(hold, 0), voiding(hold)):
            assert any_books.writer.submit(replay) == REPLAYED
    assert everything(any_books) == after
    assert any_books.drifts() == []


def test_settlement_of_an_unknown_call_changes_nothing(books: Books):
    hold = books.hold(books.key(books.user(paid=100)), 50)
    before = everything(books)
    stranger = hold._replace(call_id=hold.call_id + 1)
    assert books.post(stranger, 10) == REPLAYED
    assert books.void(stranger) == REPLAYED
    assert everything(books) == before


def test_excess_is_charged_from_what_is_free(any_books: Books):
    user_id = any_books.user(trial=30, paid=100)
    hold = any_books.hold(any_books.key(user_id), 10)
    settled = any_books.post(hold, 45)
    assert settled.written_off_nanos == 0
    assert any_books.wallet(user_id) == (0, 0, 85, 0)
    assert any_books.call(hold.call_id).trial_cost_nanos == 30
    assert any_books.drifts() == []


def test_excess_never_touches_what_another_call_holds(any_books: Books):
    user_id = any_books.user(paid=100)
    key = any_books.key(user_id)
    any_books.hold(key, 70)
    settled = any_books.post(any_books.hold(key, 20), 45)
    assert settled.written_off_nanos == 15
    assert any_books.wallet(user_id) == (0, 0, 70, 70)
    assert any_books.rows(
        "SELECT debit_account_id, credit_account_id, amount_nanos FROM transfers"
        " WHERE kind = 'write_off'"
    ) == [(4, 1, 15)]
    assert any_books.drifts() == []


def test_excess_of_a_trial_key_is_written_off_rather_than_paid(any_books: Books):
    user_id = any_books.user(trial=30, paid=100)
    key = any_books.key(user_id, scope=KeyScope.TRIAL)
    settled = any_books.post(any_books.hold(key, 20), 50)
    assert settled.written_off_nanos == 20
    assert any_books.wallet(user_id) == (0, 0, 100, 0)
    assert any_books.drifts() == []


def test_replay_of_a_written_off_post_writes_off_once(books: Books):
    hold = books.hold(books.key(books.user(paid=20)), 20)
    books.post(hold, 45)
    assert books.post(hold, 45) == REPLAYED
    assert books.rows("SELECT COUNT(*) FROM transfers WHERE kind = 'write_off'") == [(1,)]


def test_cap_counts_the_charge_and_not_the_write_off(any_books: Books):
    key = any_books.key(any_books.user(paid=30), cap_nanos=100)
    any_books.post(any_books.hold(key, 20), 45)
    assert any_books.rows("SELECT spent_nanos, held_nanos FROM key_cap_periods") == [(30, 0)]
    assert any_books.drifts() == []


def test_excess_may_pass_the_cap_for_the_call_has_happened(books: Books):
    key = books.key(books.user(paid=100), cap_nanos=20)
    books.post(books.hold(key, 20), 45)
    assert books.rows("SELECT spent_nanos, held_nanos FROM key_cap_periods") == [(45, 0)]
    assert books.drifts() == []


def test_call_over_the_end_of_a_month_counts_in_the_month_of_its_hold(
    any_books: Books, frozen_time: FrozenTime
):
    key = any_books.key(any_books.user(paid=1000), cap_nanos=100)
    hold = any_books.hold(key, 80)
    frozen_time.advance(8 * 86_400)
    any_books.hold(key, 10)
    any_books.post(hold, 60)
    assert any_books.rows(
        "SELECT period, spent_nanos, held_nanos FROM key_cap_periods ORDER BY period"
    ) == [("2026-11", 60, 0), ("2026-12", 0, 10)]


def test_cap_lifted_while_a_call_runs_is_unwound_as_it_was_held(books: Books):
    key = books.key(books.user(paid=1000), cap_nanos=100)
    hold = books.hold(key, 80)
    books.execute("UPDATE key_caps SET limit_nanos = NULL")
    free = books.hold(key, 500)
    assert free.cap_period is None
    books.post(hold, 60)
    books.post(free, 500)
    assert books.rows("SELECT spent_nanos, held_nanos FROM key_cap_periods") == [(60, 0)]
    assert books.rows("SELECT running FROM key_caps") == [(0,)]
    assert books.drifts() == []
