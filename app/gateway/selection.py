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


def find_offer(book: OfferBook, envelope: Envelope, caller: Caller) -> tuple[Offer, Price]:
    """The model and the price in force now. Raises 404, 400 (another endpoint's model), 403."""
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
    """The channels that can carry this request. Raises 503 where there is none (and counts it),
    400 where none may.

    A server on a private network would fetch a remote URL from inside: it gets data: URLs only.
    """
    if not offer.routes:
        gateway.writer.submit(CountUnserved(offer.model_id, clock.now_ms()))
        raise NoChannel(retry_after_s=30)
    if not envelope.shape.has_remote_url:
        return offer.routes
    able = tuple(route for route in offer.routes if not route.allow_private)
    if not able:
        raise RemoteUrlNotSupported(field="messages")
    return able


def _unknown(name: str) -> NotFound:
    return ModelUnknown(
        f"The model {name!r} does not exist or is not sold. GET /v1/models lists what is.",
        field="model",
    )


def _wrong_endpoint(offer: Offer) -> InvalidParameter:
    path = next((row.path for row in PROTOCOLS if row.kind is offer.kind), None)
    where = f"send it to {path}" if path else "no endpoint serves it yet"
    return InvalidParameter(f"{offer.name} is a model for {offer.kind}: {where}.", field="model")
