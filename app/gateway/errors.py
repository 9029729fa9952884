"""What ``/v1`` refuses, and how an error looks to an OpenAI client.

::

    BadRequest            InvalidParameter, UnsupportedParameter, StatefulNotSupported,
                          RemoteUrlNotSupported, ConflictingCredentials, UpstreamRejected
    Forbidden             KeyExpired, AccountDisabled, ModelNotAllowed
    PayloadTooLarge       UpstreamRejectedSize
    UpstreamFailed        ProviderFailed
    Unavailable           ServerBusy, NoChannel
"""

from typing import Any

import orjson

from app.core.errors import (
    AppError,
    BadRequest,
    Forbidden,
    PayloadTooLarge,
    Unavailable,
    UpstreamFailed,
)

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_balance",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}


class InvalidParameter(BadRequest):
    number = 51
    reason = "invalid_parameter"
    message = "A parameter is not valid."


class UnsupportedParameter(BadRequest):
    number = 52
    reason = "unsupported_parameter"
    message = "This parameter is not supported."


class StatefulNotSupported(BadRequest):
    number = 53
    reason = "stateful_not_supported"
    message = "State kept at the provider is not supported: send the whole conversation."


class RemoteUrlNotSupported(BadRequest):
    number = 54
    reason = "remote_url_not_supported"
    message = "This model takes content as data: URLs only. Inline the file as base64."


class ConflictingCredentials(BadRequest):
    number = 55
    reason = "conflicting_credentials"
    message = "Two different keys were sent. Send one, as Authorization: Bearer sk-…"


class UpstreamRejected(BadRequest):
    number = 56
    reason = "rejected_by_provider"
    message = "The model's provider does not accept this request. Check its parameters."


class KeyExpired(Forbidden):
    number = 52
    reason = "key_expired"
    message = "This key has expired. Make a new one."


class AccountDisabled(Forbidden):
    number = 53
    reason = "account_disabled"
    message = "This account is disabled. Contact us."


class ModelNotAllowed(Forbidden):
    number = 54
    reason = "model_not_allowed"
    message = "This key may not use this model."


class UpstreamRejectedSize(PayloadTooLarge):
    number = 51
    reason = "rejected_by_provider_as_too_large"
    message = "The model's provider does not accept a request of this size."


class ProviderFailed(UpstreamFailed):
    number = 1
    reason = "upstream_error"
    message = "The model's provider failed to answer. You were not charged. Try again."


class ServerBusy(Unavailable):
    number = 51
    reason = "server_busy"
    message = "All places for requests are taken. Try again in a moment."


class NoChannel(Unavailable):
    number = 52
    reason = "upstream_unavailable"
    message = "No provider of this model can take the request now. You were not charged. Try again."


def error_object(error: AppError) -> dict[str, Any]:
    """OpenAI's ``error`` member. `type` is OpenAI's family, `code` our machine word."""
    return {
        "message": error.message,
        "type": _TYPES.get(error.status, "server_error"),
        "param": error.field,
        "code": error.reason,
        **error.facts,
    }


def error_body(error: AppError) -> bytes:
    """An error as the body of an answer."""
    return orjson.dumps({"error": error_object(error)})
