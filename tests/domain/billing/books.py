"""Books to write in: users, keys and calls at one nano a token: a cost reads as its units."""

import json
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.core import clock, ids
from app.core.crypto import Digester
from app.core.writer import Writer
from app.domain.accounts.models import CapPeriod, KeyScope, User
from app.domain.billing.bound import BeyondMeans, Bound
from app.domain.billing.leases import start_lease
from app.domain.billing.models import Call, Wallet
from app.domain.billing.reserve import Reserve
from app.domain.billing.settle import CallRecord, Post, Settled, Void
from app.domain.billing.values import Decide, Hold, Refusal
from app.domain.billing.verify import Drift, verify
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.models import Model, PriceVersion
from app.domain.catalog.pricing import MILLION, Prices, PriceSheet
from app.domain.catalog.units import Unit
from tests.factories import credit, make_key, make_user

A_NANO_A_TOKEN = PriceSheet(Prices({Unit.INPUT: MILLION, Unit.OUTPUT: MILLION}))
DEADLINE_S = 900


@dataclass(frozen=True)
class Key:
    """What the gateway knows of a key."""

    id: int
    user_id: int
    scope: KeyScope
    cap_id: int | None


class Books:
    """The books in `engine`'s database, written through a writer of their own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.writer = Writer(engine)
        self.digester = Digester(b"d" * 40)
        with Session(engine) as session:
            self.model_id, self.price_version_id = add_model(session, A_NANO_A_TOKEN)
            self.lease_id = start_lease(session)
            session.commit()

    def user(self, *, trial: int = 0, paid: int = 0) -> int:
        with Session(self.engine) as session:
            user_id = make_user(session).id
            for bucket, amount in (("trial", trial), ("paid", paid)):
                if amount:
                    credit(session, user_id, amount, bucket)
            session.commit()
        return user_id

    def key(
        self,
        user_id: int,
        *,
        scope: KeyScope = KeyScope.FULL,
        cap_nanos: int | None = None,
        max_running: int | None = None,
        cap_period: CapPeriod = CapPeriod.MONTH,
    ) -> Key:
        with Session(self.engine) as session:
            user = session.get_one(User, user_id)
            key, _ = make_key(
                session, self.digester, user, scope, cap_nanos=cap_nanos, max_running=max_running
            )
            if key.cap is not None:
                key.cap.period = cap_period
            session.commit()
            return Key(key.id, user_id, scope, key.cap_id)

    def sibling(self, key: Key) -> Key:
        """Another key of the same user, under the same cap."""
        return replace(self.key(key.user_id, scope=key.scope), cap_id=key.cap_id)

    def reservation(self, key: Key, amount: int, **changes: Any) -> Reserve:
        row = {
            "call_id": ids.mint(),
            "user_id": key.user_id,
            "key_id": key.id,
            "scope": key.scope,
            "cap_id": key.cap_id,
            "model_id": self.model_id,
            "price_version_id": self.price_version_id,
            "lease_id": self.lease_id,
            "at_ms": clock.now_ms(),
            "deadline_ms": clock.now_ms() + DEADLINE_S * 1000,
            "protocol": "chat_completions",
            "is_streamed": True,
            "client_request_id": None,
            "decide": exactly(amount),
        }
        return Reserve(**(row | changes))

    def reserve(self, key: Key, amount: int, **changes: Any) -> Hold | Refusal:
        verdict: Hold | Refusal = self.writer.submit(self.reservation(key, amount, **changes))
        return verdict

    def hold(self, key: Key, amount: int, **changes: Any) -> Hold:
        verdict = self.reserve(key, amount, **changes)
        assert isinstance(verdict, Hold), verdict
        return verdict

    def post(self, hold: Hold, cost: int) -> Settled:
        settled: Settled = self.writer.submit(posting(hold, cost))
        return settled

    def void(self, hold: Hold) -> Settled:
        settled: Settled = self.writer.submit(voiding(hold))
        return settled

    def wallet(self, user_id: int) -> tuple[int, int, int, int]:
        """(trial balance, trial held, paid balance, paid held)."""
        with Session(self.engine) as session:
            row = session.get_one(Wallet, user_id)
            return (
                row.trial_balance_nanos,
                row.trial_held_nanos,
                row.paid_balance_nanos,
                row.paid_held_nanos,
            )

    def call(self, call_id: int) -> Call:
        with Session(self.engine, expire_on_commit=False) as session:
            return session.get_one(Call, call_id)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with Session(self.engine) as session:
            return [tuple(row) for row in session.execute(text(sql))]

    def execute(self, sql: str) -> None:
        """Change the database behind the ledger's back."""
        with Session(self.engine) as session:
            session.execute(text(sql))
            session.commit()

    def drifts(self) -> list[Drift]:
        with Session(self.engine) as session:
            return verify(session)


def exactly(amount: int) -> Decide:
    """Hold this much or nothing."""

    def decide(available_nanos: int) -> Bound | BeyondMeans:
        if amount > available_nanos:
            return BeyondMeans(needed_nanos=amount, affordable_output_limit=None)
        return bound_of(amount)

    return decide


def bound_of(amount: int, *, output_limit: int | None = None) -> Bound:
    """A bound of which only the amount (and the limit) matters."""
    return Bound(
        amount_nanos=amount,
        input_bound_tokens=amount,
        output_bound_tokens=0,
        chosen_output_limit=output_limit,
        is_tokenised=False,
    )


def posting(hold: Hold, cost: int) -> Post:
    record = CallRecord(status=200, reason=None, units=json.dumps({"input": cost}))
    return Post(hold=hold, cost_nanos=cost, at_ms=clock.now_ms(), record=record)


def voiding(hold: Hold) -> Void:
    record = CallRecord(status=502, reason="upstream_failed")
    return Void(hold=hold, at_ms=clock.now_ms(), record=record)


def add_model(session: Session, sheet: PriceSheet) -> tuple[int, int]:
    """(model id, price version id) of a new model sold at `sheet`."""
    model = Model(
        name=f"model-{ids.mint()}",
        provider="test",
        kind=ModelKind.CHAT,
        abilities=[],
        is_published=True,
        allows_trial=True,
        created_at=clock.now(),
    )
    session.add(model)
    session.flush()
    version = PriceVersion(
        model_id=model.id,
        effective_at=clock.now(),
        sheet=sheet.to_json(),
        author="test",
        reason="test",
        created_at=clock.now(),
    )
    session.add(version)
    session.flush()
    return model.id, version.id
