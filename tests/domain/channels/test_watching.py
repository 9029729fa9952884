"""Alerts about channels come, stay while the cause lasts, and go by themselves."""

from collections.abc import Collection, Sequence

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.database import in_session
from app.domain.alerts import AlertKind, open_alerts, raise_alert
from app.domain.catalog.models import Model
from app.domain.catalog.selling import REVISION
from app.domain.channels.buying import find_channel, set_enabled
from app.domain.channels.models import BreakerTurn, Channel
from app.domain.channels.offers import Offer, load_offers
from app.domain.channels.states import StoreTurn
from app.domain.channels.watching import watch_channels
from app.domain.settings.revisions import bump
from app.services import services
from tests.conftest import FrozenTime
from tests.domain.channels.test_states import stock

MINUTE_S = 60


@pytest.fixture
def model_id(app: Flask, session: Session, frozen_time: FrozenTime) -> int:
    """``talk`` is bought at ``one`` and at ``two``."""
    return stock(session, "one", "two", sealer=services(app).sealer)[1]


class Watch:
    def __init__(self, app: Flask, session: Session, model_id: int) -> None:
        self._sealer = services(app).sealer
        self._session = session
        self._model_id = model_id

    def turn(self, to: BreakerTurn, *names: str) -> None:
        """The breakers of these channels turn now."""
        now_ms = clock.now_ms()
        opened_ms = None if to is BreakerTurn.CLOSED else now_ms
        for name in names:
            channel = find_channel(self._session, name)
            write = StoreTurn(channel.id, self._model_id, to, opened_ms, now_ms, "status_500")
            write.apply(in_session(self._session))

    def offers(self) -> Collection[Offer]:
        return load_offers(self._session, sealer=self._sealer).values()

    def alerts(self) -> Sequence[tuple[str, str]]:
        """Look once, then say what is open."""
        watch_channels(self._session, self.offers())
        self._session.commit()
        return sorted((alert.kind, alert.subject) for alert in open_alerts(self._session))


@pytest.fixture
def watch(app: Flask, session: Session, model_id: int) -> Watch:
    return Watch(app, session, model_id)


def test_nothing_is_said_while_all_is_well(watch: Watch) -> None:
    assert watch.alerts() == []


def test_breaker_open_for_five_minutes_is_told_and_taken_back(
    watch: Watch, frozen_time: FrozenTime
) -> None:
    watch.turn(BreakerTurn.OPEN, "one")
    frozen_time.advance(5 * MINUTE_S - 1)
    assert watch.alerts() == []
    frozen_time.advance(1)
    assert watch.alerts() == [("breaker_open", "one/talk")]
    watch.turn(BreakerTurn.CLOSED, "one")
    assert watch.alerts() == []


def test_model_is_told_when_all_its_channels_fail(watch: Watch, frozen_time: FrozenTime) -> None:
    watch.turn(BreakerTurn.OPEN, "one", "two")
    frozen_time.advance(MINUTE_S - 1)
    assert watch.alerts() == []
    frozen_time.advance(1)
    assert watch.alerts() == [("model_without_channel", "talk")]
    watch.turn(BreakerTurn.CLOSED, "two")
    assert watch.alerts() == []


def test_model_whose_channels_are_all_disabled_is_told(
    watch: Watch, session: Session, frozen_time: FrozenTime
) -> None:
    for name in ("one", "two"):
        set_enabled(session, channel=find_channel(session, name), is_enabled=False)
    assert watch.alerts() == [("model_without_channel", "talk")]
    set_enabled(session, channel=find_channel(session, "one"), is_enabled=True)
    assert watch.alerts() == []


@pytest.mark.parametrize("change", ["unpublished", "retired"])
def test_model_that_is_not_for_sale_is_no_trouble(
    watch: Watch, session: Session, frozen_time: FrozenTime, change: str
) -> None:
    watch.turn(BreakerTurn.OPEN, "one", "two")
    frozen_time.advance(MINUTE_S)
    model = session.scalars(select(Model)).one()
    if change == "unpublished":
        model.is_published = False
    else:
        model.retires_on = clock.now().date()
    bump(session, REVISION)
    session.flush()
    assert ("model_without_channel", "talk") not in watch.alerts()


def test_disabled_channel_is_not_said_to_fail(
    watch: Watch, session: Session, frozen_time: FrozenTime
) -> None:
    watch.turn(BreakerTurn.OPEN, "one")
    frozen_time.advance(10 * MINUTE_S)
    set_enabled(session, channel=find_channel(session, "one"), is_enabled=False)
    assert watch.alerts() == []


def test_dead_channel_is_told_until_it_is_enabled(watch: Watch, session: Session) -> None:
    channel = session.scalars(select(Channel).where(Channel.name == "one")).one()
    set_enabled(session, channel=channel, is_enabled=False)
    raise_alert(session, kind=AlertKind.CHANNEL_DEAD, subject="one", message="No credit.")
    assert watch.alerts() == [("channel_dead", "one")]
    set_enabled(session, channel=channel, is_enabled=True)
    assert watch.alerts() == []


def test_same_cause_is_one_alert(watch: Watch, session: Session, frozen_time: FrozenTime) -> None:
    watch.turn(BreakerTurn.OPEN, "one")
    frozen_time.advance(5 * MINUTE_S)
    for _ in range(3):
        watch.alerts()
    (alert,) = open_alerts(session)
    assert alert.occurrences == 3
    assert "2026-" in alert.message
    assert "status_500" in alert.message
