"""``/healthz``: the process is alive. ``/readyz``: it can take calls."""

from functools import cache

import orjson
from alembic.script import ScriptDirectory
from flask import Blueprint, Response
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

import config
from app.core.errors import Unavailable
from app.services import services

bp = Blueprint("health", __name__)

_RETRY_AFTER_S = 2


@bp.get("/healthz")
def healthz() -> Response:
    """Says nothing about the database: a process is not restarted because that is away."""
    return _answer(200, {"status": "ok"})


@bp.get("/readyz")
def readyz() -> Response:
    """503 with the reasons while draining, without a database, or with an older schema."""
    process = services()
    reasons = ["draining"] if process.gateway.is_draining else []
    reasons += _database_reasons(process.engine)
    if not reasons:
        return _answer(200, {"status": "ready"})
    response = _answer(503, {"status": "not_ready", "reasons": reasons})
    response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return response


def _database_reasons(engine: Engine) -> list[str]:
    try:
        with engine.connect() as connection:
            revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except (SQLAlchemyError, Unavailable):
        return ["database"]
    return [] if revision == _newest_revision() else ["migrations"]


@cache
def _newest_revision() -> str | None:
    return ScriptDirectory(str(config.ROOT / "migrations")).get_current_head()


def _answer(status: int, body: dict[str, object]) -> Response:
    response = Response(orjson.dumps(body), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
