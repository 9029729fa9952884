"""Numbers of a price list: read as exact decimals, never through a float."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from app.core.money import NANOS_PER_USD, ceil_div
from app.domain.catalog.importing.listed import LARGEST_LIMIT_TOKENS, SkipReason, Unusable
from app.domain.catalog.pricing import MILLION

LONGEST_NUMBER = 40
"""Characters. The longest that a float is ever written with are 24."""

DEAREST_TOKEN_USD = 1
DEAREST_PIECE_USD = 500
"""Far above any price; with the largest mark-up it is still a number that the books hold."""

_SMALLEST_EXPONENT = -30


def read_number(text: str) -> Decimal:
    """For the JSON decoder: a number exactly as written; NaN for one that nobody means."""
    if len(text) > LONGEST_NUMBER:
        return Decimal("NaN")
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what the module itself holds
        return Decimal("NaN")


def usd_per_token(value: Any, name: str) -> int:
    """Nanos per million of a price in dollars a token, rounded up. Raises `Unusable`."""
    return _nanos(value, name, times=NANOS_PER_USD * MILLION, most=DEAREST_TOKEN_USD)


def usd_per_million(value: Any, name: str) -> int:
    """Nanos per million of a price in dollars a million, rounded up. Raises `Unusable`."""
    return _nanos(value, name, times=NANOS_PER_USD, most=DEAREST_TOKEN_USD * MILLION)


def usd_per_piece(value: Any, name: str) -> int:
    """Nanos per million of a price in dollars a piece, rounded up. Raises `Unusable`."""
    return _nanos(value, name, times=NANOS_PER_USD * MILLION, most=DEAREST_PIECE_USD)


def tokens(value: Any, name: str) -> int | None:
    """A limit in tokens; None where it is 0 or not stated. Raises `Unusable`."""
    if value is None:
        return None
    number = _decimal(value, name)
    if number != number.to_integral_value() or not 0 <= number <= LARGEST_LIMIT_TOKENS:
        raise Unusable(SkipReason.BROKEN, f"{name} is no number of tokens")
    return int(number) or None


def day(value: Any, name: str) -> date | None:
    """A day as YYYY-MM-DD; None where it is not stated. Raises `Unusable`."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value) if isinstance(value, str) else _no_day(name)
    except ValueError:
        return _no_day(name)


def _no_day(name: str) -> date:
    raise Unusable(SkipReason.BROKEN, f"{name} is no day such as 2026-11-24")


def _nanos(value: Any, name: str, *, times: int, most: int) -> int:
    price = _decimal(value, name)
    if not 0 <= price <= most:
        raise Unusable(SkipReason.BROKEN, f"{name} is no price that a model can have")
    numerator, denominator = price.as_integer_ratio()
    return ceil_div(numerator * times, denominator)


def _decimal(value: Any, name: str) -> Decimal:
    """The number; bounded, so that arithmetic with it stays small."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Unusable(SkipReason.BROKEN, f"{name} is no number")
    if value and not _SMALLEST_EXPONENT <= value.adjusted() <= -_SMALLEST_EXPONENT:
        raise Unusable(SkipReason.BROKEN, f"{name} is no number that we read")
    return value
