"""Every route once: its address, its methods, and who may call it.

The table is enforced here, before any view runs; a route that is missing from it answers nobody. A
test compares it with the URL map. The secret of a KEY route is checked by its handler, which needs
the key itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from flask import Flask, redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app.core.errors import NotFound, UnsupportedMediaType
from app.edge.surfaces import Surface, surface_of


class Access(StrEnum):
    """Who may call: anyone, who presents a key, who is signed in, the operator (others: 404)."""

    PUBLIC = "public"
    KEY = "key"
    SESSION = "session"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route. `methods` are those besides HEAD and OPTIONS, which follow from them."""

    path: str
    methods: str
    endpoint: str
    access: Access


_KEY_ID = f"<int(max={2**63 - 1}):key_id>"

POLICY: tuple[RouteRow, ...] = (
    RouteRow("/static/<path:filename>", "GET", "static", Access.PUBLIC),
    RouteRow("/healthz", "GET", "health.healthz", Access.PUBLIC),
    RouteRow("/readyz", "GET", "health.readyz", Access.PUBLIC),
    RouteRow("/metrics", "GET", "metrics.show", Access.PUBLIC),  # asks for METRICS_TOKEN itself
    RouteRow("/openapi.json", "GET", "openapi.show", Access.PUBLIC),
    # OpenAI's surface.
    RouteRow("/v1/chat/completions", "POST", "gateway.chat", Access.KEY),
    RouteRow("/v1/embeddings", "POST", "gateway.embeddings", Access.KEY),
    RouteRow("/v1/images/generations", "POST", "gateway.images", Access.KEY),
    RouteRow("/v1/models", "GET", "gateway.list_models", Access.KEY),
    RouteRow("/v1/models/<path:name>", "GET", "gateway.show_model", Access.KEY),
    RouteRow("/v1/dashboard/billing/subscription", "GET", "gateway.show_subscription", Access.KEY),
    RouteRow("/v1/dashboard/billing/usage", "GET", "gateway.show_billed_usage", Access.KEY),
    RouteRow("/dashboard/billing/subscription", "GET", "gateway.bare_subscription", Access.KEY),
    RouteRow("/dashboard/billing/usage", "GET", "gateway.bare_usage", Access.KEY),
    # Partners and key holders.
    RouteRow("/api/auth/register", "POST", "api.register", Access.PUBLIC),
    RouteRow("/api/user/balance", "GET", "api.balance", Access.KEY),
    RouteRow("/api/user/keys/current", "GET", "api.show_current_key", Access.KEY),
    RouteRow("/api/user/keys/current", "PATCH", "api.narrow_current_key", Access.KEY),
    RouteRow("/api/usage", "GET", "api.list_usage", Access.KEY),
    RouteRow("/api/usage/<public_id>", "GET", "api.show_usage", Access.KEY),
    RouteRow("/api/quote", "POST", "api.quote", Access.KEY),
    # Entry.
    RouteRow("/login", "GET POST", "security.login", Access.PUBLIC),
    RouteRow("/logout", "POST", "security.logout", Access.PUBLIC),
    RouteRow("/claim", "GET", "account.ask_for_link", Access.PUBLIC),
    RouteRow("/claim", "POST", "account.send_link", Access.PUBLIC),
    RouteRow("/claim/<token>", "GET", "account.show_claim", Access.PUBLIC),
    RouteRow("/claim/<token>", "POST", "account.claim", Access.PUBLIC),
    RouteRow("/claim/<token>/refuse", "GET", "account.show_refusal", Access.PUBLIC),
    RouteRow("/claim/<token>/refuse", "POST", "account.refuse_claim", Access.PUBLIC),
    # A user's own.
    RouteRow("/account", "GET", "account.home", Access.SESSION),
    RouteRow("/account/keys", "GET", "account.list_keys", Access.SESSION),
    RouteRow(f"/account/keys/{_KEY_ID}/approve", "POST", "account.approve_key", Access.SESSION),
    RouteRow(f"/account/keys/{_KEY_ID}/replace", "POST", "account.replace_key", Access.SESSION),
    RouteRow(f"/account/keys/{_KEY_ID}/refuse", "POST", "account.refuse_key", Access.SESSION),
    RouteRow(f"/account/keys/{_KEY_ID}/revoke", "POST", "account.revoke_key", Access.SESSION),
)


def bind_policy(app: Flask, rows: tuple[RouteRow, ...] = POLICY) -> None:
    """Enforce the table. Bind before CSRF protection, so that a stranger is sent to sign in."""
    by_endpoint = {row.endpoint: row for row in rows}
    app.before_request(partial(_enforce, by_endpoint))


def _enforce(by_endpoint: Mapping[str, RouteRow]) -> Response | None:
    if request.endpoint is None:  # unknown path or method: the router's error follows
        return None
    row = by_endpoint.get(request.endpoint)
    if row is None:
        raise NotFound
    if row.access is Access.ADMIN and not _is_operator():
        raise NotFound
    if row.access is Access.SESSION and not current_user.is_authenticated:
        return _to_sign_in()
    if request.is_json and surface_of(request.path) is Surface.PAGE:
        raise UnsupportedMediaType
    return None


def _is_operator() -> bool:
    return bool(current_user.is_authenticated and current_user.has_role("admin"))


def _to_sign_in() -> Response:
    """Back to the page afterwards, where it was a page."""
    is_page = request.method in ("GET", "HEAD")
    asked_for = request.full_path.rstrip("?") if is_page else None
    return redirect(url_for("security.login", next=asked_for), 303)
