"""``GET /openapi.json``: public, the same for everyone, kept by caches for some minutes."""

from functools import cache

import orjson
from flask import Blueprint, Response, request

from app.api.openapi.document import build
from app.services import services

bp = Blueprint("openapi", __name__)

KEPT_S = 300


@bp.get("/openapi.json")
def show() -> Response:
    """The document; 304 to who has it already."""
    response = Response(_document(services().boot["BASE_URL"]), mimetype="application/json")
    response.headers["Cache-Control"] = f"public, max-age={KEPT_S}"
    response.add_etag()
    response.make_conditional(request)
    return response


@cache
def _document(base_url: str) -> bytes:
    return orjson.dumps(build(base_url))
