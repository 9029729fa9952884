"""The one tree of errors a caller may see.

A rule raises, the edge renders: JSON envelope under ``/api``, OpenAI's shape under ``/v1``,
a page elsewhere. A class declares status, reason and message; an instance carries data.

::

    AppError                        500  internal_error
    ├── BadRequest                  400  the caller must change the request
    ├── Unauthorized                401  who are you?
    ├── PaymentRequired             402  the money this key may spend does not cover it
    ├── Forbidden                   403  known, and not allowed
    ├── NotFound                    404  not there, or not yours
    ├── MethodNotAllowed            405
    ├── Conflict                    409  the state of the thing does not allow it
    ├── PayloadTooLarge             413
    ├── UnsupportedMediaType        415
    ├── TooManyRequests             429  wait `retry_after_s`
    ├── UpstreamFailed              502  the provider failed
    ├── Unavailable                 503  we cannot now; wait `retry_after_s`
    └── UpstreamTimeout             504  the provider was too slow

Leaves live beside their rule (``<domain>/errors.py``, ``gateway/errors.py``); a test keeps every
`reason` and every `code` (status x 100 + `number`) unique.
"""

from typing import Any, ClassVar


class AppError(Exception):
    """Base of every error with a meaning for the caller.

    `message` says what to do, in English; `field` names the input at fault (a JSON member, a
    header); `facts` are further machine-readable values that the dialect may show.
    """

    status: ClassVar[int] = 500
    number: ClassVar[int] = 0
    reason: ClassVar[str] = "internal_error"
    message: str = (
        "Something went wrong on our side. Try again; if it stays, send us the request id."
    )

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        retry_after_s: int | None = None,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.message = message or type(self).message
        self.field = field
        self.retry_after_s = retry_after_s
        self.facts = facts or {}
        super().__init__(self.message)

    @property
    def code(self) -> int:
        """The stable number of the published table: HTTP status x 100 + `number`."""
        return self.status * 100 + self.number


class BadRequest(AppError):
    status = 400
    reason = "invalid_request"
    message = "The request is not valid."


class Unauthorized(AppError):
    status = 401
    reason = "unauthorized"
    message = "Sign in, or send a valid key."


class PaymentRequired(AppError):
    status = 402
    reason = "payment_required"
    message = "The balance does not cover this request."


class Forbidden(AppError):
    status = 403
    reason = "forbidden"
    message = "This is not allowed."


class NotFound(AppError):
    status = 404
    reason = "not_found"
    message = "There is nothing at this address."


class MethodNotAllowed(AppError):
    status = 405
    reason = "method_not_allowed"
    message = "This address does not accept this method."


class Conflict(AppError):
    status = 409
    reason = "conflict"
    message = "The present state does not allow this."


class PayloadTooLarge(AppError):
    status = 413
    reason = "payload_too_large"
    message = "The request body is too large."


class UnsupportedMediaType(AppError):
    status = 415
    reason = "unsupported_media_type"
    message = "Send the body as JSON in UTF-8, with Content-Type: application/json."


class TooManyRequests(AppError):
    status = 429
    reason = "rate_limit_exceeded"
    message = "Too many requests. Wait, then try again."


class UpstreamFailed(AppError):
    status = 502
    reason = "upstream_failed"
    message = "The model's provider failed to answer. Try again."


class Unavailable(AppError):
    status = 503
    reason = "unavailable"
    message = "The service cannot take this request now. Try again shortly."


class UpstreamTimeout(AppError):
    status = 504
    reason = "upstream_timeout"
    message = "The model's provider did not answer in time. You were not charged."
