"""The OpenAPI document of every JSON endpoint, and the address where it is served."""

from app.api.openapi.view import bp

__all__ = ["bp"]
