from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import (
    LARGEST_BIGINT,
    InvalidAmount,
    ceil_div,
    convert,
    format_usd,
    parse_usd,
)

AMOUNTS = st.integers(min_value=-LARGEST_BIGINT, max_value=LARGEST_BIGINT)


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0),
        ("0.2", 200_000_000),
        ("0.000000001", 1),
        ("1.50", 1_500_000_000),
        ("9223372036.854775807", LARGEST_BIGINT),
    ],
)
def test_parse_reads_exact_decimal_text(text, nanos):
    assert parse_usd(text) == nanos


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ", " 1", "1.", ".5", "00.2", "01", "+1", "1,5", "1_0", "0x1", "٣", "１"),
        *("1e3", "1E-3", "NaN", "Infinity", "1.0000000001", "-1", "-0.2", "--1", "1\n"),
        *("9223372036.854775808", "99999999999", "9" * 5000),
        *(0.2, 1, True, None, b"1", Decimal("0.2")),
    ],
)
def test_parse_refuses_everything_but_plain_decimal_text(text):
    with pytest.raises(InvalidAmount) as refused:
        parse_usd(text, field="amount")
    assert refused.value.field == "amount"
    assert refused.value.code == 40004


def test_parse_takes_a_sign_only_where_it_is_allowed():
    assert parse_usd("-1.5", allow_negative=True) == -1_500_000_000
    assert parse_usd("-0", allow_negative=True) == 0


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0"),
        (200_000_000, "0.2"),
        (1, "0.000000001"),
        (-1_500_000_000, "-1.5"),
        (-1, "-0.000000001"),
        (10 * 10**9, "10"),
        (LARGEST_BIGINT, "9223372036.854775807"),
    ],
)
def test_format_is_plain_without_exponent_or_trailing_zeros(nanos, text):
    assert format_usd(nanos) == text


@given(AMOUNTS)
def test_format_and_parse_are_inverse(nanos):
    assert parse_usd(format_usd(nanos), allow_negative=True) == nanos


@pytest.mark.parametrize(
    ("nanos", "rate", "places", "text"),
    [
        (200_000_000, "7.2", 6, "1.44"),
        (200_000_000, "26000", 0, "5200"),
        (1, "7.2", 6, "0"),
        (999_999_999, "7.2", 6, "7.199999"),
        (-1, "7.2", 6, "-0.000001"),
        (LARGEST_BIGINT, "26123.456789", 6, "240946360853646.651262"),
    ],
)
def test_convert_rounds_down_to_the_places(nanos, rate, places, text):
    assert convert(nanos, Decimal(rate), places=places) == text


@given(AMOUNTS, st.decimals(min_value="0.000001", max_value="100000", places=9))
def test_a_converted_view_never_shows_more_than_there_is(nanos, rate):
    exact = Fraction(nanos, 10**9) * Fraction(rate)
    shown = Fraction(convert(nanos, rate))
    assert 0 <= exact - shown < Fraction(1, 10**6)


@pytest.mark.parametrize(
    "rate", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), 7.2]
)
def test_convert_takes_only_a_rate_above_zero(rate):
    with pytest.raises(AssertionError):
        convert(1, rate)


@given(st.integers(), st.integers(min_value=1))
def test_ceil_div_rounds_up(numerator, denominator):
    quotient = ceil_div(numerator, denominator)
    assert (quotient - 1) * denominator < numerator <= quotient * denominator
