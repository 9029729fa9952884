"""What ``/v1`` refuses, and how an error looks to an OpenAI client.

::

    BadRequest            InvalidParameter, UnsupportedParameter, StatefulNotSupported,
                          RemoteUrlNotSupported, ConflictingCredentials, UpstreamRejected
      by the provider:    ContextTooLong, ContentFiltered, InvalidImageUrl, InvalidImage,
                          ImageTooLarge, UnsupportedValue, StringTooLong, ListTooLong,
                          MissingParameter, InvalidJsonSchema, OutputLimitTooLarge,
                          UnsupportedInput, GenerationFailed
    Forbidden             AccountDisabled, ModelNotAllowed
    PayloadTooLarge       UpstreamRejectedSize
    TooManyRequests       RequestAboveTokenRate, TooManyUploads
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
    TooManyRequests,
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


class ContextTooLong(BadRequest):
    number = 90
    reason = "context_length_exceeded"
    message = "The input and the output limit together exceed the model's context. Shorten them."


class ContentFiltered(BadRequest):
    number = 72
    reason = "content_filter"
    message = "The model's provider declines this content under its content policy. Change it."


class InvalidImageUrl(BadRequest):
    number = 73
    reason = "invalid_image_url"
    message = "The provider could not fetch an image from its URL. Inline it as a data: URL."


class InvalidImage(BadRequest):
    number = 74
    reason = "invalid_image"
    message = "An image cannot be read. Send PNG, JPEG, GIF or WebP."


class ImageTooLarge(BadRequest):
    number = 75
    reason = "image_too_large"
    message = "An image is too large for this model. Make it smaller."


class UnsupportedValue(BadRequest):
    number = 76
    reason = "unsupported_value"
    message = "This model does not support the parameter's value."


class StringTooLong(BadRequest):
    number = 77
    reason = "string_above_max_length"
    message = "A text in the request is longer than this model allows."


class ListTooLong(BadRequest):
    number = 78
    reason = "array_above_max_length"
    message = "A list in the request has more items than this model allows."


class MissingParameter(BadRequest):
    number = 79
    reason = "missing_required_parameter"
    message = "A parameter that this model requires is missing."


class InvalidJsonSchema(BadRequest):
    number = 86
    reason = "invalid_json_schema"
    message = "A JSON schema in the request is not one that this model accepts."


class OutputLimitTooLarge(BadRequest):
    number = 87
    reason = "max_tokens_too_large"
    message = "The output limit is larger than this model allows. Lower it."


class UnsupportedInput(BadRequest):
    number = 88
    reason = "unsupported_input"
    message = "This model does not take this kind of input, such as images, audio or tools."


class GenerationFailed(BadRequest):
    number = 89
    reason = "generation_failed"
    message = "The model did not produce valid JSON or a valid tool call. Change the prompt."


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


class RequestAboveTokenRate(TooManyRequests):
    """No waiting helps, so it names no time to wait."""

    number = 61
    reason = "request_above_tokens_per_minute"
    message = "This request is larger than what its key may use in a minute."


class TooManyUploads(TooManyRequests):
    number = 62
    reason = "too_many_uploads"
    message = "You are sending too many request bodies at once. Wait for one to arrive."


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
