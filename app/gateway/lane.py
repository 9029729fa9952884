"""The two ways into one handler.

The blueprint registers every ``/v1`` endpoint, so that routes, docs, policy and tests see them. The
lane looks a hot path up before Flask wakes (Flask and Werkzeug cost about 110 µs a request) and
calls the same handler. A test proves that both give the same bytes.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from flask import Blueprint, Flask, Response, current_app, g, request
from sqlalchemy import exc

from app.core import logs
from app.core.database import DatabaseBusy
from app.core.errors import AppError
from app.gateway import call_log, dashboard, listing
from app.gateway.gateway import Gateway
from app.gateway.inbound import Inbound, Reply
from app.gateway.protocols import PROTOCOLS, Protocol
from app.gateway.proxy import handle
from app.gateway.replies import error_reply

log = logging.getLogger(__name__)

Handler = Callable[[Inbound], Reply]
StartResponse = Callable[..., Any]

bp = Blueprint("gateway", __name__)

DATABASE_OUT = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class FlowHub(Flask):
    """A Flask app with a fast lane: `lane` maps (method, path) to a handler."""

    lane: Mapping[tuple[str, str], Handler] = {}

    def wsgi_app(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        handler = self.lane.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if handler is None:
            return super().wsgi_app(environ, start_response)
        reply = answer(self.extensions["gateway"], handler, environ)
        start_response(_STATUS_LINES[reply.status], reply.headers)
        return (reply.body,) if isinstance(reply.body, bytes) else reply.body


def open_lane(app: FlowHub, gateway: Gateway) -> None:
    """Bind the gateway's handlers to the app, both ways."""
    app.extensions["gateway"] = gateway
    app.lane = {
        ("POST", protocol.path): partial(handle, gateway, protocol) for protocol in PROTOCOLS
    }
    app.register_blueprint(bp)


def answer(gateway: Gateway, handler: Handler, environ: dict[str, Any]) -> Reply:
    """Call a handler, and log how it ended; a stream logs its own end."""
    inbound = Inbound(environ)
    token = logs.request_id_in_log.set(inbound.request_id)
    try:
        reply = _handled(handler, inbound)
    finally:
        logs.request_id_in_log.reset(token)
    if isinstance(reply.body, bytes):
        call_log.end(gateway.measures, inbound, reply)
    return reply


def _handled(handler: Handler, inbound: Inbound) -> Reply:
    """A fault of our own becomes a plain 500, logged with its request id."""
    try:
        return handler(inbound)
    except DATABASE_OUT:
        log.exception("the database cannot be read")
        return error_reply(DatabaseBusy(retry_after_s=2), inbound)
    except Exception:  # the edge: whatever went wrong, the client gets an answer
        log.exception("a call failed")
        return error_reply(AppError(), inbound)


def _gateway() -> Gateway:
    return cast(Gateway, current_app.extensions["gateway"])


def _respond(handler: Handler) -> Response:
    """The same reply as by the lane, as Flask's response. Its line in the log is written."""
    g.is_logged = True
    reply = answer(_gateway(), handler, request.environ)
    response = Response(reply.body, status=_STATUS_LINES[reply.status])
    response.headers.clear()
    response.headers.extend(reply.headers)
    return response


def _serve(protocol: Protocol) -> Response:
    return _respond(partial(handle, _gateway(), protocol))


for _protocol in PROTOCOLS:
    bp.add_url_rule(
        _protocol.path,
        endpoint=_protocol.name,
        view_func=partial(_serve, _protocol),
        methods=["POST"],
    )


@bp.get("/v1/models")
def list_models() -> Response:
    return _respond(partial(listing.list_models, _gateway()))


@bp.get("/v1/models/<path:name>")
def show_model(name: str) -> Response:
    gateway = _gateway()
    return _respond(lambda inbound: listing.show_model(gateway, inbound, name))


@bp.get("/v1/dashboard/billing/subscription")
@bp.get("/dashboard/billing/subscription", endpoint="bare_subscription")
def show_subscription() -> Response:
    return _respond(partial(dashboard.show_subscription, _gateway()))


@bp.get("/v1/dashboard/billing/usage")
@bp.get("/dashboard/billing/usage", endpoint="bare_usage")
def show_billed_usage() -> Response:
    return _respond(partial(dashboard.show_usage, _gateway()))
