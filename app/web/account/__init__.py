"""Entry (sign in, claim) and a user's own pages; the owner of Flask-Security's routes."""

from app.web.account import claiming, home, keys  # noqa: F401  (their views)
from app.web.account.blueprint import bp
from app.web.account.signing_in import bind_security

__all__ = ["bind_security", "bp"]
