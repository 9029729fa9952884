"""Key names: what is allowed, and which of them are the same."""

import pytest

from app.domain.accounts.errors import InvalidKeyName
from app.domain.accounts.key_names import fold_key_name, normalise_key_name


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("goodhr", "goodhr"),
        ("  Good   HR ", "Good HR"),
        ("a.b_c-d 9", "a.b_c-d 9"),
        (" " * 100 + "x", "x"),
        ("x" * 64, "x" * 64),
    ],
)
def test_name_is_trimmed_and_runs_of_spaces_collapse(typed, kept):
    assert normalise_key_name(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "   ", "x" * 65, "good\thr", "goodhr\n", "gööd", "ＧＯＯＤ", "a/b", "a\x00", "<b>", "💥"],
)
def test_other_characters_and_lengths_are_refused(typed):
    with pytest.raises(InvalidKeyName) as refusal:
        normalise_key_name(typed)
    assert refusal.value.field == "key_name"


def test_names_are_compared_without_case():
    assert fold_key_name("GoodHR") == fold_key_name("goodhr")
