"""Money: integer nano-USD (10⁻⁹ dollar), read from and written as plain decimal text.

No float touches money. `Decimal` appears only as a currency's rate, where a person types it.
"""

import re
from decimal import Decimal

from app.core.errors import BadRequest

NANOS_PER_USD = 10**9
DECIMALS_USD = 9
LARGEST_BIGINT = 2**63 - 1

# Ten digits before the point hold every BIGINT; a longer run is refused before it is a number.
_PLAIN_DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,9}))?")


class InvalidAmount(BadRequest):
    number = 4
    reason = "invalid_amount"
    message = (
        'Send the amount as a plain decimal string such as "0.2", with at most 9 decimals, '
        "no exponent and no sign."
    )


def parse_usd(text: str, *, allow_negative: bool = False, field: str | None = None) -> int:
    """Nano-USD of exact decimal text such as ``"0.2"``; `field` names the input in the error.

    Raises InvalidAmount for anything else: a float, an exponent, more than 9 decimals,
    leading zeros, spaces, a negative where none is allowed, more than BIGINT holds.
    """
    match = _PLAIN_DECIMAL.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidAmount(field=field)
    sign, dollars, decimals = match.groups()
    if sign and not allow_negative:
        raise InvalidAmount(field=field)
    nanos = int(dollars) * NANOS_PER_USD + int((decimals or "").ljust(DECIMALS_USD, "0"))
    if nanos > LARGEST_BIGINT:
        raise InvalidAmount(field=field)
    return -nanos if sign else nanos


def format_usd(nanos: int) -> str:
    """Plain decimal text without exponent or trailing zeros: ``"0.2"``, ``"0"``, ``"-1.5"``."""
    return _plain(nanos, decimals=DECIMALS_USD)


def convert(nanos: int, rate: Decimal, *, places: int = 6) -> str:
    """The view of `nanos` in another currency at `rate` units a dollar, as plain decimal text.

    Rounded down to `places` (a debt away from zero), so that a view never shows more than there
    is. Computed in integers: no precision of a decimal context is involved.
    """
    assert isinstance(rate, Decimal) and rate.is_finite() and rate > 0, "a rate is above zero"
    numerator, denominator = rate.as_integer_ratio()
    scaled = nanos * numerator * 10**places // (NANOS_PER_USD * denominator)
    return _plain(scaled, decimals=places)


def ceil_div(numerator: int, denominator: int) -> int:
    """Integer division rounded up, exact at any size; `denominator` > 0."""
    return -(-numerator // denominator)


def _plain(scaled: int, *, decimals: int) -> str:
    whole, fraction = divmod(abs(scaled), 10**decimals)
    sign = "-" if scaled < 0 else ""
    digits = f"{fraction:0{decimals}d}".rstrip("0") if fraction else ""
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
