"""Units of a call whose usage nobody reported, kept within its hold. Pure.

An estimate may not cost more than was held, and a call's cost must equal its units times its price
version. So where the counted units would cost more, fewer are billed: output first, then input.
"""

from collections.abc import Callable, Mapping
from functools import partial

from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.units import INPUT_UNITS, Unit


def fit_to_hold(
    sheet: PriceSheet, units: Mapping[Unit, int], *, hold_nanos: int
) -> dict[Unit, int]:
    """The counted units, or as many of them as the hold covers. Raises `UnpricedUnit`."""
    fitted = dict(units)

    def is_covered(unit: Unit, count: int) -> bool:
        return sheet.cost_nanos(fitted | {unit: count}) <= hold_nanos

    for unit in sorted(fitted, key=lambda unit: unit in INPUT_UNITS):
        fitted[unit] = _most(partial(is_covered, unit), fitted[unit])
    return {unit: count for unit, count in fitted.items() if count}


def _most(is_covered: Callable[[int], bool], count: int) -> int:
    """`count` where it is covered, else a lesser one that is; 0 where none is."""
    if is_covered(count):
        return count
    covered, above = 0, count
    while above - covered > 1:
        middle = (covered + above) // 2
        covered, above = (middle, above) if is_covered(middle) else (covered, middle)
    return covered
