import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadRequest
from app.core.strict_json import (
    InvalidJson,
    has_lone_surrogate,
    parse_object,
    read_members,
)

READERS = pytest.mark.parametrize("read", [parse_object, read_members])

REFUSED = {
    "empty": (b"", "empty"),
    "only whitespace": (b" \n", "must be a JSON object"),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
    "UTF-16 with mark": ('{"a":1}'.encode("utf-16"), "not UTF-8"),
    "UTF-16 little-endian": ('{"a":1}'.encode("utf-16-le"), "not UTF-8"),
    "UTF-16 big-endian": ('{"a":1}'.encode("utf-16-be"), "not UTF-8"),
    "UTF-32": ('{"a":1}'.encode("utf-32-be"), "not UTF-8"),
    "Latin-1": (b'{"a":"\xe9"}', "byte 7 is wrong"),
    "raw surrogate": (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    "overlong slash": (b'{"a":"\xc0\xaf"}', "not UTF-8"),
    "list": (b"[1]", "must be a JSON object"),
    "string": (b'"a"', "must be a JSON object"),
    "null": (b"null", "must be a JSON object"),
    "NaN": (b'{"a":NaN}', "NaN is not"),
    "Infinity": (b'{"a":Infinity}', "Infinity is not"),
    "-Infinity": (b'{"a":[-Infinity]}', "-Infinity is not"),
    "1e400": (b'{"a":1e400}', "too large"),
    "-1e400": (b'{"a":{"b":[-1E+400]}}', "too large"),
    "400 digits and a fraction": (b'{"a":' + b"1" * 400 + b".5}", "too large"),
    "401-digit integer": (b'{"a":' + b"1" * 401 + b"}", "too large or too long"),
    "5000-digit integer": (b'{"a":[-' + b"1" * 5000 + b"]}", "too large or too long"),
    "million-digit fraction": (b'{"a":0.' + b"1" * 1_000_000 + b"}", "too large or too long"),
    "duplicate": (b'{"a":1,"b":2,"a":3}', 'member "a" occurs more than once'),
    "escaped duplicate": (b'{"a":1,"\\u0061":3}', 'member "a" occurs more than once'),
    "65 levels of lists": (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "64 levels"),
    "65 levels of objects": (b'{"a":' * 65 + b"1" + b"}" * 65, "64 levels"),
    "bottomless": (b'{"a":' + b"[" * 1_000_000, "nested too deeply"),
    "bottomless objects": (b'{"a":' * 200_000, "nested too deeply"),
    "lone surrogate in a name": (b'{"\\ud800":1}', "half a character"),
    "trailing data": (b'{"a":1} x', "More data after the object at line 1, column 9"),
    "two objects": (b'{"a":1}{"a":1}', "More data"),
    "trailing NUL": (b'{"a":1}\x00', "More data"),
    "trailing comma": (b'{"a":1,}', "line 1, column"),
    "leading comma": (b'{,"a":1}', "line 1, column"),
    "no comma": (b'{"a":1 "b":2}', "line 1, column 8"),
    "no colon": (b'{"a" 1}', "line 1, column 6"),
    "no value": (b'{"a":}', "Expecting value at line 1, column 6"),
    "unfinished": (b'{"a":1', "line 1, column 7"),
    "unfinished string": (b'{\n "a":"b', "Unterminated string starting at line 2, column 6"),
    "bare name": (b"{a:1}", "double quotes at line 1, column 2"),
    "bare escaped name": (b'{"\\u0061" 1}', "line 1, column 11"),
    "single quotes": (b"{'a':1}", "double quotes"),
    "raw newline in string": (b'{"a":"\n"}', "Invalid control character at line 1, column 7"),
    "raw tab in name": (b'{"\t":1}', "Invalid control character"),
    "comment": (b'{"a":1/**/}', "line 1, column 7"),
    "leading zero": (b'{"a":01}', "line 1, column 7"),
    "no-break space": ('{\u00a0"a":1}'.encode(), "line 1, column 2"),
    "form feed": (b'{\x0c"a":1}', "line 1, column 2"),
}


@READERS
@pytest.mark.parametrize(("body", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_and_says_why(read, body, problem):
    with pytest.raises(InvalidJson) as caught:
        read(body)
    assert problem in caught.value.message
    assert len(caught.value.message) < 200


def test_is_a_bad_request_with_a_stable_code():
    assert issubclass(InvalidJson, BadRequest)
    assert (InvalidJson().code, InvalidJson.reason) == (40001, "invalid_json")


@READERS
def test_names_the_duplicate_member(read):
    with pytest.raises(InvalidJson) as caught:
        read(b'{"model":"a","n":1,"model":"b"}')
    assert caught.value.field == "model"


@READERS
def test_shortens_a_long_name_in_the_error(read):
    name = b"x" * 100_000
    with pytest.raises(InvalidJson) as caught:
        read(b'{"' + name + b'":1,"' + name + b'":1}')
    assert len(caught.value.message) < 200
    assert len(caught.value.field) == 64


@pytest.mark.parametrize("value", [b"NaN", b"1e999", b"1" * 500, b"[1,]", b'{"a" 1}'])
def test_names_the_member_whose_value_is_wrong(value):
    with pytest.raises(InvalidJson) as caught:
        read_members(b'{"model":"m","temperature":' + value + b"}")
    assert caught.value.field == "temperature"


ACCEPTED = {
    "empty object": b"{}",
    "whitespace everywhere": b' \r\n{\t"a" : 1 ,\n "b":[ ] } \t\r\n',
    "64 levels": b'{"a":' + b"[" * 63 + b"]" * 63 + b"}",
    "many brackets, flat": b'{"a":[' + b"{}," * 500 + b"[]]}",
    "brackets in strings": b'{"a":"' + b"[{" * 500 + b'"}',
    "400-digit integer": b'{"a":' + b"9" * 400 + b"}",
    "many digits in a string": b'{"a":"' + b"7" * 10_000 + b'","b":12}',
    "tiny float": b'{"a":1e-400,"b":0e999999}',
    "largest float": b'{"a":1.7976931348623157e308}',
    "surrogate pair": b'{"a":"\\ud83d\\ude00"}',
    "escaped name": b'{"m\\u006fdel":"x","caf\\u00e9":1}',
    "Vietnamese": '{"tên":"Trường 😀","b":"đ"}'.encode(),
    "escaped backslash before u": b'{"a":"\\\\ud800"}',
    "empty name": b'{"":1}',
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_reads_what_the_standard_library_reads(body):
    expected = json.loads(body)
    document = read_members(body)
    assert parse_object(body) == expected
    assert {name: document.get(name) for name in document.names} == expected
    assert list(document.names) == list(expected)


@READERS
def test_depth_limit_is_the_callers(read):
    assert read(b'{"a":[[1]]}', max_depth=3)
    with pytest.raises(InvalidJson, match="more than 2 levels"):
        read(b'{"a":[[1]]}', max_depth=2)


@pytest.mark.parametrize("length", range(398, 405))
@pytest.mark.parametrize("offset", [0, 1, 150, 199, 200, 201])
def test_number_length_is_bounded_wherever_the_number_starts(length, offset):
    body = b'{"a":"' + b"x" * offset + b'","b":' + b"8" * length + b"}"
    if length <= 400:
        assert read_members(body).get("b") == int("8" * length)
    else:
        with pytest.raises(InvalidJson):
            read_members(body)


# What only our own API refuses


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"a":{"b":1,"b":2}}', "b"),
        (b'{"a":[{"c":{"d":1,"e":2,"d":3}}]}', "d"),
    ],
)
def test_own_api_refuses_nested_duplicates(body, field):
    with pytest.raises(InvalidJson, match="more than once") as caught:
        parse_object(body)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "value",
    [b'"\\ud800"', b'"\\uDFFF"', b'["a",{"b":"x\\udc00y"}]', b'{"\\ud800":1}', b'"\\ude00\\ud83d"'],
)
def test_own_api_refuses_half_characters_anywhere(value):
    with pytest.raises(InvalidJson, match="half a character") as caught:
        parse_object(b'{"ok":1,"key_name":' + value + b"}")
    assert caught.value.field == "key_name"


def test_field_of_an_error_can_be_encoded():
    with pytest.raises(InvalidJson) as caught:
        parse_object(b'{"\\ud800":1,"\\ud800":2}')
    assert caught.value.field == "\\ud800"


# Documents


def test_passed_on_values_may_hold_nested_duplicates_and_half_characters():
    body = b'{"a":{"b":1,"b":2},"c":"\\ud800"}'
    document = read_members(body)
    assert document.edited({}) is body
    assert document.value_bytes("a") == b'{"b":1,"b":2}'
    assert has_lone_surrogate(document.get("c"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"include_usage":true}', False),
        (b'{"include_usage":true,"include_usage":false}', True),
        (b'{"a":1,"\\u0061":1}', True),
        (b'[{"a":{"b":1,"b":1}}]', True),
        (b'[{"a":1},{"a":1}]', False),
        (b"null", False),
    ],
)
def test_duplicates_of_one_member_are_found(value, expected):
    body = b'{"stream_options":' + value + b',"x":{"y":1,"y":1}}'
    if not expected:
        assert read_members(body, unambiguous={"stream_options"}).names == ("stream_options", "x")
        return
    with pytest.raises(InvalidJson, match="more than once") as refused:
        read_members(body, unambiguous={"stream_options"})
    assert refused.value.field == "stream_options"


def test_other_members_may_repeat_a_name_inside():
    document = read_members(b'{"x":{"y":1,"y":2}}', unambiguous={"stream_options"})
    assert document.get("x") == {"y": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abc", False), ("Trường 😀", False), ("\ud800", True), ("a\udfffé", True)],
)
def test_half_characters_are_told_from_whole_ones(text, expected):
    assert has_lone_surrogate(text) is expected


def test_document_is_read_by_name():
    document = read_members(b'{"model": "m", "n": null}')
    assert document.names == ("model", "n")
    assert "n" in document
    assert "x" not in document
    assert document.get("model") == "m"
    assert document.get("n", 5) is None
    assert document.get("x", 5) == 5
    assert document.value_bytes("model") == b'"m"'
    with pytest.raises(KeyError):
        document.value_bytes("x")


EDITS = [
    (b'{"a":1,"b":2}', {"a": b"9"}, (), b'{"a":9,"b":2}'),
    (b'{ "a" : 1 , "b":2 }', {"b": b"9"}, (), b'{ "a" : 1 , "b":9 }'),
    (b'{"a":1 }', {"c": b"[3]"}, (), b'{"a":1,"c":[3] }'),
    (b"{}", {"c": b"3"}, (), b'{"c":3}'),
    (b" { \n } ", {"c": b"3", "d": b"4"}, (), b' {"c":3,"d":4 \n } '),
    (b'{"a":1,"b":2,"c":3}', {}, ("a",), b'{"b":2,"c":3}'),
    (b'{"a":1, "b":2, "c":3}', {}, ("b",), b'{"a":1, "c":3}'),
    (b'{"a":1, "b":2, "c":3 }', {}, ("c",), b'{"a":1, "b":2 }'),
    (b'{"a":1, "b":2, "c":3}', {}, ("a", "b"), b'{"c":3}'),
    (b'{"a":1, "b":2, "c":3}', {}, ("b", "c"), b'{"a":1}'),
    (b'{"a":1, "b":2, "c":3}', {}, ("a", "c"), b'{"b":2}'),
    (b'{ "a":1, "b":2 }', {}, ("a", "b"), b"{  }"),
    (b'{"a":1}', {}, ("a",), b"{}"),
    (b'{"a":1}', {"b": b"2"}, ("a",), b'{"b":2}'),
    (b'{"a":1,"b":2}', {"c": b"3"}, ("b",), b'{"a":1,"c":3}'),
    (b'{"a":1,"b":2}', {"c": b"3"}, ("a",), b'{"b":2,"c":3}'),
    ('{"đ":"ê","b":"😀"}'.encode(), {"b": b"2"}, ("đ",), b'{"b":2}'),
    ('{"a":"😀😀😀😀","b":"ê"}'.encode(), {"a": b"1"}, (), '{"a":1,"b":"ê"}'.encode()),
    (b'{"\\u0061":1}', {"a": b"2"}, (), b'{"\\u0061":2}'),
    (b"{}", {'"é': b"1"}, (), b'{"\\"\\u00e9":1}'),
]


@pytest.mark.parametrize(("body", "replace", "cut", "expected"), EDITS)
def test_edit_touches_only_the_named_members(body, replace, cut, expected):
    assert read_members(body).edited(replace, cut) == expected


def test_edit_of_nothing_returns_the_same_object():
    body = b'{ "a":1 }'
    document = read_members(body)
    assert document.edited({}) is body
    assert document.edited({}, ("absent",)) is body


def test_replacing_and_cutting_one_member_is_a_mistake():
    with pytest.raises(ValueError, match="at once"):
        read_members(b'{"a":1}').edited({"a": b"2"}, ("a",))


# Properties

_names = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
_values = st.recursive(
    _scalars | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=8,
)
_objects = st.dictionaries(_names, _values, max_size=6)
_space = st.text(" \t\r\n", max_size=3)


@st.composite
def _bodies(draw: st.DrawFn) -> tuple[bytes, dict[str, bytes]]:
    """A body, and the exact bytes of each of its members' values."""
    values = {}
    members = []
    for name, value in draw(_objects).items():
        written = json.dumps(value, ensure_ascii=draw(st.booleans())).encode()
        label = json.dumps(name, ensure_ascii=draw(st.booleans())).encode()
        spaces = [draw(_space).encode() for _ in range(4)]
        values[name] = written
        members.append(b"%b%b%b:%b%b%b" % (spaces[0], label, *spaces[1:3], written, spaces[3]))
    inside = b",".join(members) or draw(_space).encode()
    return draw(_space).encode() + b"{" + inside + b"}" + draw(_space).encode(), values


@given(_bodies(), _objects, st.data())
def test_edited_body_is_the_expected_object_and_keeps_other_bytes(case, written, data):
    body, values = case
    known = st.sampled_from(sorted(values)) if values else st.nothing()
    replace = {name: json.dumps(value).encode() for name, value in written.items()}
    for name in data.draw(st.sets(known)):
        replace[name] = b'["new"]'
    cut = data.draw(st.sets(known)) - replace.keys()

    edited = read_members(body).edited(replace, cut)

    kept = {name: value for name, value in values.items() if name not in cut}
    expected: dict[str, Any] = {n: json.loads(v) for n, v in (kept | replace).items()}
    assert json.loads(edited) == expected
    again = read_members(edited)
    for name, value in kept.items():
        assert again.value_bytes(name) == replace.get(name, value)
    assert list(again.names) == list(kept | replace)


@given(_bodies())
def test_readers_agree_with_the_standard_library(case):
    body, values = case
    document = read_members(body)
    assert parse_object(body) == json.loads(body)
    assert {name: document.value_bytes(name) for name in document.names} == values
    assert all(document.get(name) == json.loads(value) for name, value in values.items())


_TOKENS = rb'{ } [ ] : , " "a" "b" 1 1e999 - . NaN true nul \ud8 \u0061 \\'.split()
_noise = st.lists(
    st.sampled_from([*_TOKENS, b" ", b"\n", b"\x00", b"\xc3", b"\xa9"]), max_size=12
).map(b"".join)


@READERS
@given(body=st.binary(max_size=40) | _noise | _noise.map(lambda inner: b"{" + inner + b"}"))
def test_any_bytes_are_read_or_refused(read, body):
    try:
        read(body)
    except InvalidJson as refused:
        assert refused.message.encode()
        assert (refused.field or "").encode() is not None
    else:
        assert isinstance(json.loads(body), dict)
