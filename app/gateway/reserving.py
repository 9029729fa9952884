"""From an admitted request to a committed hold, or to a 402 that says what would be affordable."""

from typing import Any

from app.core import clock
from app.core.errors import AppError, PaymentRequired
from app.core.moments import show_moment
from app.core.money import format_usd
from app.domain.accounts.models import KeyScope
from app.domain.billing.errors import InsufficientBalance, KeyCapReached, TooManyRunning
from app.domain.billing.reserve import Reserve
from app.domain.billing.values import Decide, Hold, Refusal
from app.domain.channels.offers import Offer, Price, Route
from app.gateway.authentication import Caller
from app.gateway.call import Call
from app.gateway.envelope import Envelope
from app.gateway.gateway import Gateway
from app.gateway.inbound import Inbound
from app.gateway.quoting import Terms, terms_of
from app.gateway.rates import Rates

ATTEMPTS_AND_DRAIN = 4


def reserve(
    gateway: Gateway,
    inbound: Inbound,
    caller: Caller,
    *,
    envelope: Envelope,
    offer: Offer,
    price: Price,
    routes: tuple[Route, ...],
    rates: Rates | None = None,
) -> Call:
    """Hold the dearest bound over the candidates; returns after the commit. What is refused gives
    `rates` back the tokens that were taken for it.

    Raises `InsufficientBalance`, `KeyCapReached`, `TooManyRunning`. The text is tokenised only
    where a token a byte is not affordable, and never under the wallet's lock.
    """
    terms = terms_of(gateway, envelope, offer=offer, price=price, routes=routes)
    write = _write(gateway, inbound, caller, envelope, offer, price, terms.decide)
    try:
        hold = _hold(gateway, write, terms, envelope)
    except BaseException:
        if rates is not None:
            rates.give_back_tokens()
        raise
    call = Call(inbound, caller, envelope, offer, price, hold, rates=rates)
    if caller.max_running is not None and caller.cap_id is not None:
        call.running = gateway.running_counts.start(caller.cap_id)
    return call


def _hold(gateway: Gateway, write: Reserve, terms: Terms, envelope: Envelope) -> Hold:
    verdict: Hold | Refusal = gateway.writer.submit(write)
    if isinstance(verdict, Refusal) and verdict.reason != "concurrency":
        decide = terms.tokenised(envelope).decide
        verdict = gateway.writer.submit(write._replace(decide=decide))
    if isinstance(verdict, Refusal):
        raise _refused(verdict, write.scope)
    return verdict


def _write(
    gateway: Gateway,
    inbound: Inbound,
    caller: Caller,
    envelope: Envelope,
    offer: Offer,
    price: Price,
    decide: Decide,
) -> Reserve:
    at_ms = clock.now_ms()
    return Reserve(
        call_id=inbound.call_id,
        user_id=caller.user_id,
        key_id=caller.key_id,
        scope=caller.scope,
        cap_id=caller.cap_id,
        model_id=offer.model_id,
        price_version_id=price.version_id,
        lease_id=gateway.lease_id,
        at_ms=at_ms,
        deadline_ms=at_ms + int(gateway.boot["UPSTREAM_TOTAL_S"] * 1000) * ATTEMPTS_AND_DRAIN,
        protocol=envelope.protocol.name,
        is_streamed=envelope.is_streamed,
        client_request_id=inbound.client_request_id,
        decide=decide,
    )


def _refused(refusal: Refusal, scope: KeyScope) -> AppError:
    if refusal.reason == "concurrency":
        return TooManyRunning(retry_after_s=1)
    kind: type[PaymentRequired] = KeyCapReached if refusal.reason == "cap" else InsufficientBalance
    needed, available = format_usd(refusal.needed_nanos), format_usd(refusal.available_nanos)
    facts: dict[str, Any] = {
        "needed_usd": needed,
        "available_usd": available,
        "held_usd": format_usd(refusal.held_nanos),
    }
    text = f"This request may cost up to ${needed}; this key may spend ${available} now"
    if refusal.held_nanos:
        text += f" (${facts['held_usd']} is held by running requests)"
    if refusal.cap_ends_at is not None:
        facts["cap_starts_anew_at"] = show_moment(refusal.cap_ends_at)
        text += f". Its spend cap starts anew at {facts['cap_starts_anew_at']}"
    if refusal.affordable_output_limit:
        facts["affordable_max_tokens"] = refusal.affordable_output_limit
        text += f". An output limit of up to {refusal.affordable_output_limit} is affordable"
    if scope is KeyScope.TRIAL:
        text += ". This is a trial key: claim the account at /claim to use it in full"
    return kind(f"{text}.", facts=facts)
