"""Which model, at which price, by which channels. Nothing is held while these refuse."""

from app.core import clock
from app.core.errors import NotFound
from app.domain.accounts.models import KeyScope
from app.domain.catalog.errors import ModelUnknown
from app.domain.channels.offers import Offer, OfferBook, Price, Route
from app.domain.channels.unserved import CountUnserved
from app.gateway.authentication import Caller
from app.gateway.envelope import Envelope
from app.gateway.errors import (
    InvalidParameter,
    ModelNotAllowed,
    NoChannel,
    RemoteUrlNotSupported,
)
from app.gateway.gateway import Gateway
from app.gateway.protocols import PROTOCOLS

UNSERVED_RETRY_S = 30


def find_offer(book: OfferBook, envelope: Envelope, caller: Caller) -> tuple[Offer, Price]:
    """The model and the price in force now. Raises 404, 400 (another endpoint's model), 403.

    What is not on the key's list is 403, whether or not there is such a model.
    """
    if caller.models is not None and not caller.may_use(envelope.model_name):
        raise ModelNotAllowed(
            f"This key may not use {envelope.model_name!r}. GET /v1/models lists what it may.",
            field="model",
        )
    now_ms = clock.now_ms()
    offer = book.offers().get(envelope.model_name)
    price = None if offer is None else offer.prices.in_force(now_ms)
    if offer is None or price is None or offer.is_retired(now_ms):
        raise _unknown(envelope.model_name)
    if offer.kind is not envelope.protocol.kind:
        raise _wrong_endpoint(offer)
    if caller.scope is KeyScope.TRIAL and not offer.allows_trial:
        raise ModelNotAllowed(
            f"Trial money does not buy {offer.name}. Claim the account at /claim, approve this "
            "key, and top up.",
            field="model",
        )
    return offer, price


def able_routes(gateway: Gateway, offer: Offer, envelope: Envelope) -> tuple[Route, ...]:
    """As `find_routes`; a call that is refused for want of a channel is counted."""
    try:
        return find_routes(gateway, offer, envelope)
    except NoChannel:
        gateway.writer.submit(CountUnserved(offer.model_id, clock.now_ms()))
        raise


def find_routes(gateway: Gateway, offer: Offer, envelope: Envelope) -> tuple[Route, ...]:
    """The healthy channels that can carry this request; the offer's own tuple where all can.

    Raises 400 where none can, 503 where there is none, or none is healthy: with the seconds until
    the first may be tried again.
    """
    if not offer.routes:
        raise NoChannel(retry_after_s=UNSERVED_RETRY_S)
    able = _able(offer, envelope)
    healthy = gateway.health.healthy(able, offer.model_id)
    if not healthy:
        raise NoChannel(retry_after_s=gateway.health.soonest_s(able, offer.model_id))
    return healthy


def _able(offer: Offer, envelope: Envelope) -> tuple[Route, ...]:
    """A server on a private network would fetch a remote URL from inside: it gets data: URLs."""
    if not envelope.shape.has_remote_url:
        return offer.routes
    able = tuple(route for route in offer.routes if not route.allow_private)
    if not able:
        raise RemoteUrlNotSupported(field="messages")
    # The offer's own tuple: what is derived from it is kept by its identity.
    return able if len(able) < len(offer.routes) else offer.routes


def _unknown(name: str) -> NotFound:
    return ModelUnknown(
        f"The model {name!r} does not exist or is not sold. GET /v1/models lists what is.",
        field="model",
    )


def _wrong_endpoint(offer: Offer) -> InvalidParameter:
    path = next((row.path for row in PROTOCOLS if row.kind is offer.kind), None)
    where = f"send it to {path}" if path else "no endpoint serves it yet"
    return InvalidParameter(f"{offer.name} is a model for {offer.kind}: {where}.", field="model")
