"""Limits that change while calls run: no order of events overspends a cap or keeps money held."""

import random
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from app.core import clock
from app.core.writer import Writer
from app.domain.accounts import keys, limits
from app.domain.accounts.models import ApiKey, CapPeriod
from app.domain.billing.values import Hold
from tests.domain.billing.books import Books, Key, posting, voiding
from tests.domain.billing.test_races import together

DAY_MS = 86_400_000
CHANGES: tuple[dict[str, Any], ...] = (
    {"cap_nanos": 40},
    {"cap_nanos": 400},
    {"cap_nanos": 0},
    {"cap_nanos": None},
    {"period": CapPeriod.DAY},
    {"period": CapPeriod.WEEK},
    {"max_running": 1},
    {"max_running": None},
    {"cap_nanos": 200, "period": CapPeriod.MONTH, "max_running": 3},
)


def spend(books: Books, key: Key, seed: int) -> int:
    """Reserve, then post or void, at either side of midnight; what was charged in all."""
    chance, writer = random.Random(seed), Writer(books.engine)
    charged, running = 0, []
    for _ in range(25):
        at_ms = clock.now_ms() + chance.choice([0, DAY_MS])
        hold = writer.submit(books.reservation(key, chance.randint(1, 30), at_ms=at_ms))
        if isinstance(hold, Hold):
            running.append(hold)
        if running and chance.random() < 0.7:
            hold = running.pop(0)
            cost = chance.randint(0, hold.amount_nanos)
            charged += cost
            writer.submit(posting(hold, cost))
    for hold in running:
        writer.submit(voiding(hold))
    return charged


def change(books: Books, key: Key, seed: int) -> int:
    chance = random.Random(seed)
    for _ in range(15):
        with Session(books.engine) as session:
            found = session.get_one(ApiKey, key.id)
            limits.change_limits(session, key=found, changes=chance.choice(CHANGES), actor="owner")
            session.commit()
    return 0


def test_books_hold_while_limits_change_under_running_calls(any_books: Books):
    user_id = any_books.user(trial=200, paid=2_000)
    key = any_books.key(user_id, cap_nanos=200, max_running=3)
    tasks: list[Callable[[], int]] = [
        *(lambda seed=seed: spend(any_books, key, seed) for seed in range(4)),  # type: ignore[misc]
        lambda: change(any_books, key, 9),
    ]
    charged = sum(together(*tasks))
    assert charged > 0
    assert any_books.drifts() == []
    trial, trial_held, paid, paid_held = any_books.wallet(user_id)
    assert (trial_held, paid_held) == (0, 0)
    assert trial + paid == 2_200 - charged
    assert any_books.rows(
        "SELECT SUM(running), SUM(held_nanos) FROM key_caps, key_cap_periods"
    ) == [(0, 0)]


def test_cap_of_a_period_is_never_overspent_by_calls_around_its_end(any_books: Books):
    key = any_books.key(any_books.user(paid=100_000), cap_nanos=100, cap_period=CapPeriod.DAY)
    tasks = [lambda seed=seed: spend(any_books, key, seed) for seed in range(6)]
    together(*tasks)
    spent = any_books.rows("SELECT spent_nanos FROM key_cap_periods")
    assert len(spent) == 2
    assert all(0 < nanos <= 100 for (nanos,) in spent)
    assert any_books.drifts() == []


def test_key_revoked_under_a_running_call_is_charged_for_it_and_keeps_nothing_held(
    any_books: Books,
):
    user_id = any_books.user(paid=100)
    key = any_books.key(user_id, cap_nanos=80, max_running=2)
    hold = any_books.hold(key, 60)
    with Session(any_books.engine) as session:
        keys.revoke(session, key=session.get_one(ApiKey, key.id), actor="owner")
        session.commit()
    any_books.post(hold, 50)
    assert any_books.wallet(user_id) == (0, 0, 50, 0)
    assert any_books.drifts() == []
