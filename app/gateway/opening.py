"""Asking the channels, one after another, until one begins to answer.

A failure before the client's first byte moves on to the next channel; a caller's fault does not,
and neither does a time-out after the request was sent (it would be bought twice), unless the
channel allows it. A stream counts as begun with its first data frame: an error before it moves on.
Each attempt is reported to the channel's health once.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.core import clock
from app.core.errors import AppError
from app.domain.channels.models import StreamUsage
from app.domain.channels.offers import Route
from app.domain.channels.stream_usage import StoreStreamUsage
from app.gateway.answer import Answer, UnreadableAnswer, embeddings_to_base64, read_answer
from app.gateway.call import Attempt, Call
from app.gateway.errors import NoChannel
from app.gateway.exchange import Exchange
from app.gateway.failed_attempts import (
    AttemptFailed,
    broken,
    failed_inside,
    refusal_body,
    refused,
    unreadable,
)
from app.gateway.gateway import Gateway
from app.gateway.outgoing import asks_for_usage, body_for
from app.gateway.provider_errors import BODY_MAX_BYTES, Sort, fails_inside
from app.gateway.stream import FailureKind, Relay, RelayRules
from app.gateway.upstream_errors import UpstreamError

log = logging.getLogger(__name__)

RESTING = "resting"


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


def open_upstream(
    gateway: Gateway, call: Call, routes: Sequence[Route]
) -> OpenedWhole | OpenedStream:
    """The first channel that answers; `call.route` says which. Raises `AttemptFailed`: the last."""
    failures: list[AttemptFailed] = []
    for route in routes:
        if not gateway.health.begin(route, call.offer.model_id):
            continue
        started_s = clock.monotonic()
        call.route = route
        try:
            opened = _attempt(gateway, call, route)
        except AttemptFailed as failed:
            failures.append(failed)
            call.attempts.append(_attempt_row(route, failed.outcome, failed.status, started_s))
            _report(gateway, call, route, failed)
            if not failed.may_retry:
                break
        else:
            gateway.health.succeeded(route, call.offer.model_id)
            call.attempts.append(_attempt_row(route, "ok", 200, started_s))
            return opened
    raise _last(failures) if failures else _none_may_try(gateway, call, routes)


def _report(gateway: Gateway, call: Call, route: Route, failed: AttemptFailed) -> None:
    """What says nothing of the channel is reported as the caller's: it counts as neither."""
    gateway.health.failed(
        route,
        call.offer.model_id,
        sort=failed.sort if failed.counts else Sort.CALLER,
        outcome=failed.outcome,
        wait_s=failed.wait_s,
    )


def _last(failures: Sequence[AttemptFailed]) -> AttemptFailed:
    """The last one speaks for all; a caller told to come back may do so when the first channel that
    only asked for time is free again."""
    last = failures[-1]
    waits_s = [
        failed.error.retry_after_s
        for failed in failures
        if failed.sort is Sort.WAIT and failed.error.retry_after_s is not None
    ]
    if waits_s and last.error.status == NoChannel.status:
        last.error.retry_after_s = min(waits_s)
    return last


def _none_may_try(gateway: Gateway, call: Call, routes: Sequence[Route]) -> AttemptFailed:
    """Other calls took the only places of breakers that were half open."""
    wait_s = gateway.health.soonest_s(routes, call.offer.model_id)
    return AttemptFailed(NoChannel(retry_after_s=wait_s), outcome=RESTING)


def _attempt_row(route: Route, outcome: str, status: int | None, started_s: float) -> Attempt:
    return Attempt(route.channel_id, outcome, status, int((clock.monotonic() - started_s) * 1000))


def _attempt(gateway: Gateway, call: Call, route: Route) -> OpenedWhole | OpenedStream:
    try:
        exchange = _ask(gateway, call, route)
        if call.envelope.is_streamed:
            return _begin_stream(gateway, call, route, exchange)
        return _read_whole(gateway, call, route, exchange)
    except UpstreamError as error:
        raise broken(error, route) from error


def _ask(gateway: Gateway, call: Call, route: Route) -> Exchange:
    """Send the request; an answer of 200 comes back, its body unread. Without ``include_usage``
    again, where the channel blames that."""
    asks = asks_for_usage(call.envelope, route)
    exchange = _send(gateway, call, route, asks_usage=asks)
    if exchange.status == 200:
        return exchange
    body = refusal_body(exchange)
    if asks and exchange.status in (400, 422) and _names_stream_options(body):
        exchange = _send(gateway, call, route, asks_usage=False)
        if exchange.status == 200:
            _learn_refusal(gateway, call, route)
            return exchange
        body = refusal_body(exchange)
    raise refused(gateway, call, route, exchange, body)


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


def _names_stream_options(body: bytes) -> bool:
    """Whether a refusal blames ``include_usage``. A body that cannot be read blames nothing."""
    return b"stream_options" in body or b"include_usage" in body


def _learn_refusal(gateway: Gateway, call: Call, route: Route) -> None:
    """Store that this channel model is not to be asked. Only once it answered without: a refusal
    alone may be the doing of one client's other stream options, and must not bind the rest."""
    fact = StoreStreamUsage(route.channel_id, call.offer.model_id, StreamUsage.NEVER)
    try:
        gateway.writer.submit(fact)
    except AppError:
        log.exception("a channel's refusal of include_usage was not stored")


def _read_whole(gateway: Gateway, call: Call, route: Route, exchange: Exchange) -> OpenedWhole:
    protocol = call.protocol
    raw = exchange.read_whole(protocol.answer_cap_bytes)
    try:
        answer = read_answer(
            raw, list_member=protocol.list_member, sold_model=_shown_model(call, route)
        )
        if answer.error is not None or fails_inside(answer.members):
            raise failed_inside(gateway, call, route, exchange, answer.members)
        body = embeddings_to_base64(answer.body) if call.envelope.wants_base64 else answer.body
    except UnreadableAnswer as error:
        start = raw[:BODY_MAX_BYTES]
        raise unreadable(
            gateway, call, route, exchange, body=start, outcome="unreadable"
        ) from error
    call.first_content_ms = call.elapsed_ms
    return OpenedWhole(answer=answer, body=body)


def _begin_stream(gateway: Gateway, call: Call, route: Route, exchange: Exchange) -> OpenedStream:
    relay = Relay(
        RelayRules(
            choices=call.envelope.shape.n,
            wants_usage=call.envelope.wants_usage,
            sold_model=_shown_model(call, route),
            cut_member=route.cut_member,
            dialect=route.dialect,
            frame_cap_bytes=call.protocol.frame_cap_bytes,
        )
    )
    pieces = exchange.chunks()
    arrived = bytearray()
    first = b""
    while not relay.has_data and not relay.is_at_end:
        piece = next(pieces, None)
        if piece is None:
            first = relay.end()
            break
        if len(arrived) < BODY_MAX_BYTES:
            arrived += piece
        first = relay.feed(piece)
    if relay.error_before_content or not relay.has_data or fails_inside(relay.meter.head):
        exchange.close()
        raise _stream_failed(gateway, call, route, exchange, relay=relay, arrived=bytes(arrived))
    exchange.content_began()
    call.first_content_ms = call.elapsed_ms
    return OpenedStream(exchange=exchange, pieces=pieces, relay=relay, first=first)


def _stream_failed(
    gateway: Gateway,
    call: Call,
    route: Route,
    exchange: Exchange,
    *,
    relay: Relay,
    arrived: bytes,
) -> AttemptFailed:
    """A stream that ended before its first data frame, or whose first frame is an error. What has
    `arrived` may be an error that was sent whole, as to a request that was not streamed."""
    failure = relay.failure
    if failure is not None and failure.kind is FailureKind.PROVIDER_ERROR:
        document: object = {"error": failure.error}
        return failed_inside(gateway, call, route, exchange, document)
    if fails_inside(relay.meter.head):
        return failed_inside(gateway, call, route, exchange, relay.meter.head)
    outcome = "empty_stream" if failure is None else str(failure.kind)
    return unreadable(gateway, call, route, exchange, body=arrived, outcome=outcome)


def _shown_model(call: Call, route: Route) -> str | None:
    """With a mapping the client sees the sold name, whatever the provider echoes."""
    return call.offer.name if route.upstream_name != call.offer.name else None
