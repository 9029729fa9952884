"""What the product does now and then, whoever calls it."""

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.alerts import open_alerts
from app.domain.channels.buying import find_channel, set_enabled
from app.domain.partners import budgets
from app.domain.partners.models import DailyBudget
from app.services import services
from app.serving.housekeeping import sweep_everything
from tests.conftest import FrozenTime
from tests.domain.channels.test_states import stock

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


def test_models_without_a_channel_are_told(app: Flask, session: Session) -> None:
    stock(session, "one", sealer=services(app).sealer)
    set_enabled(session, channel=find_channel(session, "one"), is_enabled=False)
    session.commit()
    sweep_everything(app)
    assert [(alert.kind, alert.subject) for alert in open_alerts(session)] == [
        ("model_without_channel", "talk")
    ]
