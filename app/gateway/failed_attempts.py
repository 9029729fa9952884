"""One attempt at a channel that came to nothing, whatever went wrong: what it means and for whom.

A provider's own words go through `provider_errors`: none of them is in an outcome, a log or an
alert; a cleaned sentence may be in the error for the caller.
"""

import logging
from contextlib import suppress

from app.core.errors import AppError, UpstreamTimeout
from app.domain.alerts.kinds import AlertKind
from app.domain.channels.offers import Route
from app.gateway.call import Call
from app.gateway.error_texts import names_of_route
from app.gateway.errors import NoChannel, ProviderFailed
from app.gateway.exchange import Exchange
from app.gateway.gateway import Gateway
from app.gateway.provider_errors import (
    BODY_MAX_BYTES,
    MODEL_UNKNOWN,
    UNKNOWN_INSIDE,
    Asked,
    Judgement,
    Sort,
    judge,
    judge_document,
)
from app.gateway.settlement import alarm
from app.gateway.upstream_errors import (
    AddressNotAllowed,
    ConnectFailed,
    ConnectTimeout,
    FirstContentTimeout,
    IdleTimeout,
    TotalTimeout,
    UpstreamError,
)

log = logging.getLogger(__name__)

ERROR_BODY_S = 5.0
"""How long a provider may take to say what was wrong, once it said that something was."""
RETRY_S = 5

_NOT_SENT = (AddressNotAllowed, ConnectFailed, ConnectTimeout)
_LATE = (FirstContentTimeout, IdleTimeout, TotalTimeout)


class AttemptFailed(Exception):
    """One channel did not begin to answer. `error` is for the caller, should no other do better.

    `outcome` is a machine word of ours. `wait_s` is how long the provider told us to wait, from 1
    to 60. `counts`: whether it tells of the channel's health.
    """

    def __init__(
        self,
        error: AppError,
        *,
        outcome: str,
        may_retry: bool = True,
        sort: Sort = Sort.ELSEWHERE,
        status: int | None = None,
        wait_s: int | None = None,
        counts: bool = True,
    ) -> None:
        super().__init__(outcome)
        self.error = error
        self.outcome = outcome
        self.may_retry = may_retry
        self.sort = sort
        self.status = status
        self.wait_s = wait_s
        self.counts = counts


def refusal_body(exchange: Exchange) -> bytes:
    """The first part of a refusal's body, or as much of it as came in time; closes the exchange."""
    exchange.hurry(ERROR_BODY_S)
    body = bytearray()
    with suppress(UpstreamError):
        for piece in exchange.chunks():
            body += piece
            if len(body) >= BODY_MAX_BYTES:
                break
    exchange.close()
    return bytes(body[:BODY_MAX_BYTES])


def refused(
    gateway: Gateway, call: Call, route: Route, exchange: Exchange, body: bytes
) -> AttemptFailed:
    """The provider answered with another status than 200."""
    asked = _asked(gateway, call, route)
    judgement = judge(route.dialect, exchange.status, exchange.headers, body, asked)
    return _failed(gateway, call, route, judgement, status=exchange.status)


def failed_inside(
    gateway: Gateway, call: Call, route: Route, exchange: Exchange, document: object
) -> AttemptFailed:
    """The provider claimed success, and `document` states an error."""
    asked = _asked(gateway, call, route)
    judgement = judge_document(route.dialect, exchange.headers, document, asked)
    return _failed(gateway, call, route, judgement, status=exchange.status)


def unreadable(
    gateway: Gateway, call: Call, route: Route, exchange: Exchange, *, body: bytes, outcome: str
) -> AttemptFailed:
    """The provider claimed success, and its answer is not what the protocol promises. It may be an
    error all the same; `outcome` where it is none that is known."""
    asked = _asked(gateway, call, route)
    judgement = judge(route.dialect, 200, exchange.headers, body, asked)
    if judgement.word == UNKNOWN_INSIDE:
        return AttemptFailed(ProviderFailed(), outcome=outcome, status=exchange.status)
    return _failed(gateway, call, route, judgement, status=exchange.status)


def broken(error: UpstreamError, route: Route) -> AttemptFailed:
    """The connection, not the provider's word, was at fault."""
    outcome = type(error).__name__
    if isinstance(error, _NOT_SENT):
        return AttemptFailed(NoChannel(retry_after_s=RETRY_S), outcome=outcome)
    if isinstance(error, _LATE):
        may_retry = route.retry_after_timeout or not error.sent
        return AttemptFailed(UpstreamTimeout(), outcome=outcome, may_retry=may_retry)
    return AttemptFailed(ProviderFailed(), outcome=outcome)


def _failed(
    gateway: Gateway, call: Call, route: Route, judgement: Judgement, *, status: int
) -> AttemptFailed:
    if judgement.word == MODEL_UNKNOWN:
        _tell_of_unknown_model(gateway, call, route)
    return AttemptFailed(
        judgement.error,
        outcome=judgement.word,
        may_retry=judgement.sort is not Sort.CALLER,
        sort=judgement.sort,
        status=status,
        wait_s=judgement.wait_s,
        counts=judgement.counts,
    )


def _asked(gateway: Gateway, call: Call, route: Route) -> Asked:
    document = call.envelope.document
    host = gateway.wire(route).target.host
    names = names_of_route(route, sold=call.offer.name, host=host)
    return Asked(document.members, document.body, names)


def _tell_of_unknown_model(gateway: Gateway, call: Call, route: Route) -> None:
    alarm(
        gateway,
        AlertKind.MODEL_UNKNOWN_TO_PROVIDER,
        f"{route.channel_name}/{call.offer.name}",
        f"{call.inbound.request_id}: the provider does not know {route.upstream_name}.",
    )
