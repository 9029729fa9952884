"""Many at once: exactly as many are admitted as there is money, and each call is settled once."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.database import in_session
from app.core.writer import Writer
from app.domain.accounts.limits import change_limits
from app.domain.accounts.models import ApiKey, CapPeriod
from app.domain.audit.models import AuditEntry
from app.domain.billing import ledger
from app.domain.billing.errors import InsufficientBalance
from app.domain.billing.leases import LEASE_S, Progress, RenewLease
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import AccountKind, TransferKind
from app.domain.billing.sweep import sweep
from app.domain.billing.values import Hold, Refusal
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books, Key, posting, voiding


@contextmanager
def started(writer: Writer) -> Iterator[Writer]:
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


def together(*tasks: Callable[[], Any]) -> list[Any]:
    """Run all at the same moment, each in a thread of its own; their results in order."""
    barrier = threading.Barrier(len(tasks))

    def at_once(task: Callable[[], Any]) -> Any:
        barrier.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return [future.result() for future in [pool.submit(at_once, task) for task in tasks]]


def reserve_at_once(
    books: Books, keys: Sequence[Key], amount: int, writers: Sequence[Writer]
) -> list[Hold | Refusal]:
    return together(
        *(
            lambda key=key, writer=writer: writer.submit(books.reservation(key, amount))
            for key, writer in zip(keys, writers, strict=True)
        )
    )


def holds(verdicts: Sequence[Hold | Refusal]) -> list[Hold]:
    return [verdict for verdict in verdicts if isinstance(verdict, Hold)]


def test_fifty_at_once_with_money_for_ten_admit_exactly_ten(any_books: Books):
    user_id = any_books.user(paid=100)
    key = any_books.key(user_id)
    with started(any_books.writer) as writer:
        verdicts = reserve_at_once(any_books, [key] * 50, 10, [writer] * 50)
    assert len(holds(verdicts)) == 10
    assert any_books.wallet(user_id) == (0, 0, 100, 100)
    assert any_books.drifts() == []


def test_both_buckets_together_admit_exactly_what_they_cover(any_books: Books):
    user_id = any_books.user(trial=45, paid=65)
    key = any_books.key(user_id)
    with started(any_books.writer) as writer:
        admitted = holds(reserve_at_once(any_books, [key] * 50, 10, [writer] * 50))
    assert len(admitted) == 11
    assert sorted((hold.trial_nanos, hold.paid_nanos) for hold in admitted) == [
        *[(0, 10)] * 6,
        (5, 5),
        *[(10, 0)] * 4,
    ]
    assert any_books.wallet(user_id) == (45, 45, 65, 65)
    assert any_books.drifts() == []


def test_keys_that_share_a_cap_are_admitted_up_to_it_together(any_books: Books):
    key = any_books.key(any_books.user(paid=10_000), cap_nanos=105)
    keys = [key, any_books.sibling(key)] * 25
    with started(any_books.writer) as writer:
        verdicts = reserve_at_once(any_books, keys, 10, [writer] * 50)
    assert len(holds(verdicts)) == 10
    assert any_books.rows("SELECT held_nanos FROM key_cap_periods") == [(100,)]
    assert any_books.drifts() == []


def test_daily_cap_is_never_passed_while_calls_come_and_go(any_books: Books):
    key = any_books.key(any_books.user(paid=100_000), cap_nanos=500, cap_period=CapPeriod.DAY)
    sibling = any_books.sibling(key)
    other = Writer(any_books.engine)
    is_over = threading.Event()

    def call(number: int) -> int:
        charged = 0
        writer, presented = ((any_books.writer, key), (other, sibling))[number % 2]
        for turn in range(8):
            verdict = writer.submit(any_books.reservation(presented, 20))
            if isinstance(verdict, Hold) and (number + turn) % 4:
                charged += writer.submit(posting(verdict, 13)).cost_nanos
            elif isinstance(verdict, Hold):
                writer.submit(voiding(verdict))
        return charged

    def watch() -> int:
        """The most that was ever spent and held together; the last look is after all is over.

        It pauses between looks: spinning, it would take the interpreter from the writers.
        """
        most, is_last = 0, False
        while not is_last:
            is_last = is_over.wait(0.001)
            rows = any_books.rows("SELECT spent_nanos + held_nanos FROM key_cap_periods")
            most = max(most, *(taken for (taken,) in rows), 0)
        return most

    with started(any_books.writer), started(other), ThreadPoolExecutor(1) as pool:
        watched = pool.submit(watch)
        try:
            charged = sum(together(*(lambda number=number: call(number) for number in range(16))))
        finally:
            is_over.set()
    assert charged > 160  # what 16 can hold at once leaves the first refusal no earlier
    assert charged <= watched.result() <= 500
    assert any_books.rows("SELECT spent_nanos, held_nanos FROM key_cap_periods") == [(charged, 0)]
    assert any_books.drifts() == []


def test_limits_change_while_calls_run(any_books: Books):
    """Neither waits for the other for ever, and the books stay whole."""
    key = any_books.key(any_books.user(paid=100_000), cap_nanos=500)

    def call(number: int) -> None:
        for _ in range(10):
            verdict = any_books.reserve(key, 20)
            if isinstance(verdict, Hold):
                any_books.post(verdict, number)

    def change(number: int) -> None:
        for turn in range(10):
            changes = {"cap_nanos": 100 * number, "period": list(CapPeriod)[turn % 3]}
            with Session(any_books.engine) as session:
                found = session.get_one(ApiKey, key.id)
                change_limits(session, key=found, changes=changes, actor="operator")
                session.commit()

    with started(any_books.writer):
        together(
            *(lambda number=number: call(number) for number in range(8)),
            *(lambda number=number: change(number) for number in range(4)),
        )
    assert any_books.drifts() == []
    with Session(any_books.engine) as session:
        first, *later = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    # Each change is told as the next one found it: none was lost.
    before = first.details["new"]
    for entry in later:
        assert {**before, **entry.details["old"]} == before
        before |= entry.details["new"]


def test_no_more_run_at_once_than_the_key_may(any_books: Books):
    key = any_books.key(any_books.user(paid=10_000), max_running=7)
    with started(any_books.writer) as writer:
        verdicts = reserve_at_once(any_books, [key] * 50, 10, [writer] * 50)
    assert len(holds(verdicts)) == 7
    assert any_books.rows("SELECT running FROM key_caps") == [(7,)]
    assert any_books.drifts() == []


def test_two_processes_admit_exactly_what_the_wallets_cover(any_books: Books):
    users = [any_books.user(trial=40, paid=60) for _ in range(5)]
    keys = [any_books.key(user_id) for user_id in users for _ in range(10)]
    random.Random(7).shuffle(keys)
    other = Writer(any_books.engine)
    with started(any_books.writer) as writer, started(other):
        admitted = holds(reserve_at_once(any_books, keys, 20, [writer, other] * 25))
        settlements = together(
            *(
                lambda hold=hold, process=process: process.submit(posting(hold, 7))
                for hold in admitted
                for process in (writer, other)
            )
        )
    assert len(admitted) == 25
    assert sum(settled.is_first for settled in settlements) == 25
    assert {any_books.wallet(user_id) for user_id in users} == {(26, 0, 39, 0)}
    assert any_books.drifts() == []


def test_pages_credit_and_debit_while_calls_run(any_books: Books):
    user_id = any_books.user(paid=1_000)
    key = any_books.key(user_id, cap_nanos=100_000, max_running=50)

    def call(number: int) -> int:
        charged = 0
        for turn in range(5):
            verdict = any_books.reserve(key, 20)
            if isinstance(verdict, Hold) and (number + turn) % 3:
                charged += any_books.post(verdict, 13).cost_nanos
            elif isinstance(verdict, Hold):
                any_books.void(verdict)
        return -charged

    def move(number: int) -> int:
        moved = 0
        for turn in range(5):
            is_credit = (number + turn) % 2 == 1
            rule, kind = (
                (ledger.credit, TransferKind.OPERATOR_CREDIT)
                if is_credit
                else (ledger.debit, TransferKind.OPERATOR_DEBIT)
            )
            with Session(any_books.engine) as session:
                try:
                    rule(in_session(session), _movement(user_id, 50, f"page {number}.{turn}", kind))
                except InsufficientBalance:
                    continue
                session.commit()
                moved += 50 if is_credit else -50
        return moved

    tasks = [lambda number=number: call(number) for number in range(16)]
    tasks += [lambda number=number: move(number) for number in range(8)]
    with started(any_books.writer):
        changes = together(*tasks)
    assert any_books.wallet(user_id) == (0, 0, 1_000 + sum(changes), 0)
    assert any_books.drifts() == []


def test_proof_holds_at_every_moment_of_a_busy_ledger(any_books: Books):
    keys = [any_books.key(any_books.user(trial=50, paid=500), max_running=9) for _ in range(4)]
    is_over = threading.Event()

    def call(key: Key) -> None:
        for turn in range(20):
            verdict = any_books.reserve(key, 9)
            if isinstance(verdict, Hold):
                settle = voiding(verdict) if turn % 3 else posting(verdict, 20)
                any_books.writer.submit(settle)

    def prove() -> list[Any]:
        drifts = []
        while not is_over.is_set():
            drifts += any_books.drifts()
        return drifts

    with started(any_books.writer), ThreadPoolExecutor(1) as prover:
        proof = prover.submit(prove)
        together(*(lambda key=key: call(key) for key in keys * 2))
        is_over.set()
        assert proof.result() == []


def test_one_reference_in_many_threads_credits_once(any_books: Books):
    user_id = any_books.user()

    def credit() -> bool:
        with Session(any_books.engine) as session:
            is_new = ledger.credit(in_session(session), _movement(user_id, 5, "bank line 1"))
            session.commit()
            return is_new

    assert sum(together(*[credit] * 10)) == 1
    assert any_books.wallet(user_id) == (0, 0, 5, 0)
    assert any_books.drifts() == []


@pytest.mark.parametrize("seed", [1, 2])
def test_sweeper_and_returning_owner_settle_each_call_once(
    any_books: Books, frozen_time: FrozenTime, seed: int
):
    users = [any_books.user(trial=100, paid=900) for _ in range(4)]
    keys = [any_books.key(user_id, cap_nanos=5_000, max_running=50) for user_id in users]
    calls = [any_books.hold(key, 50) for key in keys for _ in range(12)]
    progress = [Progress(hold.call_id, 10, 5) for hold in calls[::2]]
    any_books.writer.submit(RenewLease(any_books.lease_id, clock.now_ms(), progress))
    frozen_time.advance(LEASE_S + 1)
    random.Random(seed).shuffle(calls)

    def sweep_all() -> int:
        settled, has_more = 0, True
        while has_more:
            with Session(any_books.engine) as session:
                result = sweep(in_session(session), at_ms=clock.now_ms(), limit=5)
                session.commit()
            settled, has_more = settled + result.posted + result.voided, result.has_more
        return settled

    def settle(hold: Hold) -> bool:
        return any_books.post(hold, 30).is_first

    with started(any_books.writer):
        swept, other_swept, *by_owner = together(
            sweep_all, sweep_all, *(lambda hold=hold: settle(hold) for hold in calls)
        )
    swept += other_swept + sweep_all()
    assert swept + sum(by_owner) == len(calls)
    assert any_books.rows("SELECT COUNT(*) FROM calls WHERE state = 'pending'") == [(0,)]
    assert any_books.drifts() == []


def _movement(
    user_id: int,
    amount_nanos: int,
    reference: str,
    kind: TransferKind = TransferKind.OPERATOR_CREDIT,
) -> Movement:
    return Movement(
        user_id=user_id,
        bucket=Bucket.PAID,
        amount_nanos=amount_nanos,
        counterpart=AccountKind.OPERATOR_CREDITS,
        kind=kind,
        reference=reference,
        actor="operator",
        reason="race",
    )
