"""Request ids and the access log: one line for each request that Flask handles.

The id is always ours. It is in every line logged meanwhile and in ``X-Request-Id``; a handler of
``/v1`` that minted its own (it names the call) keeps it, and writes the line itself.
"""

from flask import Flask, Response, g, request

from app.core import clock, ids, logs
from app.edge.surfaces import surface_of
from app.services import services

HEADER = "X-Request-Id"

# What stands behind these is a secret of whoever was mailed the link.
SECRET_PREFIXES = ("/claim/",)


def bind_request_log(app: Flask) -> None:
    """Bind first: what is logged last must see what all others made of the answer."""
    app.before_request(_begin)
    app.after_request(_finish)
    app.teardown_request(_forget)


def current_request_id() -> str:
    """The id of this request, as shown to whoever made it."""
    request_id: str = g.request_id
    return request_id


def _begin() -> None:
    g.started_s = clock.monotonic()
    g.request_id = ids.request_id(ids.mint())
    g.request_id_token = logs.request_id_in_log.set(g.request_id)


def _finish(response: Response) -> Response:
    request_id = response.headers.setdefault(HEADER, current_request_id())
    logs.request_id_in_log.set(request_id)
    services().metrics.count_request(
        surface=surface_of(request.path).value,
        method=request.method,
        status=response.status_code,
        duration_s=clock.monotonic() - g.started_s,
    )
    if not g.get("is_logged"):
        logs.write_request(
            request_id=request_id,
            method=request.method,
            path=_loggable(request.path),
            status=response.status_code,
            started_s=g.started_s,
            facts={},
        )
    return response


def _forget(error: BaseException | None) -> None:
    token = g.pop("request_id_token", None)
    if token is not None:
        logs.request_id_in_log.reset(token)


def _loggable(path: str) -> str:
    for prefix in SECRET_PREFIXES:
        if path.startswith(prefix):
            return f"{prefix}…"
    return path
