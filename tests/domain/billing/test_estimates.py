"""An estimate costs at most its hold, and its units multiply out to its cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.billing.estimates import fit_to_hold
from app.domain.catalog.pricing import Prices, PriceSheet, Tier, UnpricedUnit
from app.domain.catalog.units import Unit

SHEET = PriceSheet(Prices({Unit.INPUT: 1_000_000, Unit.OUTPUT: 3_000_000}))
CHEAPER_ABOVE = PriceSheet(
    SHEET.prices, (Tier(100, Prices({Unit.INPUT: 500_000, Unit.OUTPUT: 1_000_000})),)
)
tokens = st.integers(0, 10_000)


def test_counted_units_stand_where_the_hold_covers_them():
    assert fit_to_hold(SHEET, {Unit.INPUT: 10, Unit.OUTPUT: 20}, hold_nanos=70) == {
        Unit.INPUT: 10,
        Unit.OUTPUT: 20,
    }


def test_output_is_lowered_first_and_input_only_then():
    assert fit_to_hold(SHEET, {Unit.INPUT: 10, Unit.OUTPUT: 20}, hold_nanos=69) == {
        Unit.INPUT: 10,
        Unit.OUTPUT: 19,
    }
    assert fit_to_hold(SHEET, {Unit.INPUT: 10, Unit.OUTPUT: 20}, hold_nanos=8) == {Unit.INPUT: 8}
    assert fit_to_hold(SHEET, {Unit.INPUT: 10, Unit.OUTPUT: 20}, hold_nanos=0) == {}


def test_units_without_a_price_are_refused():
    with pytest.raises(UnpricedUnit):
        fit_to_hold(PriceSheet(Prices({Unit.IMAGE: 5})), {Unit.OUTPUT: 1}, hold_nanos=9)


@given(tokens, tokens, tokens, st.sampled_from([SHEET, CHEAPER_ABOVE]))
def test_never_above_the_hold_nor_above_the_count(
    input_tokens: int, output_tokens: int, hold_nanos: int, sheet: PriceSheet
):
    counted = {Unit.INPUT: input_tokens, Unit.OUTPUT: output_tokens}
    units = fit_to_hold(sheet, counted, hold_nanos=hold_nanos)
    assert sheet.cost_nanos(units) <= hold_nanos
    assert all(0 < count <= counted[unit] for unit, count in units.items())
    if sheet.cost_nanos(counted) <= hold_nanos:
        assert sheet.cost_nanos(units) == sheet.cost_nanos(counted)
