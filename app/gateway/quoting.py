"""What decides a hold, and what a request would cost: one rule for the call and for its quote.

A quote reads exactly what the call would read, holds nothing and writes nothing.
"""

from typing import NamedTuple

from sqlalchemy.orm import Session

from app.domain.billing.bound import BeyondMeans, Bound, choose_hold
from app.domain.billing.bound_facts import BoundFacts
from app.domain.billing.request_shape import COUNT_MAX, RequestShape
from app.domain.billing.spending import Spending, look_spending
from app.domain.billing.tokens import count_request, text_bound_tokens
from app.domain.catalog.kinds import ModelKind
from app.domain.channels.offers import Offer, Price, Route
from app.gateway.authentication import Caller
from app.gateway.envelope import Envelope, read_envelope
from app.gateway.gateway import Gateway
from app.gateway.protocols import Protocol
from app.gateway.selection import find_offer, find_routes


class Terms(NamedTuple):
    """The price in force, what bounds the cost over the candidates, and the request's shape."""

    price: Price
    facts: BoundFacts
    shape: RequestShape

    def decide(self, available_nanos: int) -> Bound | BeyondMeans:
        """What to hold of what a key may spend now, or why not. Pure: it may run more than once."""
        return choose_hold(
            self.price.sheet, facts=self.facts, shape=self.shape, available_nanos=available_nanos
        )

    def tokenised(self, envelope: Envelope) -> "Terms":
        """The same with the text counted in tokens: slow, so only where a token a byte is not
        affordable."""
        text_tokens = text_bound_tokens(envelope.document.members)
        return self._replace(shape=self.shape._replace(text_tokens=text_tokens))


class Quote(NamedTuple):
    """What one request would meet now. `output_limit_max` is the largest that is affordable, None
    where the kind of model has no output limit."""

    offer: Offer
    price: Price
    estimated_input_tokens: int
    spending: Spending
    hold: Bound | BeyondMeans
    output_limit: int | None
    output_limit_max: int | None

    @property
    def is_affordable(self) -> bool:
        return isinstance(self.hold, Bound)

    @property
    def needed_nanos(self) -> int:
        """What would be held, or would have to be."""
        return self.hold.amount_nanos if isinstance(self.hold, Bound) else self.hold.needed_nanos


def terms_of(
    gateway: Gateway, envelope: Envelope, *, offer: Offer, price: Price, routes: tuple[Route, ...]
) -> Terms:
    """The terms of a request over all channels that may carry it."""
    return Terms(price, gateway.facts(offer, routes), envelope.shape)


def quote(gateway: Gateway, caller: Caller, *, protocol: Protocol, body: bytes) -> Quote:
    """Quote the body of a call to `protocol`. Raises what the call would raise before its hold, but
    for the limits on how often, and for 402: that is an answer here."""
    envelope = read_envelope(protocol, body)
    offer, price = find_offer(gateway.offers, envelope, caller)
    routes = find_routes(gateway, offer, envelope)
    terms = terms_of(gateway, envelope, offer=offer, price=price, routes=routes)
    spending = _look(gateway, caller)
    tokenised = terms.tokenised(envelope)
    hold = terms.decide(spending.available_nanos)
    if isinstance(hold, BeyondMeans):
        hold = tokenised.decide(spending.available_nanos)
    return Quote(
        offer=offer,
        price=price,
        estimated_input_tokens=count_request(envelope.document.members),
        spending=spending,
        hold=hold,
        output_limit=_output_limit(terms.shape, hold),
        output_limit_max=_output_limit_max(tokenised, spending.available_nanos),
    )


def _look(gateway: Gateway, caller: Caller) -> Spending:
    with Session(gateway.engine) as session:
        return look_spending(
            session, user_id=caller.user_id, scope=caller.scope, cap_id=caller.cap_id
        )


def _output_limit(shape: RequestShape, hold: Bound | BeyondMeans) -> int | None:
    """The caller's own, else the one that would be chosen."""
    if shape.output_limit is not None or isinstance(hold, BeyondMeans):
        return shape.output_limit
    return hold.chosen_output_limit


def _output_limit_max(terms: Terms, available_nanos: int) -> int | None:
    """What a 402 for a limit beyond every means would name as affordable."""
    if terms.shape.kind is not ModelKind.CHAT:
        return None
    boundless = terms._replace(shape=terms.shape._replace(output_limit=COUNT_MAX))
    hold = boundless.decide(available_nanos)
    if isinstance(hold, BeyondMeans):
        return hold.affordable_output_limit
    return terms.facts.max_output_tokens
