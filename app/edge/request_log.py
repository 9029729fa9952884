"""Request ids and the access log: one line for each request that Flask handles.

The id is always ours. It is in every line logged meanwhile and in ``X-Request-Id``; a handler of
``/v1`` that minted its own (it names the call) keeps it.
"""

import logging

from flask import Flask, Response, g, request

from app.core import clock, ids, logs

HEADER = "X-Request-Id"

# What stands behind these is a secret of whoever was mailed the link.
SECRET_PREFIXES = ("/claim/",)

log = logging.getLogger("app.access")


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
    log.info(
        "request",
        extra={
            "method": request.method,
            "path": _loggable(request.path),
            "status": response.status_code,
            "duration_ms": round((clock.monotonic() - g.started_s) * 1000, 1),
        },
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
