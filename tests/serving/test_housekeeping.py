"""What the product does now and then, whoever calls it."""

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.partners import budgets
from app.domain.partners.models import DailyBudget
from app.serving.housekeeping import sweep_everything
from tests.conftest import FrozenTime

DAY_S = 86_400


def test_counters_of_days_long_past_are_forgotten(
    app: Flask, session: Session, frozen_time: FrozenTime
) -> None:
    budgets.take(session, name="old", amount=1, limit=9)
    frozen_time.advance((budgets.KEPT_DAYS + 1) * DAY_S)
    budgets.take(session, name="new", amount=1, limit=9)
    session.commit()
    sweep_everything(app)
    assert list(session.scalars(select(DailyBudget.name))) == ["new"]
