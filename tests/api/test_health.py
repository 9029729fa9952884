"""Alive, and ready."""

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import services


def test_healthy_and_ready_on_a_migrated_database(app: Flask) -> None:
    client = app.test_client()
    alive, ready = client.get("/healthz"), client.get("/readyz")
    assert (alive.status_code, alive.json) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json) == (200, {"status": "ready"})


def test_draining_process_is_alive_and_not_ready(app: Flask) -> None:
    services(app).gateway.is_draining = True
    assert app.test_client().get("/healthz").status_code == 200
    _assert_not_ready(app, ["draining"])


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DROP TABLE alembic_version", "database"),
        ("UPDATE alembic_version SET version_num = '0001'", "migrations"),
    ],
)
def test_database_that_cannot_serve_is_not_ready(
    app: Flask, session: Session, statement: str, reason: str
) -> None:
    session.execute(text(statement))
    session.commit()
    assert app.test_client().get("/healthz").status_code == 200
    _assert_not_ready(app, [reason])


def _assert_not_ready(app: Flask, reasons: list[str]) -> None:
    response = app.test_client().get("/readyz")
    assert response.status_code == 503
    assert response.json == {"status": "not_ready", "reasons": reasons}
    assert int(response.headers["Retry-After"]) > 0
