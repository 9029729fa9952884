"""``GET /v1/models`` and ``/v1/models/{id}``: what is sellable now, in OpenAI's shape."""

from typing import Any

import orjson

from app.core import clock
from app.core.errors import AppError
from app.domain.accounts.models import KeyScope
from app.domain.catalog.errors import ModelUnknown
from app.domain.channels.offers import Offer
from app.gateway.authentication import Caller
from app.gateway.gateway import Gateway
from app.gateway.inbound import Inbound, Reply, json_reply
from app.gateway.replies import error_reply


def list_models(gateway: Gateway, inbound: Inbound) -> Reply:
    """Every model that the presenting key may use."""
    try:
        caller = gateway.keys.authenticate(inbound)
    except AppError as error:
        return error_reply(error, inbound)
    shown = [_shown(offer) for offer in gateway.offers.sellable() if _may_use(caller, offer)]
    return _json(inbound, {"object": "list", "data": shown})


def show_model(gateway: Gateway, inbound: Inbound, name: str) -> Reply:
    """One model; 404 also for one that this key may not use."""
    try:
        caller = gateway.keys.authenticate(inbound)
        offer = gateway.offers.offers().get(name)
        if offer is None or not offer.is_sellable(clock.now_ms()) or not _may_use(caller, offer):
            raise ModelUnknown(field="model")
    except AppError as error:
        return error_reply(error, inbound)
    return _json(inbound, _shown(offer))


def _may_use(caller: Caller, offer: Offer) -> bool:
    return caller.may_use(offer.name) and (caller.scope is KeyScope.FULL or offer.allows_trial)


def _shown(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.name,
        "object": "model",
        "created": offer.created_s,
        "owned_by": offer.provider,
    }


def _json(inbound: Inbound, value: dict[str, Any]) -> Reply:
    return json_reply(200, orjson.dumps(value), request_id=inbound.request_id)
