from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import LARGEST_BIGINT, InvalidAmount
from app.domain.catalog.kinds import SERVED_KINDS, ModelKind, is_priced
from app.domain.catalog.pricing import (
    InvalidPriceSheet,
    Prices,
    PriceSheet,
    Tier,
    UnpricedUnit,
    total_input_tokens,
)
from app.domain.catalog.units import INPUT_UNITS, PARENTS, TOKEN_UNITS, UNITS, Unit

PRICES = st.dictionaries(st.sampled_from(Unit), st.integers(0, 10**14)).map(Prices)


@st.composite
def sheets(draw):
    bounds = sorted(draw(st.sets(st.integers(1, 1_000_000), max_size=3)))
    return PriceSheet(draw(PRICES), tuple(Tier(bound, draw(PRICES)) for bound in bounds))


def sheet(tiers=(), **usd: str):
    return PriceSheet(
        Prices.from_usd(per_million=usd),
        tuple(Tier(above, Prices.from_usd(per_million=prices)) for above, prices in tiers),
    )


def test_ten_tokens_at_two_cents_a_million_cost_200_nanos():
    assert sheet(input="0.02").cost_nanos({Unit.INPUT: 10}) == 200


def test_cost_is_summed_exactly_and_rounded_up_once():
    tiny = PriceSheet(Prices({Unit.INPUT: 400_000, Unit.OUTPUT: 400_000}))
    assert tiny.cost_nanos({Unit.INPUT: 1, Unit.OUTPUT: 1}) == 1
    assert tiny.cost_nanos({Unit.INPUT: 3, Unit.OUTPUT: 0}) == 2
    assert tiny.cost_nanos({}) == 0


def test_a_picture_is_stored_per_million_and_costs_its_price():
    prices = Prices.from_usd(per_one={"image": "0.039"})
    assert prices.price_of(Unit.IMAGE) == 39_000_000_000_000
    assert PriceSheet(prices).cost_nanos({Unit.IMAGE: 2}) == 78_000_000


def test_picture_price_applies_only_without_token_usage():
    both = PriceSheet(
        Prices.from_usd(
            per_million={"input": "0.3", "image_output": "30"}, per_one={"image": "0.039"}
        )
    )
    assert both.cost_nanos({Unit.IMAGE: 1}) == 39_000_000
    reported = {Unit.IMAGE: 1, Unit.INPUT: 10, Unit.IMAGE_OUTPUT: 1290}
    assert both.cost_nanos(reported) == 3_000 + 38_700_000
    assert [line.unit for line in both.line_items(reported)] == [Unit.INPUT, Unit.IMAGE_OUTPUT]


def test_a_sheet_by_the_piece_does_not_bill_tokens_too():
    by_picture = PriceSheet(Prices.from_usd(per_one={"image": "0.04"}))
    assert by_picture.cost_nanos({Unit.IMAGE: 1, Unit.INPUT: 30}) == 40_000_000


@pytest.mark.parametrize(
    ("prices", "units"),
    [
        ({"input": "1"}, {Unit.OUTPUT: 1}),
        ({"input": "1"}, {Unit.IMAGE_OUTPUT: 1, Unit.INPUT: 5}),
        ({"input": "1", "output": "1"}, {Unit.TOOL_CALL: 1}),
        ({}, {Unit.INPUT: 1}),
        ({"image": "1"}, {Unit.INPUT: 1}),
    ],
)
def test_nothing_used_is_free_unless_its_price_is_zero(prices, units):
    with pytest.raises(UnpricedUnit):
        sheet(**prices).cost_nanos(units)


def test_an_explicit_zero_is_free():
    assert sheet(input="0", output="0").cost_nanos({Unit.INPUT: 9, Unit.OUTPUT: 9}) == 0


@pytest.mark.parametrize("unit", sorted(TOKEN_UNITS - {Unit.INPUT, Unit.OUTPUT}))
def test_a_token_unit_without_price_costs_its_parents(unit):
    root = Unit.INPUT if unit in INPUT_UNITS else Unit.OUTPUT
    plain = sheet(input="2", output="8")
    assert plain.cost_nanos({unit: 7}) == plain.cost_nanos({root: 7})
    zero = sheet(input="2", output="8", **{unit: "0"})
    assert zero.cost_nanos({unit: 7}) == 0


def test_every_unit_is_listed_once_and_parents_lead_to_a_root_of_the_same_side():
    assert [row.unit for row in UNITS] == list(Unit)
    sides = {row.unit: row.side for row in UNITS}
    assert all(sides[row.unit] == sides[row.parent] for row in UNITS if row.parent)
    assert {unit for unit in TOKEN_UNITS if PARENTS[unit] is None} == {Unit.INPUT, Unit.OUTPUT}


def test_tier_is_chosen_by_the_whole_input_and_applies_to_every_unit():
    tiered = sheet([(1000, {"input": "4", "output": "12", "cached_input": "1"})],
                   input="2", output="6", cached_input="0.5")  # fmt: skip
    at = {Unit.INPUT: 400, Unit.CACHED_INPUT: 500, Unit.CACHE_WRITE: 100, Unit.OUTPUT: 10}
    assert total_input_tokens(at) == 1000
    assert tiered.cost_nanos(at) == 400 * 2000 + 500 * 500 + 100 * 2000 + 10 * 6000
    above = at | {Unit.INPUT: 401}
    assert tiered.cost_nanos(above) == 401 * 4000 + 500 * 1000 + 100 * 4000 + 10 * 12000


def test_what_a_tier_leaves_out_follows_its_parent_then_the_base():
    tiered = PriceSheet(
        Prices.from_usd(
            per_million={"input": "2", "image_input": "2", "output": "6", "reasoning": "7"},
            per_one={"request": "0.001"},
        ),
        (Tier(1000, Prices.from_usd(per_million={"input": "4"})),),
    )
    high = tiered.prices_for(1001)
    assert high.price_of(Unit.IMAGE_INPUT) == 4_000_000_000
    assert high.price_of(Unit.OUTPUT) == 6_000_000_000
    assert high.price_of(Unit.REASONING) == 7_000_000_000
    assert high.price_of(Unit.REQUEST) == 1_000_000_000_000
    assert tiered.prices_for(1000).price_of(Unit.IMAGE_INPUT) == 2_000_000_000


def test_dearest_price_covers_only_the_tiers_within_reach():
    tiered = sheet([(1000, {"input": "4"}), (2000, {"input": "1"})], input="2", cache_write="3")
    units = {Unit.INPUT, Unit.CACHE_WRITE}
    assert tiered.dearest_nanos_per_million(units, input_tokens=1000) == 3_000_000_000
    assert tiered.dearest_nanos_per_million(units, input_tokens=1001) == 4_000_000_000
    assert tiered.dearest_nanos_per_million(units, input_tokens=9999) == 4_000_000_000
    assert tiered.dearest_nanos_per_million({Unit.OUTPUT}, input_tokens=1) is None


@given(sheets(), st.dictionaries(st.sampled_from(sorted(TOKEN_UNITS)), st.integers(0, 10**6)))
def test_cost_equals_the_exact_sum_of_its_lines_rounded_up(priced, units):
    try:
        lines = priced.line_items(units)
    except UnpricedUnit:
        return
    exact = sum(Fraction(line.quantity * line.nanos_per_million, 10**6) for line in lines)
    assert priced.cost_nanos(units) == ceil(exact)
    tier = priced.prices_for(total_input_tokens(units))
    assert all(line.nanos_per_million == tier.price_of(line.unit) for line in lines)


@given(sheets())
def test_json_brings_the_same_sheet_back_and_is_canonical(priced):
    text = priced.to_json()
    assert PriceSheet.from_json(text) == priced
    assert PriceSheet.from_json(text).to_json() == text


def test_json_is_sorted_whatever_the_order_it_was_written_in():
    one, other = {Unit.INPUT: 1, Unit.OUTPUT: 2}, {Unit.OUTPUT: 2, Unit.INPUT: 1}
    text = '{"prices":{"input":1,"output":2},"tiers":[]}'
    assert PriceSheet(Prices(one)).to_json() == PriceSheet(Prices(other)).to_json() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"prices":{}}',
        '{"prices":[],"tiers":[]}',
        '{"prices":{},"tiers":{}}',
        '{"prices":{"gold":1},"tiers":[]}',
        '{"prices":{"input":1.5},"tiers":[]}',
        '{"prices":{"input":true},"tiers":[]}',
        '{"prices":{"input":"1"},"tiers":[]}',
        '{"prices":{"input":-1},"tiers":[]}',
        '{"prices":{"input":9223372036854775808},"tiers":[]}',
        '{"prices":{},"tiers":[{"above_input_tokens":0,"prices":{}}]}',
        '{"prices":{},"tiers":[{"above_input_tokens":true,"prices":{}}]}',
        '{"prices":{},"tiers":[{"above_input_tokens":5}]}',
        '{"prices":{},"tiers":[],"more":1}',
    ],
)
def test_json_of_another_shape_is_refused(text):
    with pytest.raises(InvalidPriceSheet):
        PriceSheet.from_json(text)


def test_tiers_must_ascend():
    with pytest.raises(InvalidPriceSheet):
        sheet([(2000, {"input": "1"}), (1000, {"input": "2"})], input="1")
    with pytest.raises(InvalidPriceSheet):
        sheet([(1000, {"input": "1"}), (1000, {"input": "2"})], input="1")


def test_dollar_prices_must_be_exact_and_given_one_way():
    with pytest.raises(InvalidAmount) as refused:
        Prices.from_usd(per_million={"input": "1e-3"})
    assert refused.value.field == "input"
    with pytest.raises(InvalidPriceSheet):
        Prices.from_usd(per_million={"image": "1"}, per_one={"image": "1"})
    with pytest.raises(InvalidPriceSheet):
        Prices.from_usd(per_one={"image": "9224"})
    assert Prices.from_usd(per_one={"image": "9223"}).price_of(Unit.IMAGE) < LARGEST_BIGINT


def test_a_price_sheet_cannot_be_changed_through_the_mapping_it_came_from():
    source = {Unit.INPUT: 1}
    priced = PriceSheet(Prices(source))
    source[Unit.INPUT] = 2
    assert priced.prices.price_of(Unit.INPUT) == 1
    with pytest.raises(TypeError):
        priced.prices.nanos_per_million[Unit.INPUT] = 3


@pytest.mark.parametrize(
    ("kind", "prices", "expected"),
    [
        (ModelKind.CHAT, {"input": "1", "output": "0"}, True),
        (ModelKind.CHAT, {"input": "1"}, False),
        (ModelKind.CHAT, {"request": "1"}, False),
        (ModelKind.EMBEDDING, {"input": "1"}, True),
        (ModelKind.IMAGE_GENERATION, {"image": "1"}, True),
        (ModelKind.IMAGE_GENERATION, {"input": "1", "output": "1"}, True),
        (ModelKind.IMAGE_GENERATION, {"input": "1"}, False),
    ],
)
def test_a_kind_says_what_must_be_priced(kind, prices, expected):
    assert is_priced(kind, sheet(**prices)) is expected


def test_the_kinds_we_serve_are_those_of_our_three_routes():
    assert {ModelKind.CHAT, ModelKind.EMBEDDING, ModelKind.IMAGE_GENERATION} == SERVED_KINDS
