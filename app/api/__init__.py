"""JSON for partners and key holders under ``/api``."""

from app.api.envelope import error_response
from app.api.routes import bp

__all__ = ["bp", "error_response"]
