"""``/metrics``: for whoever has the token, and about everything but people."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app import create_app
from app.core.database import db, in_session
from app.domain import alerts
from app.domain.alerts.kinds import AlertKind
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import add_model
from app.domain.channels.buying import NewChannel, add_channel
from app.domain.channels.models import BreakerTurn
from app.domain.channels.states import StoreTurn
from app.services import services
from tests.conftest import boot_settings
from tests.core.test_metrics import samples

TOKEN = "t" * 32


@pytest.fixture
def metered(app: Flask) -> Iterator[Flask]:
    """An app with a token, on the database of `app`."""
    boot = boot_settings(app.config["INSTANCE_PATH"], METRICS_TOKEN=TOKEN)
    made = create_app(boot)
    yield made
    with made.app_context():
        db.session.remove()
        db.engine.dispose()


def scrape(app: Flask) -> dict[str, float]:
    response = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    return samples(response.data)


def test_without_a_token_set_there_is_nothing(app: Flask) -> None:
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}"}):
        assert app.test_client().get("/metrics", headers=headers).status_code == 404


@pytest.mark.parametrize(
    "sent",
    [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"bearer {'ü' * 9}"],
)
def test_wrong_token_is_told_nothing(metered: Flask, sent: str | None) -> None:
    headers = {} if sent is None else {"Authorization": sent}
    response = metered.test_client().get("/metrics", headers=headers)
    assert response.status_code == 401
    assert response.data == b""
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_token_is_answered_in_the_text_format(metered: Flask) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = metered.test_client().get("/metrics", headers=headers)
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in response.headers
    found = samples(response.data)
    assert found["flowhub_build_info{'database': 'sqlite'}"] == 1
    assert found["flowhub_slots{}"] == 48
    assert found["flowhub_slots_taken{}"] == 0
    assert found["flowhub_database_up{}"] == 1


def test_open_alerts_are_counted_by_kind(metered: Flask, session: Session) -> None:
    for subject in ("a", "b"):
        alerts.raise_alert(session, kind=AlertKind.WRITE_OFF, subject=subject, message="x")
    alerts.raise_alert(session, kind=AlertKind.CHANNEL_DEAD, subject="c", message="x")
    alerts.resolve(session, kind=AlertKind.CHANNEL_DEAD, subject="c")
    session.commit()
    found = {name: value for name, value in scrape(metered).items() if "open_alerts" in name}
    assert found == {"flowhub_open_alerts{'kind': 'write_off'}": 2}


def test_look_at_the_database_is_kept_for_a_moment(metered: Flask, session: Session) -> None:
    assert scrape(metered)["flowhub_database_up{}"] == 1
    alerts.raise_alert(session, kind=AlertKind.WRITE_OFF, subject="a", message="x")
    session.commit()
    assert not any("open_alerts{" in name for name in scrape(metered))


def test_database_that_is_out_leaves_the_rest(metered: Flask) -> None:
    with services(metered).engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE alerts RENAME TO gone")
    found = scrape(metered)
    assert found["flowhub_database_up{}"] == 0
    assert "flowhub_pending_holds{}" not in found
    assert "flowhub_slots{}" in found


def test_breaker_shows_its_one_state(metered: Flask, session: Session) -> None:
    model = add_model(
        session,
        NewModel(
            name="talk",
            provider="acme",
            kind=ModelKind.EMBEDDING,
            sheet=PriceSheet(Prices.from_usd(per_million={"input": "1"})),
            max_input_tokens=8_192,
        ),
        is_published=True,
        author="test",
        reason="test",
    )
    channel = add_channel(
        session,
        NewChannel(
            name="main",
            base_url="https://ai.example.com/v1",
            api_key="secret",
            models={"talk": "talk"},
        ),
        sealer=services(metered).sealer,
    )
    turn = StoreTurn(channel.id, model.id, BreakerTurn.OPEN, 1, 2, "status_500")
    turn.apply(in_session(session))
    session.commit()
    states = {
        name.partition("'state': ")[2]: value
        for name, value in scrape(metered).items()
        if name.startswith("flowhub_breaker_state{'channel': 'main', 'model': 'talk'")
    }
    assert states == {"'closed'}": 0, "'open'}": 1, "'half_open'}": 0}


@pytest.mark.postgresql
@pytest.mark.slow
def test_postgresql_is_looked_at_alike(postgresql_app: Flask, tmp_path: Path) -> None:
    url = postgresql_app.config["DATABASE_URL"]
    made = create_app(boot_settings(tmp_path, METRICS_TOKEN=TOKEN, DATABASE_URL=url))
    found = scrape(made)
    with made.app_context():
        db.engine.dispose()
    assert found["flowhub_build_info{'database': 'postgresql'}"] == 1
    assert found["flowhub_database_up{}"] == 1
    assert found["flowhub_pending_holds_usd{}"] == 0
