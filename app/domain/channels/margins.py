"""Prices beside prices: where a sale is below its cost, what a rise makes dearer. Pure.

Two sheets are compared at every number of input tokens at which either changes: parents are
resolved, and a tier of one is set against whatever holds there in the other. Only units that one
of the two states itself are named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from app.domain.catalog.pricing import Prices, PriceSheet, Tier
from app.domain.catalog.units import TOKEN_UNITS, Unit


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A unit sold below its cost where the input is above `above_input_tokens`, in nano-USD per
    million. `sale_nanos` is None where the sale does not price it at all."""

    unit: Unit
    above_input_tokens: int
    sale_nanos: int | None
    cost_nanos: int


@dataclass(frozen=True, slots=True)
class Rise:
    """A unit that becomes dearer; `old_nanos` is None where it had no price."""

    unit: Unit
    above_input_tokens: int
    old_nanos: int | None
    new_nanos: int


@dataclass(frozen=True, slots=True)
class Margin:
    """What is left of the sale price of one unit."""

    unit: Unit
    above_input_tokens: int
    sale_nanos: int
    cost_nanos: int

    @property
    def share(self) -> Fraction | None:
        """Of the sale price; negative below cost, None where nothing is charged."""
        if self.sale_nanos == 0:
            return None
        return Fraction(self.sale_nanos - self.cost_nanos, self.sale_nanos)


def shortfalls(sale: PriceSheet, cost: PriceSheet) -> tuple[Shortfall, ...]:
    """Every unit, at every tier, whose sale price does not cover its cost.

    A sale by the piece and a cost in tokens (or the reverse) are not compared: what one picture
    takes in tokens is not known beforehand.
    """
    found, stated = [], _stated(sale, cost)
    for above, (sold, bought) in _steps(sale, cost):
        left_out = _not_billed(sold)
        for unit, cost_nanos in _of(bought, stated):
            sale_nanos = sold.nanos_per_million.get(unit)
            is_missing = sale_nanos is None and cost_nanos > 0 and unit not in left_out
            if is_missing or (sale_nanos is not None and sale_nanos < cost_nanos):
                found.append(Shortfall(unit, above, sale_nanos, cost_nanos))
    return tuple(found)


def rises(old: PriceSheet, new: PriceSheet) -> tuple[Rise, ...]:
    """Every unit, at every tier, that costs more than before, or costs something for the first
    time. From tokens to pieces everything is new."""
    found, stated = [], _stated(old, new)
    for above, (before, after) in _steps(old, new):
        is_other_trade = _sells_tokens(before) and not _sells_tokens(after)
        for unit, new_nanos in _of(after, stated):
            old_nanos = None if is_other_trade else before.nanos_per_million.get(unit)
            if new_nanos > (old_nanos or 0):
                found.append(Rise(unit, above, old_nanos, new_nanos))
    return tuple(found)


def differences(
    old: PriceSheet | None, new: PriceSheet
) -> tuple[tuple[Unit, int, int | None, int | None], ...]:
    """What is priced otherwise: unit, the tier's bound, old and new nanos; None where unpriced."""
    old = old or PriceSheet(Prices({}))
    stated = _stated(old, new)
    return tuple(
        (unit, above, before.nanos_per_million.get(unit), after.nanos_per_million.get(unit))
        for above, (before, after) in _steps(old, new)
        for unit in Unit
        if unit in stated
        and before.nanos_per_million.get(unit) != after.nanos_per_million.get(unit)
    )


def margins(sale: PriceSheet, cost: PriceSheet) -> tuple[Margin, ...]:
    """The margin of each unit that both price, at every tier."""
    stated = _stated(sale, cost)
    return tuple(
        Margin(unit, above, sold.nanos_per_million[unit], cost_nanos)
        for above, (sold, bought) in _steps(sale, cost)
        for unit, cost_nanos in _of(bought, stated)
        if unit in sold.nanos_per_million
    )


def percent_text(share: Fraction | None) -> str:
    """``"16.6%"``: rounded down to a tenth, so that no margin is told larger than it is."""
    if share is None:
        return "-"
    tenths = share * 1000 // 1
    sign = "-" if tenths < 0 else ""
    whole, tenth = divmod(abs(tenths), 10)
    return f"{sign}{whole}.{tenth}%" if tenth else f"{sign}{whole}%"


def dearest_of(sheets: Sequence[PriceSheet]) -> PriceSheet | None:
    """Per unit and tier the dearest of all; None of none.

    Of several, each unit is stated only where it differs from what would stand in for it.
    """
    distinct = list(dict.fromkeys(sheet.to_json() for sheet in sheets))
    if len(distinct) < 2:
        return sheets[0] if sheets else None
    (_, base), *tiers = [(above, _dearest(prices)) for above, prices in _steps(*sheets)]
    complete = PriceSheet(base, tuple(Tier(above, prices) for above, prices in tiers))
    return _shortest(complete)


def _steps(*sheets: PriceSheet) -> Iterator[tuple[int, tuple[Prices, ...]]]:
    """For the base and each bound of any sheet: the bound, and each sheet's complete prices."""
    bounds = {tier.above_input_tokens for sheet in sheets for tier in sheet.tiers}
    for above in sorted({0} | bounds):
        yield above, tuple(sheet.prices_for(above + 1) for sheet in sheets)


def _dearest(several: Sequence[Prices]) -> Prices:
    dearest: dict[Unit, int] = {}
    for prices in several:
        for unit, nanos in prices.nanos_per_million.items():
            dearest[unit] = max(nanos, dearest.get(unit, 0))
    return Prices(dearest)


def _shortest(sheet: PriceSheet) -> PriceSheet:
    """The same prices with as few words: a unit goes where its parent's price says the same.

    Children first, for a parent may only go once nothing leans on it any more.
    """
    for position in range(len(sheet.tiers), -1, -1):
        for unit in reversed(Unit):
            shorter = _without(sheet, position, unit)
            if shorter is not None and _are_same(shorter, sheet):
                sheet = shorter
    return sheet


def _without(sheet: PriceSheet, position: int, unit: Unit) -> PriceSheet | None:
    """The sheet without `unit` in the base (0) or in a tier (1 …); None where it is not stated."""
    parts = list(_parts(sheet))
    own = dict(parts[position].nanos_per_million)
    if own.pop(unit, None) is None:
        return None
    parts[position] = Prices(own)
    bounds = [tier.above_input_tokens for tier in sheet.tiers]
    tiers = (Tier(above, prices) for above, prices in zip(bounds, parts[1:], strict=True))
    return PriceSheet(parts[0], tuple(tiers))


def _are_same(one: PriceSheet, other: PriceSheet) -> bool:
    return all(left == right for _, (left, right) in _steps(one, other))


def _stated(*sheets: PriceSheet) -> frozenset[Unit]:
    """The units that any of them states itself. One that none states costs what its parent costs,
    in all of them: it would only repeat what is said of the parent."""
    parts = [prices for sheet in sheets for prices in _parts(sheet)]
    return frozenset(unit for prices in parts for unit in prices.nanos_per_million)


def _parts(sheet: PriceSheet) -> tuple[Prices, ...]:
    return (sheet.prices, *(tier.prices for tier in sheet.tiers))


def _of(prices: Prices, units: frozenset[Unit]) -> Iterator[tuple[Unit, int]]:
    """Those of `units` that have a price, in the order of the unit list."""
    own = prices.nanos_per_million
    return ((unit, own[unit]) for unit in Unit if unit in units and unit in own)


def _sells_tokens(prices: Prices) -> bool:
    return not TOKEN_UNITS.isdisjoint(prices.nanos_per_million)


def _not_billed(prices: Prices) -> frozenset[Unit]:
    """What a sale at these prices leaves out where it states no price: see `line_items`."""
    return frozenset({Unit.IMAGE}) if _sells_tokens(prices) else TOKEN_UNITS
