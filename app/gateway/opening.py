"""Asking the channels, one after another, until one begins to answer.

A failure before the client's first byte moves on to the next channel; a caller's fault does not,
and neither does a time-out after the request was sent (it would be bought twice), unless the
channel allows it. A stream counts as begun with its first data frame: an error before it moves on.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.core import clock
from app.core.errors import AppError, UpstreamTimeout
from app.domain.channels.models import StreamUsage
from app.domain.channels.offers import Route
from app.domain.channels.stream_usage import StoreStreamUsage
from app.gateway.answer import Answer, UnreadableAnswer, embeddings_to_base64, read_answer
from app.gateway.call import Attempt, Call
from app.gateway.errors import NoChannel, ProviderFailed
from app.gateway.exchange import Exchange
from app.gateway.gateway import Gateway
from app.gateway.outgoing import asks_for_usage, body_for
from app.gateway.provider_errors import Sort, judge, retry_after_s
from app.gateway.stream import Relay, RelayRules
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

ERROR_BODY_MAX_BYTES = 64 * 1024
_NOT_SENT = (AddressNotAllowed, ConnectFailed, ConnectTimeout)
_LATE = (FirstContentTimeout, IdleTimeout, TotalTimeout)


class OpenedWhole(NamedTuple):
    """A readable answer, sent whole. `body` is what the client gets."""

    answer: Answer
    body: bytes


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """A stream whose first data frame is here; `first` goes out with the headers."""

    exchange: Exchange
    pieces: Iterator[bytes]
    relay: Relay
    first: bytes


class AttemptFailed(Exception):
    """One channel did not begin to answer. `error` is for the caller, should no other do better."""

    def __init__(
        self, error: AppError, *, outcome: str, may_retry: bool, status: int | None = None
    ) -> None:
        super().__init__(outcome)
        self.error = error
        self.outcome = outcome
        self.may_retry = may_retry
        self.status = status


def open_upstream(
    gateway: Gateway, call: Call, routes: Sequence[Route]
) -> OpenedWhole | OpenedStream:
    """The first channel that answers; `call.route` says which. Raises `AttemptFailed`: the last."""
    last: AttemptFailed | None = None
    for route in routes:
        started_s = clock.monotonic()
        call.route = route
        try:
            opened = _attempt(gateway, call, route)
        except AttemptFailed as failed:
            last = failed
            call.attempts.append(_attempt_row(route, failed.outcome, failed.status, started_s))
            if not failed.may_retry:
                break
        else:
            call.attempts.append(_attempt_row(route, "ok", 200, started_s))
            return opened
    assert last is not None
    raise last


def _attempt_row(route: Route, outcome: str, status: int | None, started_s: float) -> Attempt:
    return Attempt(route.channel_id, outcome, status, int((clock.monotonic() - started_s) * 1000))


def _attempt(gateway: Gateway, call: Call, route: Route) -> OpenedWhole | OpenedStream:
    asks = asks_for_usage(call.envelope, route)
    try:
        exchange = _send(gateway, call, route, asks_usage=asks)
        if asks and exchange.status in (400, 422) and _names_stream_options(exchange):
            exchange = _send(gateway, call, route, asks_usage=False)
            if exchange.status == 200:
                _learn_refusal(gateway, call, route)
        if exchange.status != 200:
            raise _refused(exchange)
        if call.envelope.is_streamed:
            return _begin_stream(call, route, exchange)
        return _read_whole(call, route, exchange)
    except UpstreamError as error:
        raise _failed(error, route) from error
    except UnreadableAnswer as error:
        raise AttemptFailed(ProviderFailed(), outcome="unreadable", may_retry=True) from error


def _send(gateway: Gateway, call: Call, route: Route, *, asks_usage: bool) -> Exchange:
    wire = gateway.wire(route)
    return gateway.pool.send(
        wire.target,
        method="POST",
        path=wire.prefix + call.protocol.upstream_path,
        headers=wire.headers,
        body=body_for(call, route, digester=gateway.digester, asks_usage=asks_usage),
        timeouts=gateway.timeouts[call.envelope.is_streamed],
    )


def _names_stream_options(exchange: Exchange) -> bool:
    """Whether a refusal blames ``include_usage``. A body that cannot be read blames nothing."""
    try:
        body = exchange.read_whole(ERROR_BODY_MAX_BYTES)
    except UpstreamError:
        return False
    return b"stream_options" in body or b"include_usage" in body


def _learn_refusal(gateway: Gateway, call: Call, route: Route) -> None:
    """Store that this channel model is not to be asked. Only once it answered without: a refusal
    alone may be the doing of one client's other stream options, and must not bind the rest."""
    fact = StoreStreamUsage(route.channel_id, call.offer.model_id, StreamUsage.NEVER)
    try:
        gateway.writer.submit(fact)
    except AppError:
        log.exception("a channel's refusal of include_usage was not stored")


def _refused(exchange: Exchange) -> AttemptFailed:
    """The provider's status as our error; its words stay inside."""
    status = exchange.status
    row = judge(status)
    wait_s = retry_after_s(exchange.headers.get("retry-after"))
    exchange.close()
    is_callers = row.sort is Sort.CALLER
    return AttemptFailed(
        row.error(retry_after_s=None if is_callers else wait_s),
        outcome=f"status_{status}",
        may_retry=not is_callers,
        status=status,
    )


def _failed(error: UpstreamError, route: Route) -> AttemptFailed:
    outcome = type(error).__name__
    if isinstance(error, _NOT_SENT):
        return AttemptFailed(NoChannel(retry_after_s=5), outcome=outcome, may_retry=True)
    if isinstance(error, _LATE):
        may_retry = route.retry_after_timeout or not error.sent
        return AttemptFailed(UpstreamTimeout(), outcome=outcome, may_retry=may_retry)
    return AttemptFailed(ProviderFailed(), outcome=outcome, may_retry=True)


def _read_whole(call: Call, route: Route, exchange: Exchange) -> OpenedWhole:
    protocol = call.protocol
    raw = exchange.read_whole(protocol.answer_cap_bytes)
    sold_model = _shown_model(call, route)
    answer = read_answer(raw, list_member=protocol.list_member, sold_model=sold_model)
    if answer.error is not None:
        raise AttemptFailed(
            ProviderFailed(), outcome="error_in_answer", may_retry=True, status=exchange.status
        )
    call.first_content_ms = call.elapsed_ms
    body = embeddings_to_base64(answer.body) if call.envelope.wants_base64 else answer.body
    return OpenedWhole(answer=answer, body=body)


def _begin_stream(call: Call, route: Route, exchange: Exchange) -> OpenedStream:
    relay = Relay(
        RelayRules(
            choices=call.envelope.shape.n,
            wants_usage=call.envelope.wants_usage,
            sold_model=_shown_model(call, route),
            cut_member=route.cut_member,
            frame_cap_bytes=call.protocol.frame_cap_bytes,
        )
    )
    pieces = exchange.chunks()
    first = b""
    while not relay.has_data and not relay.is_at_end:
        piece = next(pieces, None)
        if piece is None:
            first = relay.end()
            break
        first = relay.feed(piece)
    if relay.error_before_content or not relay.has_data:
        exchange.close()
        outcome = "error_in_stream" if relay.failure else "empty_stream"
        raise AttemptFailed(ProviderFailed(), outcome=outcome, may_retry=True, status=200)
    exchange.content_began()
    call.first_content_ms = call.elapsed_ms
    return OpenedStream(exchange=exchange, pieces=pieces, relay=relay, first=first)


def _shown_model(call: Call, route: Route) -> str | None:
    """With a mapping the client sees the sold name, whatever the provider echoes."""
    return call.offer.name if route.upstream_name != call.offer.name else None
