"""``POST /api/quote``: what a call to ``/v1`` would cost at most, and whether this key may make it.

The body names the endpoint and holds the request as it would be sent there. Its very bytes are
measured: sent with other spaces or in another order, the call may hold a little more or less.
"""

from typing import Any

from flask import Response, request

from app import gateway
from app.api import bodies, envelope
from app.api.authentication import authenticate
from app.api.errors import InvalidMember, MissingMember, UnknownEndpoint, UnknownMember
from app.api.rates import require_rate
from app.core.database import db
from app.core.money import format_usd
from app.core.ratelimit import Quota
from app.core.strict_json import SHOWN_NAME_LENGTH_MAX, read_members
from app.domain.catalog.pricing import Prices, PriceSheet, Tier
from app.domain.catalog.units import Unit
from app.services import services

BODY_LIMIT_BYTES = 1024 * 1024
MEMBERS = ("endpoint", "request")
# One deeper than a call's own body may be.
DEPTH_MAX = 65

# Counting the tokens of a megabyte takes some 50 ms. An account has many keys.
PER_MINUTE_OF_KEY = 60
PER_MINUTE_OF_USER = 240

_PROTOCOLS = {row.path: row for row in gateway.PROTOCOLS}


def quote() -> Response:
    """Quote a request by the rules of the call itself. Nothing is held, sent or written."""
    holder = authenticate(db.session(), services().digester)
    require_rate(
        Quota("quote-key", str(holder.key.id), PER_MINUTE_OF_KEY),
        Quota("quote-user", str(holder.user.id), PER_MINUTE_OF_USER),
    )
    protocol, body = _read_body()
    proxy = services().gateway
    caller = proxy.keys.authenticate(gateway.Inbound(request.environ))
    return envelope.success(_shown(gateway.quote(proxy, caller, protocol=protocol, body=body)))


def _read_body() -> tuple[gateway.Protocol, bytes]:
    """The protocol that is asked for, and the bytes of its request."""
    raw = bodies.read_raw(request.environ, limit_bytes=BODY_LIMIT_BYTES)
    document = read_members(raw, max_depth=DEPTH_MAX)
    for name in document.names:
        if name not in MEMBERS:
            known = ", ".join(MEMBERS)
            raise UnknownMember(
                f"There is no member of that name. Known: {known}.",
                field=name[:SHOWN_NAME_LENGTH_MAX],
            )
    for name in MEMBERS:
        if name not in document:
            raise MissingMember(f"Send the member {name}.", field=name)
    path = document.get("endpoint")
    protocol = _PROTOCOLS.get(path) if isinstance(path, str) else None
    if protocol is None:
        raise UnknownEndpoint(f"endpoint must be one of {', '.join(_PROTOCOLS)}.", field="endpoint")
    if not isinstance(document.get("request"), dict):
        raise InvalidMember("request must be an object: the body of the call.", field="request")
    return protocol, document.value_bytes("request")


def _shown(found: gateway.Quote) -> dict[str, Any]:
    sheet = found.price.sheet
    return {
        "model": found.offer.name,
        "prices": _shown_prices(sheet.prices),
        "tiers": [_shown_tier(sheet, tier) for tier in sheet.tiers],
        "estimated_input_tokens": found.estimated_input_tokens,
        "needed_usd": format_usd(found.needed_nanos),
        "available_usd": format_usd(found.spending.available_nanos),
        "held_usd": format_usd(found.spending.held_nanos),
        "affordable": found.is_affordable,
        "output_limit": found.output_limit,
        "affordable_max_tokens": found.output_limit_max,
    }


def _shown_tier(sheet: PriceSheet, tier: Tier) -> dict[str, Any]:
    """A tier's price for whatever it or the base names."""
    named = {*sheet.prices.nanos_per_million, *tier.prices.nanos_per_million}
    priced = sheet.prices_for(tier.above_input_tokens + 1).nanos_per_million
    prices = Prices({unit: price for unit, price in priced.items() if unit in named})
    return {
        "above_input_tokens": tier.above_input_tokens,
        "prices": _shown_prices(prices),
    }


def _shown_prices(prices: Prices) -> list[dict[str, str]]:
    """By unit. One that is not named costs what its kind does: cached input what input does."""
    return [
        {"unit": unit.value, "usd_per_million": format_usd(prices.nanos_per_million[unit])}
        for unit in Unit
        if unit in prices.nanos_per_million
    ]
