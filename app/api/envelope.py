"""How ``/api`` answers: ``{"code", "message", "data"}``, with code 0 for success."""

from typing import Any

import orjson
from flask import Response

from app.core.errors import AppError


def success(data: Any) -> Response:
    """200 with `data`: plain values, money as decimal strings."""
    return _response(200, {"code": 0, "message": "success", "data": data})


def error_response(error: AppError) -> Response:
    """Its status; the machine word in ``data.reason``, the input at fault in ``data.field``."""
    data = {"reason": error.reason, **error.facts}
    if error.field is not None:
        data["field"] = error.field
    response = _response(error.status, {"code": error.code, "message": error.message, "data": data})
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _response(status: int, body: dict[str, Any]) -> Response:
    response = Response(orjson.dumps(body), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
