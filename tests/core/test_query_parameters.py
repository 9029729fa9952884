"""Query strings: known parameters once, everything else refused."""

import pytest

from app.core.query_parameters import (
    InvalidQuery,
    UnknownParameter,
    read_any_parameters,
    read_parameters,
)

KNOWN = ("from", "to")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("from=a&to=b", {"from": "a", "to": "b"}),
        ("from=", {"from": ""}),
        ("from=a+b%2Bc", {"from": "a b+c"}),
        ("from=%C3%A9", {"from": "é"}),
        ("from=\xc3\xa9", {"from": "é"}),  # bytes, as WSGI hands them over
    ],
)
def test_known_parameters_are_read(query: str, expected: dict[str, str]):
    assert read_parameters(query, known=KNOWN) == expected


def test_unknown_parameter_is_refused_by_name():
    with pytest.raises(UnknownParameter) as caught:
        read_parameters("form=2026-11-24", known=KNOWN)
    assert caught.value.field == "form"
    assert "from, to" in caught.value.message


def test_long_name_is_not_repeated_in_full():
    with pytest.raises(UnknownParameter) as caught:
        read_parameters("x" * 5_000 + "=1", known=KNOWN)
    assert caught.value.field == "x" * 64


@pytest.mark.parametrize(
    "query", ["from=a&from=b", "from=%FF", "from=\xff", "&".join(f"x{i}" for i in range(500))]
)
def test_what_could_be_read_in_two_ways_is_refused(query: str):
    with pytest.raises(InvalidQuery):
        read_parameters(query, known=KNOWN)


def test_others_may_come_along_where_clients_add_some():
    assert read_any_parameters("_=1&start_date=a") == {"_": "1", "start_date": "a"}
