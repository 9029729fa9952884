"""The one JSON decoder of the whole app.

`parse_object` reads the bodies of our own API. `read_members` reads bodies that are passed on: it
finds each top-level member's bytes, so that a change touches one member and nothing else.

Both refuse what RFC 8259 forbids or leaves to the reader: another encoding than UTF-8, anything
but an object at the top, NaN and numbers that no float holds, repeated names, deep nesting.
"""

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from app.core.errors import BadRequest
from app.core.json_document import Document, Span

NUMBER_LENGTH_MAX = 400
"""Characters of one number. Python refuses to read integers of more than 4,300 digits at all."""

SHOWN_NAME_LENGTH_MAX = 64
"""Characters of a caller's member name that an error repeats."""


class InvalidJson(BadRequest):
    """The body is not the JSON that we accept; `field` names the member, where one is at fault."""

    number = 1
    reason = "invalid_json"
    message = "The body is not valid JSON."


def parse_object(body: bytes, *, max_depth: int = 64) -> dict[str, Any]:
    """Read a JSON object that we are going to use ourselves.

    Repeated names and lone surrogates are refused at any depth, so that every string can be stored
    and no reader of the same bytes sees another value. Raises InvalidJson.
    """
    text = _decode(body)
    parsed: dict[str, Any]
    parsed, end = _scan(_UNAMBIGUOUS, text, _pass_brace(text) - 1)
    _refuse_trailing(text, end)
    _refuse_depth(parsed, body, max_depth)
    if "\\u" in text:
        _refuse_lone_surrogates(parsed)
    return parsed


def read_members(
    body: bytes, *, max_depth: int = 64, unambiguous: Collection[str] = ()
) -> Document:
    """Read a JSON object that is going to be passed on as it came.

    Repeated names are refused at the top level, and at any depth inside the members named in
    `unambiguous`: those that we judge, and another reader might take the other one of. Lone
    surrogates are refused in top-level names only. Raises InvalidJson.
    """
    text = _decode(body)
    plain, strict = _BOUNDED if _may_hold_long_number(body) else _FAST
    values: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    first_at = _pass_brace(text)
    at = _skip_whitespace(text, first_at)
    is_open = not text.startswith("}", at)
    at += not is_open
    while is_open:
        start = at
        name, value_at = _scan_name(text, start)
        if name in values:
            raise _duplicate(name)
        decoder = strict if name in unambiguous else plain
        values[name], end = _scan_member(decoder, text, at=value_at, name=name)
        spans[name] = (start, value_at, end)
        at, is_open = _pass_separator(text, end)
    _refuse_trailing(text, at)
    _refuse_depth(values, body, max_depth)
    # In ASCII a character is a byte; the opening brace has only whitespace before it.
    if not text.isascii():
        spans = _in_bytes(text, spans, size_bytes=len(body))
    return Document(body, values, spans, first_at)


def has_lone_surrogate(text: str) -> bool:
    """Whether `text` holds half a character (JSON's ``\\ud800``), which no UTF-8 can express."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _decode(body: bytes) -> str:
    if not body:
        raise InvalidJson("The body is empty. Send a JSON object.")
    if body.startswith(b"\xef\xbb\xbf"):
        raise InvalidJson("The body starts with a byte order mark. Send UTF-8 without it.")
    if b"\x00" in body[:4]:
        raise InvalidJson("The body is not UTF-8. Send JSON as UTF-8, not UTF-16 or UTF-32.")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InvalidJson(f"The body is not UTF-8: byte {error.start + 1} is wrong.") from None


# The name of nearly every member in one step; one with escapes takes the longer way.
_PLAIN_NAME = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')
_WHITESPACE = re.compile(r"[ \t\n\r]*")
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_SEPARATOR = re.compile(r"[ \t\n\r]*(?:,[ \t\n\r]*|(\}))")


def _skip_whitespace(text: str, at: int) -> int:
    match = _WHITESPACE.match(text, at)
    return match.end() if match else at


def _pass_brace(text: str) -> int:
    """The offset behind the object's opening brace."""
    at = _skip_whitespace(text, 0)
    if not text.startswith("{", at):
        raise InvalidJson("The body must be a JSON object: it starts with { and ends with }.")
    return at + 1


def _scan_name(text: str, at: int) -> tuple[str, int]:
    """A member's name and the offset of its value."""
    plain = _PLAIN_NAME.match(text, at)
    if plain is not None:
        return plain[1], plain.end()
    if not text.startswith('"', at):
        raise _syntax_error("Expecting a member name in double quotes", text, at)
    name: str
    name, end = _scan(_FAST[0], text, at)
    if has_lone_surrogate(name):
        raise InvalidJson(
            f"The member name {_shown(name)} holds half a character (a lone surrogate)."
        )
    colon = _COLON.match(text, end)
    if colon is None:
        raise _syntax_error("Expecting ':'", text, _skip_whitespace(text, end))
    return name, colon.end()


def _scan_member(decoder: json.JSONDecoder, text: str, *, at: int, name: str) -> tuple[Any, int]:
    try:
        return _scan(decoder, text, at)
    except InvalidJson as refused:
        refused.field = _field(name)
        raise


def _pass_separator(text: str, at: int) -> tuple[int, bool]:
    """The offset behind a comma or the closing brace, and whether another member must follow."""
    separator = _SEPARATOR.match(text, at)
    if separator is None:
        raise _syntax_error("Expecting ',' or '}'", text, _skip_whitespace(text, at))
    return separator.end(), separator.lastindex is None


def _scan(decoder: json.JSONDecoder, text: str, at: int) -> tuple[Any, int]:
    """The value that starts at `at`, read by the stdlib's C scanner, and the offset behind it."""
    try:
        return decoder.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise _syntax_error(error.msg, text, error.pos) from None
    except RecursionError:
        raise InvalidJson("The body is nested too deeply.") from None


def _refuse_trailing(text: str, at: int) -> None:
    at = _skip_whitespace(text, at)
    if at != len(text):
        raise _syntax_error("More data after the object", text, at)


def _syntax_error(problem: str, text: str, at: int) -> InvalidJson:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    problem = problem.removesuffix(" at")
    return InvalidJson(f"The body is not valid JSON: {problem} at line {line}, column {column}.")


def _duplicate(name: str) -> InvalidJson:
    return InvalidJson(f"The member {_shown(name)} occurs more than once.", field=_field(name))


def _shown(name: str) -> str:
    """A caller's name, short and in ASCII, for a message."""
    cut = name[:SHOWN_NAME_LENGTH_MAX]
    return json.dumps(cut) + ("..." if cut != name else "")


def _field(name: str) -> str:
    """A caller's name, short and such that it can be encoded, for an answer's data."""
    return name[:SHOWN_NAME_LENGTH_MAX].encode(errors="backslashreplace").decode()


def _read_float(literal: str) -> float:
    number = float(literal)
    if math.isinf(number) or len(literal) > NUMBER_LENGTH_MAX:
        raise InvalidJson("The body holds a number that is too large or too long.")
    return number


def _read_integer(literal: str) -> int:
    if len(literal) > NUMBER_LENGTH_MAX:
        raise InvalidJson("The body holds a number that is too large or too long.")
    return int(literal)


def _refuse_constant(literal: str) -> None:
    raise InvalidJson(f"The body is not valid JSON: {literal} is not a JSON number.")


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise _duplicate(_repeated_names(pairs)[0])
    return built


# The hook for floats costs 0.1 µs each, and bodies hold few; the one for integers would make an
# array of 100,000 tokens take 16 ms instead of 6, so it is left out where no number is that long.
def _decoders(parse_int: Callable[[str], int] | None) -> tuple[json.JSONDecoder, json.JSONDecoder]:
    """One that lets a name be repeated, and one that does not."""
    return tuple(  # type: ignore[return-value]
        json.JSONDecoder(
            parse_float=_read_float,
            parse_int=parse_int,
            parse_constant=_refuse_constant,
            object_pairs_hook=hook,
        )
        for hook in (None, _build_object)
    )


_FAST = _decoders(None)
_BOUNDED = _decoders(_read_integer)
_UNAMBIGUOUS = _BOUNDED[1]


def _may_hold_long_number(body: bytes) -> bool:
    """False only where no run of digits is as long as NUMBER_LENGTH_MAX.

    Such a run fills a whole block of half its length, wherever it starts; most blocks are told by
    their first byte, so this is twenty times faster than a regular expression.
    """
    block = NUMBER_LENGTH_MAX // 2
    return any(body[at : at + block].isdigit() for at in range(0, len(body), block))


def _refuse_depth(top: dict[str, Any], body: bytes, max_depth: int) -> None:
    if not _has_few_brackets(body, max_depth) and _is_deeper(top, max_depth):
        raise InvalidJson(f"The body is nested more than {max_depth} levels deep.")


def _has_few_brackets(body: bytes, limit: int) -> bool:
    """Whether nesting cannot exceed `limit`, however the brackets stand.

    A search stops at the first bracket too many and skips long strings at memory speed, which
    counting does not.
    """
    found = 0
    for bracket in (b"{", b"["):
        at = body.find(bracket)
        while at >= 0:
            found += 1
            if found > limit:
                return False
            at = body.find(bracket, at + 1)
    return True


def _is_deeper(top: dict[str, Any], max_depth: int) -> bool:
    level: list[Any] = [top]
    for _ in range(max_depth):
        level = [
            child
            for container in level
            for child in (container.values() if type(container) is dict else container)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _refuse_lone_surrogates(top: dict[str, Any]) -> None:
    for name, value in top.items():
        # Written without escapes, a member shows all its names and strings at once.
        if has_lone_surrogate(json.dumps({name: value}, ensure_ascii=False)):
            raise InvalidJson(
                f"The member {_shown(name)} holds half a character (a lone surrogate).",
                field=_field(name),
            )


def _repeated_names(pairs: list[tuple[str, Any]]) -> list[str]:
    seen: set[str] = set()
    repeated = []
    for name, _ in pairs:
        if name in seen:
            repeated.append(name)
        seen.add(name)
    return repeated


def _in_bytes(text: str, spans: Mapping[str, Span], *, size_bytes: int) -> dict[str, Span]:
    """The same spans, counted in bytes of UTF-8 instead of characters."""
    converted = {}
    at_char = at_byte = 0
    for name, (start, value_at, end) in spans.items():
        # Between members stands only whitespace and a comma: a character is a byte.
        start_byte = at_byte + start - at_char
        named = value_at - start if name.isascii() else len(text[start:value_at].encode())
        value_byte = start_byte + named
        if end - value_at <= len(text) - end:
            at_byte = value_byte + len(text[value_at:end].encode())
        else:
            # What follows is shorter: the one huge member of a body need not be encoded.
            at_byte = size_bytes - len(text[end:].encode())
        at_char = end
        converted[name] = (start_byte, value_byte, at_byte)
    return converted
