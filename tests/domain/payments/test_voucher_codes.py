"""The codes of vouchers: a hundred bits, typed as people type."""

import math
import re

import pytest

from app.core.crypto import Digester
from app.domain.payments import voucher_codes

SYMBOLS = "7K2M901ABCDEFGHJKMNP"
SHOWN = "FLOW-7K2M9-01ABC-DEFGH-JKMNP"


def test_code_holds_a_hundred_random_bits():
    assert len(voucher_codes.ALPHABET) == len(set(voucher_codes.ALPHABET)) == 32
    assert voucher_codes.SYMBOLS * math.log2(len(voucher_codes.ALPHABET)) >= 100


def test_no_letter_looks_like_a_digit():
    assert not set("ILOU") & set(voucher_codes.ALPHABET)


def test_codes_differ_and_read_as_themselves():
    codes = [voucher_codes.shown(voucher_codes.make_symbols()) for _ in range(200)]
    assert len(set(codes)) == 200
    for code in codes:
        assert re.fullmatch(r"FLOW(-[0-9A-HJKMNP-TV-Z]{5}){4}", code)
        symbols = voucher_codes.read(code)
        assert symbols is not None
        assert voucher_codes.shown(symbols) == code


@pytest.mark.parametrize(
    "typed",
    [
        SHOWN,
        SHOWN.lower(),
        f"  {SHOWN}\n",
        SHOWN.replace("-", ""),
        SHOWN.replace("-", " "),
        SHOWN.replace("-", "–"),
        SHOWN.removeprefix("FLOW-"),
        SHOWN.replace("0", "o").replace("1", "l"),
        SHOWN.replace("0", "O").replace("1", "I"),
        "FL0W" + SYMBOLS,
    ],
)  # fmt: skip
def test_code_is_read_as_it_was_meant(typed: str):
    assert voucher_codes.read(typed) == SYMBOLS


@pytest.mark.parametrize(
    "typed",
    ["", "FLOW", SHOWN[:-1], SHOWN + "2", "FLOW" + SHOWN, SHOWN.replace("7", "U"),
     SHOWN.replace("7", "٧"), SHOWN.replace("7", "'"), "-" * 10_000, SYMBOLS + " " * 100],
)  # fmt: skip
def test_what_cannot_be_a_code_is_none(typed: str):
    assert voucher_codes.read(typed) is None


def test_digest_depends_on_the_key():
    one, other = Digester(b"a" * 40), Digester(b"b" * 40)
    assert voucher_codes.digest_of(one, SYMBOLS) == voucher_codes.digest_of(one, SYMBOLS)
    assert voucher_codes.digest_of(one, SYMBOLS) != voucher_codes.digest_of(other, SYMBOLS)
