"""Prices as people read them: tokens per million, everything else per one, in USD."""

from app.core.money import format_usd
from app.domain.catalog.pricing import MILLION, Prices, PriceSheet
from app.domain.catalog.units import TOKEN_UNITS, Unit


def price_text(unit: Unit, nanos_per_million: int) -> str:
    """The number alone: ``"2.5"`` dollars a million tokens, ``"0.039"`` a picture."""
    if unit in TOKEN_UNITS:
        return format_usd(nanos_per_million)
    dollars, rest = divmod(nanos_per_million, MILLION)
    # A price that is no whole number of nanos a piece is told a million pieces.
    return f"{format_usd(nanos_per_million)} a million" if rest else format_usd(dollars)


def unit_price_text(unit: Unit, nanos_per_million: int) -> str:
    """The number with its unit: ``"input 2.5"``, ``"0.039 per image"``."""
    if unit in TOKEN_UNITS or nanos_per_million % MILLION:
        return f"{unit} {format_usd(nanos_per_million)}"
    return f"{price_text(unit, nanos_per_million)} per {unit}"


def prices_text(prices: Prices) -> str:
    """All own prices on one line, in the order of the unit list."""
    own = prices.nanos_per_million
    return ", ".join(unit_price_text(unit, own[unit]) for unit in Unit if unit in own)


def base_prices_text(sheet: PriceSheet) -> str:
    """The base prices on one line, and whether there are tiers above."""
    tiers = [f"dearer tiers above {tier.above_input_tokens} tokens" for tier in sheet.tiers[:1]]
    return ", ".join([prices_text(sheet.prices), *tiers])
