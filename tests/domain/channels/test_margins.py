"""Prices beside prices: what is below cost, what rises, what is left."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.catalog.markups import with_markup
from app.domain.catalog.pricing import Prices, PriceSheet, Tier, UnpricedUnit, total_input_tokens
from app.domain.catalog.units import TOKEN_UNITS, Unit
from app.domain.channels.margins import (
    Margin,
    Rise,
    Shortfall,
    dearest_of,
    margins,
    percent_text,
    rises,
    shortfalls,
)

PRICES = st.dictionaries(st.sampled_from(Unit), st.integers(0, 20), max_size=6)
UNITS = st.dictionaries(st.sampled_from(Unit), st.integers(0, 3_000_000), max_size=5)
MARKUPS = st.decimals(0, 10, places=4)


@st.composite
def sheets(draw: st.DrawFn) -> PriceSheet:
    bounds = sorted(draw(st.sets(st.integers(1, 3_000_000), max_size=2)))
    return PriceSheet(
        Prices(draw(PRICES)), tuple(Tier(bound, Prices(draw(PRICES))) for bound in bounds)
    )


def sheet(*tiers: tuple[int, dict[str, str]], **usd: str) -> PriceSheet:
    return PriceSheet(
        Prices.from_usd(per_million=usd),
        tuple(Tier(above, Prices.from_usd(per_million=prices)) for above, prices in tiers),
    )


def cost_of(priced: PriceSheet, units: dict[Unit, int]) -> int | None:
    try:
        return priced.cost_nanos(units)
    except UnpricedUnit:
        return None


def trade_alike(one: PriceSheet, other: PriceSheet, units: dict[Unit, int]) -> bool:
    """Whether both sell tokens, or both by the piece, at this much input."""
    total = total_input_tokens(units)
    sells = [
        not TOKEN_UNITS.isdisjoint(priced.prices_for(total).nanos_per_million)
        for priced in (one, other)
    ]
    return sells[0] == sells[1]


def test_a_unit_below_its_cost_is_named_with_both_prices():
    assert shortfalls(sheet(input="2", output="9"), sheet(input="2.5", output="8")) == (
        Shortfall(Unit.INPUT, 0, 2_000_000_000, 2_500_000_000),
    )


def test_a_parents_price_stands_in_on_both_sides():
    sale, cost = sheet(input="2", output="9"), sheet(input="2", output="9", cache_write="2.5")
    assert shortfalls(sale, cost) == (Shortfall(Unit.CACHE_WRITE, 0, 2_000_000_000, 2_500_000_000),)
    assert shortfalls(cost, sale) == ()


def test_tiers_at_different_bounds_are_compared_where_either_changes():
    sale = sheet((300, {"input": "6", "output": "6"}), input="3", output="3")
    cost = sheet((200, {"input": "5", "output": "5"}), input="2", output="2")
    found = shortfalls(sale, cost)
    assert {shortfall.above_input_tokens for shortfall in found} == {200}
    assert shortfalls(sheet(input="5", output="5"), cost) == ()


def test_a_cost_that_is_not_priced_at_all_is_a_shortfall_unless_it_is_zero():
    cost = sheet(input="1", output="1", tool_call="7")
    assert shortfalls(sheet(input="1", output="1"), cost) == (
        Shortfall(Unit.TOOL_CALL, 0, None, 7_000_000_000),
    )
    free = sheet(input="1", output="0")
    assert shortfalls(sheet(input="1"), free) == ()


def test_pictures_by_the_piece_are_not_compared_with_their_tokens():
    by_piece = PriceSheet(Prices.from_usd(per_one={"image": "0.04"}))
    by_token = sheet(input="5", image_output="40")
    assert shortfalls(by_piece, by_token) == shortfalls(by_token, by_piece) == ()


@given(sheets(), sheets(), UNITS)
def test_without_a_shortfall_no_call_is_sold_below_its_cost(sale, cost, units):
    if shortfalls(sale, cost) or not trade_alike(sale, cost, units):
        return
    sold, bought = cost_of(sale, units), cost_of(cost, units)
    if sold is not None and bought is not None:
        assert sold >= bought


@given(sheets(), sheets())
def test_every_shortfall_is_a_loss_on_a_call_of_that_unit(sale, cost):
    for shortfall in shortfalls(sale, cost):
        assert shortfall.cost_nanos > (shortfall.sale_nanos or 0)
        at = shortfall.above_input_tokens + 1
        assert cost.prices_for(at).price_of(shortfall.unit) == shortfall.cost_nanos
        assert sale.prices_for(at).price_of(shortfall.unit) == shortfall.sale_nanos


def test_a_rise_in_one_tier_of_one_unit_is_a_rise():
    old = sheet((100, {"input": "4"}), input="2", output="8")
    new = sheet((100, {"input": "4.5"}), input="2", output="7")
    assert rises(old, new) == (Rise(Unit.INPUT, 100, 4_000_000_000, 4_500_000_000),)
    assert rises(old, old) == ()


def test_a_dearer_child_alone_is_a_rise():
    old, new = sheet(input="2", output="8", cached_input="0.2"), sheet(input="2", output="8")
    assert {rise.unit for rise in rises(old, new)} == {Unit.CACHED_INPUT}
    assert rises(new, old) == ()


def test_what_is_priced_for_the_first_time_is_a_rise():
    old = sheet(input="2", output="8")
    assert [rise.old_nanos for rise in rises(old, sheet(input="2", output="8", request="1"))] == [
        None
    ]


def test_from_tokens_to_pieces_everything_is_new():
    both = PriceSheet(Prices({Unit.INPUT: 1, Unit.OUTPUT: 1, Unit.IMAGE: 50}))
    assert [rise.unit for rise in rises(both, PriceSheet(Prices({Unit.IMAGE: 50})))] == [Unit.IMAGE]


@given(sheets(), sheets(), UNITS)
def test_without_a_rise_no_call_becomes_dearer(old, new, units):
    if rises(old, new):
        return
    before, after = cost_of(old, units), cost_of(new, units)
    if before is not None and after is not None:
        assert after <= before


def test_margins_are_of_the_sale_price_and_exact():
    found = margins(sheet(input="3", output="8"), sheet(input="2", output="10"))
    assert found == (
        Margin(Unit.INPUT, 0, 3_000_000_000, 2_000_000_000),
        Margin(Unit.OUTPUT, 0, 8_000_000_000, 10_000_000_000),
    )
    assert [margin.share for margin in found] == [Fraction(1, 3), Fraction(-1, 4)]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Fraction(1, 6), "16.6%"),
        (Fraction(1, 5), "20%"),
        (Fraction(0), "0%"),
        (Fraction(-1, 4), "-25%"),
        (Fraction(-1, 3), "-33.4%"),
        (Fraction(-1, 100_000), "-0.1%"),
        (None, "-"),
    ],
)
def test_a_margin_is_told_rounded_down(share, text):
    assert percent_text(share) == text


@given(st.lists(sheets(), min_size=1, max_size=3), st.integers(0, 3_000_001))
def test_the_dearest_has_the_highest_price_of_each_unit_everywhere(several, total):
    dearest = dearest_of(several)
    assert dearest is not None
    for unit in Unit:
        stated = [priced.prices_for(total).price_of(unit) for priced in several]
        highest = max((price for price in stated if price is not None), default=None)
        assert dearest.prices_for(total).price_of(unit) == highest


def test_the_dearest_of_alike_is_told_as_shortly_as_they_are():
    one = sheet((100, {"input": "3"}), input="2", output="8", cached_input="0.2")
    assert dearest_of([one, one]) is one
    assert dearest_of([]) is None
    other = sheet(input="1", output="9", cached_input="0.1")
    assert dearest_of([one, other]) == sheet(
        (100, {"input": "3"}), input="2", output="9", cached_input="0.2"
    )


@given(sheets(), MARKUPS)
def test_a_mark_up_never_sells_below_cost_and_adds_no_nano_too_many(cost, markup):
    sale = with_markup(cost, markup)
    assert shortfalls(sale, cost) == ()
    for unit, nanos in cost.prices.nanos_per_million.items():
        exact = Fraction(nanos) * (1 + Fraction(markup))
        assert exact <= sale.prices.nanos_per_million[unit] < exact + 1


@given(sheets(), MARKUPS, UNITS)
def test_a_marked_up_call_never_costs_less_than_it_costs_us(cost, markup, units):
    bought = cost_of(cost, units)
    if bought is not None:
        assert with_markup(cost, markup).cost_nanos(units) >= bought


def test_a_mark_up_keeps_the_words_of_the_cost():
    cost = sheet((200_000, {"input": "4"}), input="2", output="8", cached_input="0.0000001")
    assert with_markup(cost, Decimal("0.15")) == PriceSheet(
        Prices.from_usd(
            per_million={"input": "2.3", "output": "9.2", "cached_input": "0.000000115"}
        ),
        (Tier(200_000, Prices.from_usd(per_million={"input": "4.6"})),),
    )
    assert with_markup(cost, Decimal(0)) == cost
