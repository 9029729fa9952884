"""What a request may ask of the sandbox itself: how to misbehave, how big and how slow to answer.

It comes as the body's member ``"sandbox"``, an object (a gateway passes unknown members on), or as
the header ``X-Sandbox`` holding the same object as JSON; the body's members win.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.core.errors import BadRequest
from app.sandbox.request import Request

LONGEST_SECONDS = 900.0
LARGEST_SIZE_BYTES = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The members of ``"sandbox"``; `misbehave` says which misbehaviour reads which.

    `after` counts frames with content: the misbehaviour happens behind that many; 0 means in
    place of the first byte (for an answer that is not streamed, above 0 means half-way).
    `tokens` sets the completion tokens of each choice, `frames` the number of content frames,
    `delay_s` the pause before each; `usage` replaces the usage object word for word.
    """

    behave: tuple[str, ...] = ()
    variant: str = ""
    after: int = 0
    count: int = 3
    seconds: float = 0.2
    size_bytes: int | None = None
    status: int | None = None
    retry_after: str | None = None
    message: str = "The sandbox was asked to fail."
    code: str | None = None
    location: str = "http://127.0.0.1:9/v1/elsewhere"
    model: str = "sandbox-other-model"
    body: Any = None
    tokens: int | None = None
    frames: int | None = None
    delay_s: float = 0.0
    usage: dict[str, Any] | None = None


def read_wish(request: Request, document: Mapping[str, Any]) -> Wish:
    """The wish of a request, checked: an unknown member or a wrong type is a 400 that names it."""
    stated = _stated_in_header(request) | _stated_in_body(document)
    unknown = sorted(stated.keys() - _READERS.keys())
    if unknown:
        raise BadRequest(
            f"Unknown member {unknown[0]!r}; known are {', '.join(_READERS)}.", field="sandbox"
        )
    return Wish(**{name: _read(name, value) for name, value in stated.items()})


def _stated_in_header(request: Request) -> dict[str, Any]:
    try:
        stated = json.loads(request.headers.get("x-sandbox", "{}"))
    except ValueError as error:
        raise BadRequest("The header X-Sandbox is not JSON.", field="X-Sandbox") from error
    if not isinstance(stated, dict):
        raise BadRequest("The header X-Sandbox must hold a JSON object.", field="X-Sandbox")
    return stated


def _stated_in_body(document: Mapping[str, Any]) -> dict[str, Any]:
    stated = document.get("sandbox", {})
    if not isinstance(stated, dict):
        raise BadRequest("'sandbox' must be an object.", field="sandbox")
    return stated


def _read(name: str, value: Any) -> Any:
    try:
        return _READERS[name](value)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"'sandbox.{name}' {error}.", field=f"sandbox.{name}") from error


def _names(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("must be a string or a list of strings")
    return tuple(names)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("must be a string")
    return value


def _header_text(value: Any) -> str:
    """A header's value, which may be given as a number; no line end gets into the head."""
    text = str(value)
    if not text.isascii() or not text.isprintable():
        raise ValueError("must be printable ASCII")
    return text


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("must be an object")
    return value


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be an integer from {least} to {most}")
        return value

    return read


def _seconds(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= LONGEST_SECONDS:
        raise ValueError(f"must be a number from 0 to {LONGEST_SECONDS:g}")
    return float(value)


def _as_it_is(value: Any) -> Any:
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "behave": _names,
    "variant": _text,
    "after": _whole(0, 1_000_000),
    "count": _whole(0, 100_000),
    "seconds": _seconds,
    "size_bytes": _whole(1, LARGEST_SIZE_BYTES),
    "status": _whole(200, 599),
    "retry_after": _header_text,
    "message": _text,
    "code": _text,
    "location": _header_text,
    "model": _text,
    "body": _as_it_is,
    "tokens": _whole(1, 1_000_000),
    "frames": _whole(1, 1_000_000),
    "delay_s": _seconds,
    "usage": _object,
}
