"""``/metrics`` for Prometheus: only for whoever sends METRICS_TOKEN, and not there without one."""

import hmac
from typing import cast

from flask import Blueprint, Flask, Response, request
from flask.blueprints import BlueprintSetupState

from app.api.authentication import bearer_secret
from app.api.gauges import DatabaseGauges, ProcessGauges
from app.core.errors import NotFound
from app.core.metrics import CONTENT_TYPE
from app.services import services

bp = Blueprint("metrics", __name__)


@bp.record_once
def _register_gauges(state: BlueprintSetupState) -> None:
    process = services(cast(Flask, state.app))
    process.metrics.registry.register(ProcessGauges(process))
    process.metrics.registry.register(DatabaseGauges(process.engine))


@bp.get("/metrics")
def show() -> Response:
    """A stranger learns nothing but that a token is wanted."""
    process = services()
    token = process.boot["METRICS_TOKEN"]
    if not token:
        raise NotFound
    sent = bearer_secret(request.headers.get("Authorization")) or ""
    if not hmac.compare_digest(sent.encode(), token.encode()):
        return Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    response = Response(process.metrics.text(), content_type=CONTENT_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response
