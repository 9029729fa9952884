"""A day's budget is exact under a race and begins anew at midnight UTC."""

import threading

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import db
from app.domain.partners import budgets
from app.domain.partners.models import DailyBudget


def test_budget_is_taken_up_to_its_limit(session):
    takes = [budgets.take(session, name="x", amount=3, limit=7) for _ in range(3)]
    assert takes == [True, True, False]
    assert budgets.used(session, name="x") == 6
    assert budgets.take(session, name="x", amount=1, limit=7)
    assert not budgets.take(session, name="y", amount=8, limit=7)
    assert budgets.used(session, name="y") == 0


def test_each_day_has_its_own(session, frozen_time):
    assert budgets.take(session, name="x", amount=1, limit=1)
    frozen_time.advance(86_400)
    assert budgets.used(session, name="x") == 0
    assert budgets.take(session, name="x", amount=1, limit=1)


def test_old_days_are_forgotten(session, frozen_time):
    budgets.take(session, name="x", amount=1, limit=1)
    frozen_time.advance(41 * 86_400)
    budgets.take(session, name="x", amount=1, limit=1)
    assert budgets.forget_old(session) == 1
    assert session.scalars(select(DailyBudget.day)).all() == [budgets.today()]


def test_race_never_exceeds_the_limit(any_app):
    with any_app.app_context():
        engine = db.engine
    taken = []

    def take() -> None:
        for _ in range(5):
            with Session(engine) as session:
                if budgets.take(session, name="x", amount=2, limit=25):
                    taken.append(2)
                session.commit()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Session(engine) as session:
        assert sum(taken) == 24 == budgets.used(session, name="x")
