"""Prices as integers, and the exact cost of a call.

A price is integer nano-USD per million of its unit, also where people see it per one. The cost of
a call is Σ(quantity × price), divided once by a million and rounded up once. Pure: the same sheet
and the same units give the same cost for ever.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Self

from app.core.errors import AppError, BadRequest
from app.core.money import LARGEST_BIGINT, ceil_div, parse_usd
from app.domain.catalog.units import INPUT_UNITS, PARENTS, TOKEN_UNITS, Unit

MILLION = 1_000_000
_PIECES = frozenset({Unit.IMAGE})


class InvalidPriceSheet(BadRequest):
    number = 41
    reason = "invalid_price_sheet"
    message = "Prices are whole numbers of nano-USD per million of a known unit, tiers ascending."


class UnpricedUnit(AppError):
    """A quantity has no price of its own and no parent's: free is only an explicit 0."""

    number = 41
    reason = "unpriced_unit"


@dataclass(frozen=True)
class Prices:
    """Nano-USD per million of each unit that has a price of its own."""

    nanos_per_million: Mapping[Unit, int]

    def __post_init__(self) -> None:
        own = {_known_unit(unit): price for unit, price in self.nanos_per_million.items()}
        if not all(_is_price(price) for price in own.values()):
            raise InvalidPriceSheet()
        object.__setattr__(self, "nanos_per_million", MappingProxyType(own))

    @classmethod
    def from_usd(
        cls,
        *,
        per_million: Mapping[str, str] | None = None,
        per_one: Mapping[str, str] | None = None,
    ) -> Self:
        """From plain decimal dollars: tokens as quoted per million, pictures and seconds per one.

        Raises InvalidAmount or InvalidPriceSheet; a unit given both ways is one of the latter.
        """
        prices = {name: parse_usd(usd, field=name) for name, usd in (per_million or {}).items()}
        for name, usd in (per_one or {}).items():
            if name in prices:
                raise InvalidPriceSheet(field=name)
            prices[name] = parse_usd(usd, field=name) * MILLION
        return cls({_known_unit(name): price for name, price in prices.items()})

    def price_of(self, unit: Unit) -> int | None:
        """Its own price, else its parent's and so on; None where no one states any."""
        seeker: Unit | None = unit
        while seeker is not None:
            price = self.nanos_per_million.get(seeker)
            if price is not None:
                return price
            seeker = PARENTS[seeker]
        return None


@dataclass(frozen=True)
class Tier:
    """Prices of a call whose total input (cached and written tokens included) is above."""

    above_input_tokens: int
    prices: Prices

    def __post_init__(self) -> None:
        if type(self.above_input_tokens) is not int or self.above_input_tokens <= 0:
            raise InvalidPriceSheet(field="above_input_tokens")


@dataclass(frozen=True)
class LineItem:
    """One line of a receipt. `numerator` is exact: nano-USD × 10⁶; lines are summed, and only the
    sum is divided and rounded."""

    unit: Unit
    quantity: int
    nanos_per_million: int

    @property
    def numerator(self) -> int:
        return self.quantity * self.nanos_per_million


@dataclass(frozen=True)
class PriceSheet:
    """What a price version holds: base prices and tiers, lowest first.

    A tier prices every unit of the call. What it does not state costs what the tier states for the
    parent, then the base's own price, then the base's parent: a unit that shadows its parent in
    the base (pictures sold as input tokens) goes up with it, and a price per picture holds in all
    tiers.
    """

    prices: Prices
    tiers: tuple[Tier, ...] = ()
    _steps: tuple["_Step", ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        bounds = [tier.above_input_tokens for tier in self.tiers]
        if any(low >= high for low, high in pairwise(bounds)):
            raise InvalidPriceSheet(field="tiers")
        object.__setattr__(self, "_steps", tuple(_steps(self.prices, self.tiers)))

    def prices_for(self, total_input_tokens: int) -> Prices:
        """The complete prices (parents resolved) of a call with this much input in all."""
        return self._step(total_input_tokens).prices

    def dearest_nanos_per_million(self, units: Iterable[Unit], *, input_tokens: int) -> int | None:
        """The dearest price any of `units` can have while the total input is ≤ `input_tokens`.

        A tier that is cheaper than the base does not lower it. None where none has a price.
        """
        dearest = self._step(input_tokens).dearest
        return max((dearest[unit] for unit in units if unit in dearest), default=None)

    def line_items(self, units: Mapping[Unit, int]) -> tuple[LineItem, ...]:
        """The lines a call of these disjoint units is billed by, in the order of the unit list.

        - The price per picture applies only where no token is reported.
        - A sheet without any token price sells by the piece: tokens are then no line.

        Raises UnpricedUnit where something used has no price, or nothing used is billable.
        """
        billed = self._billed(units)
        return tuple(
            LineItem(unit, billed[unit][0], billed[unit][1]) for unit in Unit if unit in billed
        )

    def cost_nanos(self, units: Mapping[Unit, int]) -> int:
        """The cost of a call of these disjoint units; see `line_items` for what is left out."""
        numerator = sum(quantity * price for quantity, price in self._billed(units).values())
        return ceil_div(numerator, MILLION)

    def _billed(self, units: Mapping[Unit, int]) -> dict[Unit, tuple[int, int]]:
        """Quantity and price of each unit that is a line. Raises UnpricedUnit."""
        used = {unit: quantity for unit, quantity in units.items() if _checked(quantity)}
        step = self._step(total_input_tokens(used))
        prices = step.prices.nanos_per_million
        left_out: frozenset[Unit] = frozenset()
        if not step.sells_tokens:
            left_out = TOKEN_UNITS
        elif Unit.IMAGE in used and not TOKEN_UNITS.isdisjoint(used):
            left_out = _PIECES
        billed = [unit for unit in used if unit not in left_out]
        unpriced = [unit for unit in billed if unit not in prices] if billed else list(used)
        if unpriced:
            raise UnpricedUnit(facts={"units": unpriced})
        return {unit: (used[unit], prices[unit]) for unit in billed}

    def to_json(self) -> str:
        """Canonical text: the same sheet gives the same bytes, so that texts may be compared."""
        return json.dumps(
            {
                "prices": dict(self.prices.nanos_per_million),
                "tiers": [
                    {
                        "above_input_tokens": tier.above_input_tokens,
                        "prices": dict(tier.prices.nanos_per_million),
                    }
                    for tier in self.tiers
                ],
            },
            sort_keys=True,
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The sheet that `to_json` wrote. Raises InvalidPriceSheet for any other text."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise InvalidPriceSheet() from error
        members = _members(document, {"prices", "tiers"})
        if not isinstance(members["tiers"], list):
            raise InvalidPriceSheet(field="tiers")
        return cls(_prices(members["prices"]), tuple(_tier(tier) for tier in members["tiers"]))

    def _step(self, input_tokens: int) -> "_Step":
        reached = self._steps[0]
        for step in self._steps[1:]:
            if input_tokens > step.above_input_tokens:
                reached = step
        return reached


@dataclass(frozen=True)
class _Step:
    """The base or a tier, worked out once for the hot path: its complete prices, and the dearest
    of each unit here and in all steps below."""

    above_input_tokens: int
    prices: Prices
    dearest: Mapping[Unit, int]
    sells_tokens: bool


def total_input_tokens(units: Mapping[Unit, int]) -> int:
    """All tokens of the prompt, cached and written ones included: what chooses the tier."""
    return sum(quantity for unit, quantity in units.items() if unit in INPUT_UNITS)


def _steps(base: Prices, tiers: tuple[Tier, ...]) -> Iterator[_Step]:
    dearest: dict[Unit, int] = {}
    for above, own in ((0, base), *((tier.above_input_tokens, tier.prices) for tier in tiers)):
        prices = _complete(own, base=base)
        for unit, price in prices.nanos_per_million.items():
            dearest[unit] = max(price, dearest.get(unit, 0))
        sells_tokens = not TOKEN_UNITS.isdisjoint(prices.nanos_per_million)
        yield _Step(above, prices, MappingProxyType(dict(dearest)), sells_tokens)


def _complete(prices: Prices, *, base: Prices) -> Prices:
    complete: dict[Unit, int] = {}
    for unit in Unit:
        price = prices.price_of(unit)
        if price is None:
            price = base.price_of(unit)
        if price is not None:
            complete[unit] = price
    return Prices(complete)


def _known_unit(name: str) -> Unit:
    try:
        return Unit(name)
    except ValueError as error:
        raise InvalidPriceSheet(field=str(name)) from error


def _is_price(price: object) -> bool:
    return type(price) is int and 0 <= price <= LARGEST_BIGINT


def _checked(quantity: int) -> int:
    assert type(quantity) is int and quantity >= 0, "a quantity is a whole number"
    return quantity


def _members(value: Any, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        raise InvalidPriceSheet()
    return value


def _prices(value: Any) -> Prices:
    if not isinstance(value, dict):
        raise InvalidPriceSheet(field="prices")
    return Prices(value)


def _tier(value: Any) -> Tier:
    members = _members(value, {"above_input_tokens", "prices"})
    return Tier(members["above_input_tokens"], _prices(members["prices"]))
