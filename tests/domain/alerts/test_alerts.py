"""Alerts: one open row a cause, counted while it recurs, the same from a page and the writer."""

import threading

import pytest
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core.database import db
from app.core.writer import Writer
from app.domain.alerts import (
    ALERTS,
    AlertKind,
    alert_write,
    open_alerts,
    raise_alert,
    resolve,
    take_alerts_to_mail,
)
from app.domain.alerts.models import Alert
from tests.conftest import NOW_S

DEAD = AlertKind.CHANNEL_DEAD


@pytest.fixture
def engine(any_app: Flask) -> Engine:
    with any_app.app_context():
        return db.engine


def raise_once(engine: Engine, message: str = "401", subject: str = "channel 3") -> None:
    with Session(engine) as session:
        raise_alert(session, kind=DEAD, subject=subject, message=message)
        session.commit()


def opened(engine: Engine) -> list[Alert]:
    with Session(engine) as session:
        return list(open_alerts(session))


def test_every_kind_has_title_and_advice_and_fits_its_column():
    assert set(ALERTS) == set(AlertKind)
    for kind, row in ALERTS.items():
        assert row.kind is kind
        assert row.title
        assert row.advice
        assert len(kind.value) <= 48


def test_cause_that_recurs_is_counted_with_its_latest_message(engine, frozen_time):
    raise_once(engine, "401")
    frozen_time.advance(60)
    raise_once(engine, "403")
    [alert] = opened(engine)
    assert (alert.kind, alert.subject, alert.message) == ("channel_dead", "channel 3", "403")
    assert alert.occurrences == 2
    assert alert.opened_at.timestamp() == NOW_S
    assert alert.last_seen_at.timestamp() == NOW_S + 60


def test_subjects_are_alerts_of_their_own_latest_first(engine, frozen_time):
    raise_once(engine, subject="channel 3")
    frozen_time.advance(1)
    raise_once(engine, subject="channel 4")
    assert [alert.subject for alert in opened(engine)] == ["channel 4", "channel 3"]


def test_resolved_cause_that_comes_back_is_a_new_alert(engine, frozen_time):
    raise_once(engine)
    with Session(engine) as session:
        assert resolve(session, kind=DEAD, subject="channel 3")
        assert not resolve(session, kind=DEAD, subject="channel 3")
        session.commit()
    assert opened(engine) == []
    raise_once(engine)
    [alert] = opened(engine)
    assert (alert.id, alert.occurrences) == (2, 1)


def test_alert_is_gone_when_the_caller_rolls_back(engine):
    with Session(engine) as session:
        raise_alert(session, kind=DEAD, subject="channel 3", message="401")
        session.rollback()
    assert opened(engine) == []


def test_long_subject_is_cut_to_its_column_and_resolved_alike(engine):
    raise_once(engine, subject="x" * 500)
    assert opened(engine)[0].subject == "x" * 128
    with Session(engine) as session:
        assert resolve(session, kind=DEAD, subject="x" * 500)


def test_racing_threads_count_every_occurrence_once(engine):
    """Half of them as pages do, half through the writer."""
    writer = Writer(engine)
    writer.start()

    def submit() -> None:
        for _ in range(5):
            writer.submit(alert_write(kind=DEAD, subject="channel 3", message="401"))

    def page() -> None:
        for _ in range(5):
            raise_once(engine)

    threads = [threading.Thread(target=target) for target in (submit, page) * 3]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        writer.stop()
    [alert] = opened(engine)
    assert alert.occurrences == 30


def test_writes_of_one_cause_share_their_order_behind_every_wallet():
    first, second, other = (
        alert_write(kind=DEAD, subject=subject, message="m") for subject in ("a", "a", "b")
    )
    assert first.order == second.order != other.order
    assert min(first.order, other.order) >= 1 << 62


@pytest.mark.postgresql
@pytest.mark.slow
def test_alert_being_mailed_is_not_taken_by_another_process(postgresql_app: Flask, frozen_time):
    """On SQLite the second one waits for the write lock, then finds nothing due."""
    with postgresql_app.app_context():
        engine = db.engine
    raise_once(engine)
    with Session(engine) as first, Session(engine) as second:
        assert len(take_alerts_to_mail(first)) == 1
        assert take_alerts_to_mail(second) == []
        first.commit()
    with Session(engine) as third:
        assert take_alerts_to_mail(third) == []
