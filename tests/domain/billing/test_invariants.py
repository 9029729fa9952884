"""Whatever happens to the books, in whatever order, the proof holds after every step."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from app.core import clock
from app.core.database import db, engine_options, in_session, prepare_engine
from app.domain.accounts.models import CapPeriod, KeyScope
from app.domain.billing import ledger
from app.domain.billing.errors import InsufficientBalance
from app.domain.billing.leases import LEASE_S, Progress, RenewLease, start_lease
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import AccountKind, TransferKind
from app.domain.billing.sweep import sweep
from app.domain.billing.values import Hold
from tests.conftest import NOW_S, FrozenTime
from tests.domain.billing.books import Books, Key, posting, voiding

amounts = st.integers(1, 300)
Plan = tuple[int, Callable[..., Any] | None, int]
plans = st.tuples(  # what to hold, how to settle it, at which cost
    st.integers(0, 120), st.sampled_from([None, posting, voiding]), st.integers(0, 150)
)
optional_caps = st.none() | st.integers(0, 400)
databases = itertools.count(1)
KINDS: dict[Callable[..., bool], TransferKind] = {
    ledger.credit: TransferKind.OPERATOR_CREDIT,
    ledger.debit: TransferKind.OPERATOR_DEBIT,
}


class BooksMachine(RuleBasedStateMachine):
    """Users, keys and calls under every operation of the ledger; `open_engine` is given below."""

    open_engine: Callable[[], Engine]
    keys = Bundle("keys")
    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.time = FrozenTime(NOW_S)
        self._stopped_clock = clock.use_source(lambda: self.time.now_s)
        self._stopped_clock.__enter__()
        self.books = Books(type(self).open_engine())
        self.worth: dict[int, int] = {}
        self.is_swept = True
        self.may_have_been_swept = False
        self.settled: set[int] = set()
        self.references: set[str] = set()

    def teardown(self) -> None:
        self.books.engine.dispose()
        self._stopped_clock.__exit__(None, None, None)

    @initialize(target=keys, trial=amounts, paid=amounts, cap=optional_caps)
    def start(self, trial: int, paid: int, cap: int | None) -> Key:
        user_id = self._add_user(trial, paid)
        full = self.books.key(user_id, cap_nanos=cap, max_running=3)
        return multiple(full, self.books.sibling(full), self._trial_key(user_id))

    @rule(target=keys, trial=amounts, paid=amounts)
    def add_user(self, trial: int, paid: int) -> Key:
        user_id = self._add_user(trial, paid)
        return multiple(self.books.key(user_id, cap_nanos=150), self._trial_key(user_id))

    @rule(target=calls, key=keys, plans=st.lists(plans, min_size=1, max_size=5))
    def call(self, key: Key, plans: list[Plan]) -> Hold:
        admitted = []
        for amount, settle, cost in plans:
            verdict = self.books.reserve(key, amount)
            if isinstance(verdict, Hold):
                self.is_swept = False
                admitted.append(verdict)
                assert settle is None or self._settle(verdict, settle, cost)
        return multiple(*admitted)

    @rule(hold=calls, settle=st.sampled_from([posting, voiding]), cost=st.integers(0, 150))
    def settle_or_replay(self, hold: Hold, settle: Callable[..., Any], cost: int) -> None:
        self._settle(hold, settle, cost)

    @rule(
        key=keys,
        bucket=st.sampled_from(Bucket),
        move=st.sampled_from([ledger.credit, ledger.debit]),
        amount=amounts,
        occasion=st.integers(1, 5),
    )
    def move(
        self, key: Key, bucket: Bucket, move: Callable[..., bool], amount: int, occasion: int
    ) -> None:
        reference = f"{move.__name__} {occasion} of {key.user_id}"
        movement = Movement(
            user_id=key.user_id,
            bucket=bucket,
            amount_nanos=amount,
            counterpart=AccountKind.OPERATOR_CREDITS,
            kind=KINDS[move],
            reference=reference,
            actor="operator",
            reason="any",
        )
        with Session(self.books.engine) as session:
            try:
                is_new = move(in_session(session), movement)
            except InsufficientBalance:
                return
            session.commit()
        assert is_new == (reference not in self.references)
        self.references.add(reference)
        if is_new:
            self.worth[key.user_id] += amount if move is ledger.credit else -amount

    @rule(frames=st.integers(1, 200), input_tokens=st.none() | st.integers(0, 100))
    def crash(self, frames: int, input_tokens: int | None) -> None:
        """Every second pending call has delivered, none is settled, and the process is gone."""
        pending = self.books.rows("SELECT id FROM calls WHERE state = 'pending' ORDER BY id")
        progress = [Progress(call_id, frames, input_tokens) for (call_id,) in pending[::2]]
        self.books.writer.submit(RenewLease(self.books.lease_id, clock.now_ms(), progress))
        self.let_time_pass(LEASE_S + 1, dies=True)
        self.sweep(limit=2)

    @rule(seconds=st.sampled_from([1, 31, 1_000, 2_000_000]), dies=st.booleans())
    def let_time_pass(self, seconds: int, dies: bool) -> None:
        self.time.advance(seconds)
        self.is_swept = False
        if dies:
            with Session(self.books.engine) as session:
                self.books.lease_id = start_lease(session)
                session.commit()

    @rule(limit=st.integers(1, 3))
    def sweep(self, limit: int) -> None:
        has_more = True
        while has_more:
            with Session(self.books.engine) as session:
                result = sweep(in_session(session), at_ms=clock.now_ms(), limit=limit)
                session.commit()
            has_more = result.has_more
        for user_id in self.worth:  # what an estimate took is for the proof to judge
            trial, _, paid, _ = self.books.wallet(user_id)
            assert trial + paid <= self.worth[user_id]
            self.worth[user_id] = trial + paid
        self.is_swept = self.may_have_been_swept = True

    @rule(
        key=keys,
        limit=optional_caps,
        max_running=st.none() | st.integers(1, 3),
        period=st.sampled_from(CapPeriod),
    )
    def change_cap(
        self, key: Key, limit: int | None, max_running: int | None, period: CapPeriod
    ) -> None:
        self.books.execute(
            f"UPDATE key_caps SET limit_nanos = {_sql(limit)}, max_running = {_sql(max_running)},"
            f" period = '{period}' WHERE id = {key.cap_id or 0}"
        )

    @invariant()
    def wallets_are_worth_what_went_in_less_what_was_charged(self) -> None:
        for user_id, worth in self.worth.items():
            trial, trial_held, paid, paid_held = self.books.wallet(user_id)
            assert trial + paid == worth
            assert 0 <= trial_held <= trial
            assert 0 <= paid_held <= paid

    @invariant()
    def the_books_prove_themselves(self) -> None:
        drifts = self.books.drifts()
        assert [d for d in drifts if self.is_swept or d.check != "overdue"] == []

    def _add_user(self, trial: int, paid: int) -> int:
        user_id = self.books.user(trial=trial, paid=paid)
        self.worth[user_id] = trial + paid
        return user_id

    def _trial_key(self, user_id: int) -> Key:
        return self.books.key(user_id, scope=KeyScope.TRIAL)

    def _settle(self, hold: Hold, settle: Callable[..., Any], cost: int) -> bool:
        write = settle(hold, cost) if settle is posting else settle(hold)
        settled = self.books.writer.submit(write)
        assert settled.is_first == (hold.call_id not in self.settled) or self.may_have_been_swept
        self.settled.add(hold.call_id)
        self.worth[hold.user_id] -= settled.cost_nanos - settled.written_off_nanos
        return bool(settled.is_first)


def _sql(value: int | None) -> str:
    return "NULL" if value is None else str(value)


def run_machine(open_engine: Callable[[], Engine], *, examples: int, steps: int) -> None:
    machine = type("Machine", (BooksMachine,), {"open_engine": staticmethod(open_engine)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


def engine_at(url: str) -> Engine:
    engine = create_engine(url, **engine_options(url, synchronous="NORMAL"))
    prepare_engine(engine)
    return engine


def test_invariants_hold_on_sqlite(migrated_sqlite: Path, tmp_path: Path):
    def open_engine() -> Engine:
        path = tmp_path / f"{next(databases)}.db"
        shutil.copy(migrated_sqlite, path)
        return engine_at(f"sqlite:///{path}")

    run_machine(open_engine, examples=40, steps=40)


@pytest.mark.postgresql
@pytest.mark.slow
def test_invariants_hold_on_postgresql(postgresql_app: Flask):
    with postgresql_app.app_context():
        template = db.engine.url
        db.session.remove()
        db.engine.dispose()
    with _maintenance(template.set(database="postgres")) as run:

        def open_engine() -> Engine:
            name = f"{template.database}_{next(databases)}"
            run(f"CREATE DATABASE {name} TEMPLATE {template.database}")
            return engine_at(template.set(database=name).render_as_string(hide_password=False))

        run_machine(open_engine, examples=20, steps=30)


@contextmanager
def _maintenance(url) -> Iterator[Callable[[str], None]]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield lambda sql: connection.execute(text(sql))
    engine.dispose()
