"""The story of a call to ``/v1``, from the key to the settlement. Written without a framework."""

import random
from collections.abc import Sequence

from app.core.errors import AppError
from app.domain.catalog.kinds import ModelKind
from app.domain.channels.offers import Route
from app.domain.channels.ordering import order_routes
from app.gateway import settlement
from app.gateway.answer import Answer
from app.gateway.authentication import Caller
from app.gateway.call import Call
from app.gateway.charge import Delivered, charge
from app.gateway.envelope import Envelope, read_envelope
from app.gateway.errors import ServerBusy
from app.gateway.failed_attempts import AttemptFailed
from app.gateway.gateway import Gateway
from app.gateway.inbound import Inbound, Reply, json_reply
from app.gateway.limits import Places
from app.gateway.opening import OpenedStream, OpenedWhole, open_upstream
from app.gateway.protocols import Protocol
from app.gateway.rates import Rates, rates_of
from app.gateway.relaying import StreamBody
from app.gateway.replies import error_reply, receipt_headers, stream_headers
from app.gateway.reserving import reserve
from app.gateway.selection import able_routes, find_offer


def handle(gateway: Gateway, protocol: Protocol, inbound: Inbound) -> Reply:
    """Serve one call, or say in OpenAI's dialect why not."""
    rates: Rates | None = None
    try:
        caller = gateway.keys.authenticate(inbound)
        rates = rates_of(gateway.limiter, caller)
        places = _admit(gateway, caller, rates)
        try:
            reply = _serve(gateway, protocol, inbound, caller, places=places, rates=rates)
        except BaseException:
            places.release()
            raise
    except AttemptFailed as failed:
        return error_reply(failed.error, inbound, is_spent=True)
    except AppError as error:
        return error_reply(error, inbound, rates=rates)
    if isinstance(reply.body, bytes):
        places.release()  # a stream gives them back at its own end
    return reply


def _serve(
    gateway: Gateway,
    protocol: Protocol,
    inbound: Inbound,
    caller: Caller,
    *,
    places: Places,
    rates: Rates | None,
) -> Reply:
    envelope = _receive(gateway, protocol, inbound, caller, places)
    offer, price = find_offer(gateway.offers, envelope, caller)
    inbound.facts["model"] = offer.name
    routes = able_routes(gateway, offer, envelope)
    if rates is not None:
        rates.take_tokens(envelope.shape)
    call = reserve(
        gateway,
        inbound,
        caller,
        envelope=envelope,
        offer=offer,
        price=price,
        routes=routes,
        rates=rates,
    )
    opened = _ask(gateway, call, order_routes(routes, random=random.random))
    if isinstance(opened, OpenedStream):
        stream = StreamBody(gateway, call, opened, places)
        return Reply(200, stream_headers(call), stream)
    return _deliver(gateway, call, opened)


def _admit(gateway: Gateway, caller: Caller, rates: Rates | None) -> Places:
    """What needs no body. Raises `TooManyRequests`, `TooManyRunning`, or `ServerBusy`: at once,
    never queued."""
    if gateway.is_draining:
        raise ServerBusy(retry_after_s=5)
    if rates is not None:
        rates.take_request()
    if caller.max_running is not None and caller.cap_id is not None:
        gateway.running_counts.refuse_full(caller.cap_id, caller.max_running)
    return Places(gateway.slots.take(caller), gateway.bodies)


def _receive(
    gateway: Gateway, protocol: Protocol, inbound: Inbound, caller: Caller, places: Places
) -> Envelope:
    """Read and judge the body; its size counts against the process's budget until the end."""
    limit_bytes = gateway.boot["MAX_BODY_BYTES"]
    places.hold_body(inbound.stated_body_bytes(limit_bytes))
    gateway.uploads.begin(caller.user_id)
    try:
        body = inbound.read_json_body(limit_bytes)
    finally:
        gateway.uploads.end(caller.user_id)
    return read_envelope(protocol, body)


def _ask(gateway: Gateway, call: Call, routes: Sequence[Route]) -> OpenedWhole | OpenedStream:
    """Open the upstream; where every attempt failed, the hold goes back first."""
    try:
        return open_upstream(gateway, call, routes)
    except AttemptFailed as failed:
        settlement.void(gateway, call, status=failed.error.status, reason=failed.error.reason)
        raise
    except BaseException:
        settlement.void(gateway, call, status=500, reason="internal_error")
        raise


def _deliver(gateway: Gateway, call: Call, opened: OpenedWhole) -> Reply:
    """Charge a whole answer, then give it out with its receipt."""
    answer = opened.answer
    try:
        bill = charge(call, reported=answer.usage, delivered=_delivered(call, answer))
    except BaseException:
        settlement.void(gateway, call, status=500, reason="internal_error")
        raise
    settled = settlement.post(gateway, call, bill, provider_facts=dict(answer.provider_facts))
    settlement.warn_of_substitute(gateway, call, model=answer.model, tier=answer.service_tier)
    return json_reply(
        200,
        opened.body,
        request_id=call.inbound.request_id,
        headers=receipt_headers(settled, call),
    )


def _delivered(call: Call, answer: Answer) -> Delivered:
    made = answer.members.get(call.protocol.list_member)
    makes_pictures = call.protocol.kind is ModelKind.IMAGE_GENERATION
    return Delivered(
        has_content=answer.has_content,
        read_text=answer.delivered_text,
        pictures=len(made) if makes_pictures and made else 0,
    )
