"""Cookies: who sends and reads them. Sessions belong to pages; JSON surfaces never see one."""

from datetime import timedelta

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from app.edge.surfaces import Surface, surface_of

SESSION_LIFETIME = timedelta(days=14)


class PageSessions(SecureCookieSessionInterface):
    """Flask's signed sessions, on pages alone: elsewhere a session is empty and read-only."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if surface_of(request.path) is not Surface.PAGE:
            return None
        return super().open_session(app, request)


def bind_cookies(app: Flask) -> None:
    is_production = app.config["APP_ENV"] == "production"
    app.session_interface = PageSessions()
    app.config.update(
        # The prefix keeps a neighbouring subdomain from planting a session of its own.
        SESSION_COOKIE_NAME="__Host-session" if is_production else "session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=is_production,
        PERMANENT_SESSION_LIFETIME=SESSION_LIFETIME,
    )
