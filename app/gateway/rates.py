"""The rate limits of a call's key, shared by its family: requests and tokens per minute.

Tokens are counted in two steps. Admission takes an estimate of the input; the settlement adds by
how much the real tokens exceed it, whether that fits or not, and the next call feels it.
"""

import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from app.core import clock
from app.core.errors import TooManyRequests
from app.core.ratelimit import Quota, RateLimiter, Taken
from app.domain.accounts.key_rates import request_quota, token_quota
from app.domain.billing.request_shape import RequestShape
from app.gateway.authentication import Caller
from app.gateway.errors import RequestAboveTokenRate
from app.gateway.inbound import Headers

log = logging.getLogger(__name__)

BYTES_A_TOKEN = 4
RETRY_AFTER_MAX_S = 60


def rates_of(limiter: RateLimiter, caller: Caller) -> "Rates | None":
    """None where the key has no rate limit: then a call pays for none."""
    if caller.requests_per_minute is None and caller.tokens_per_minute is None:
        return None
    return Rates(limiter, caller)


class Rates:
    """What one call takes of its key's rates, and what the limiter said of them."""

    __slots__ = ("_caller", "_estimate", "_limiter", "_period_ends_s", "_requests", "_tokens")

    def __init__(self, limiter: RateLimiter, caller: Caller) -> None:
        self._limiter = limiter
        self._caller = caller
        self._estimate = 0
        self._period_ends_s = 0.0
        self._requests: Taken | None = None
        self._tokens: Taken | None = None

    def take_request(self) -> None:
        """Count the request. Raises `TooManyRequests`; a refused one is not counted."""
        limit = self._caller.requests_per_minute
        if limit is None:
            return
        self._requests = self._limiter.take(request_quota(self._caller.cap_id, limit))
        if not self._requests.is_allowed:
            raise _too_many("requests", limit, self._requests)

    def take_tokens(self, shape: RequestShape) -> None:
        """Take the input's estimate. Raises `TooManyRequests`; `RequestAboveTokenRate` where no
        waiting would help."""
        limit = self._caller.tokens_per_minute
        if limit is None:
            return
        estimate = max(shape.text_bytes // BYTES_A_TOKEN, 1)
        if estimate > limit:
            raise RequestAboveTokenRate(
                f"This request is estimated at {estimate} input tokens, more than the {limit} "
                "tokens that this key may use in a minute. Send less at once.",
                facts={"estimated_tokens": estimate, "tokens_per_minute": limit},
            )
        quota = self._token_quota(limit)
        self._tokens = self._limiter.take(quota, estimate)
        if not self._tokens.is_allowed:
            raise _too_many("tokens", limit, self._tokens)
        self._estimate = estimate
        # `reset_s` is what the period has left and one window, rounded up.
        self._period_ends_s = clock.now_s() + self._tokens.reset_s - quota.window_s - 1

    def give_back_tokens(self) -> None:
        """The call was refused after all, and nothing was sent. In a later period than the one
        that counted them the tokens would be a gift, at the cost of what that one counts: calls
        refused around the minute's turn could save up rate."""
        limit, estimate, self._estimate = self._caller.tokens_per_minute, self._estimate, 0
        if limit is not None and estimate and clock.now_s() < self._period_ends_s:
            _counted(lambda: self._limiter.give_back(self._token_quota(limit), estimate))

    def settle_tokens(self, tokens: int) -> None:
        """Add what the call used beyond its estimate; less than that is not given back."""
        limit, more = self._caller.tokens_per_minute, tokens - self._estimate
        if limit is not None and more > 0:
            _counted(lambda: self._limiter.add(self._token_quota(limit), more))

    def headers(self) -> Headers:
        """In the forms of OpenAI's, as far as this call asked the limiter."""
        return [
            *_headers("requests", self._caller.requests_per_minute, self._requests),
            *_headers("tokens", self._caller.tokens_per_minute, self._tokens),
        ]

    def _token_quota(self, limit: int) -> Quota:
        return token_quota(self._caller.cap_id, limit)


def _counted(count: Callable[[], None]) -> None:
    try:
        count()
    except SQLAlchemyError:
        # What was bought is settled and must reach its client: the rate goes uncounted.
        log.exception("a key's tokens were not counted")


def _too_many(what: str, limit: int, taken: Taken) -> TooManyRequests:
    wait_s = min(max(taken.wait_s, 1), RETRY_AFTER_MAX_S)
    return TooManyRequests(
        f"This key may use {limit} {what} a minute. Try again in {wait_s} s.",
        retry_after_s=wait_s,
        facts={f"{what}_per_minute": limit},
    )


def _headers(what: str, limit: int | None, taken: Taken | None) -> Headers:
    if limit is None:
        return []
    stated = [(f"X-Ratelimit-Limit-{what.title()}", str(limit))]
    if taken is None:
        return stated
    return [
        *stated,
        (f"X-Ratelimit-Remaining-{what.title()}", str(min(taken.remaining, limit))),
        (f"X-Ratelimit-Reset-{what.title()}", duration(taken.reset_s)),
    ]


def duration(seconds: int) -> str:
    """As Go writes it, and OpenAI with it: ``59s``, ``1m0s``."""
    minutes, rest_s = divmod(seconds, 60)
    return f"{minutes}m{rest_s}s" if minutes else f"{rest_s}s"
