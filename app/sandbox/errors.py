"""Errors in OpenAI's shape: those the sandbox finds, and those it is asked to make up."""

from collections.abc import Mapping
from typing import Any

from app.core.errors import AppError

INVALID_REQUEST = "invalid_request_error"
_TYPE_AND_CODE_BY_STATUS: Mapping[int, tuple[str, str | None]] = {
    400: (INVALID_REQUEST, None),
    401: (INVALID_REQUEST, "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: (INVALID_REQUEST, None),
    404: (INVALID_REQUEST, "model_not_found"),
    405: (INVALID_REQUEST, "method_not_allowed"),
    429: ("requests", "rate_limit_exceeded"),
}


def error_document(
    status: int, message: str, *, field: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """``{"error": …}`` as the provider would send it with that status."""
    kind, usual_code = _TYPE_AND_CODE_BY_STATUS.get(
        status, ("server_error" if status >= 500 else INVALID_REQUEST, None)
    )
    code = usual_code if code is None else code
    return {"error": {"message": message, "type": kind, "param": field, "code": code}}


def document_of(error: AppError) -> dict[str, Any]:
    return error_document(
        error.status, error.message, field=error.field, code=error.facts.get("code")
    )
