"""POST /v1/embeddings: unit vectors that depend on the input alone."""

import base64
import hashlib
import math
import struct
from collections.abc import Mapping
from typing import Any

from app.core.errors import BadRequest
from app.sandbox.draft import Draft, Pause
from app.sandbox.request import Request, read_count, require_text
from app.sandbox.tokens import count_tokens
from app.sandbox.wish import Wish

DEFAULT_DIMENSIONS = 1536
MOST_DIMENSIONS = 4096
MOST_INPUTS = 2048

Tokens = list[int]


def draft_embeddings(request: Request, document: Mapping[str, Any], wish: Wish) -> Draft:
    model = require_text(document, "model")
    inputs = _read_inputs(document.get("input"))
    dimensions = read_count(
        document, "dimensions", default=DEFAULT_DIMENSIONS, most=MOST_DIMENSIONS
    )
    is_base64 = _read_encoding(document) == "base64"
    tokens = sum(_count(item) for item in inputs)
    usage = wish.usage or {"prompt_tokens": tokens, "total_tokens": tokens}
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, is_base64)}
        for index, vector in enumerate(_unit_vector(item, dimensions) for item in inputs)
    ]
    answer = {"object": "list", "data": data, "model": model, "usage": usage}
    pause = (Pause(wish.delay_s),) if wish.delay_s else ()
    return Draft(request=request, document=document, events=(*pause, answer), usage=usage)


def floats_of(encoded: str) -> list[float]:
    """The numbers of a base64 vector of little-endian float32."""
    packed = base64.b64decode(encoded)
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def _read_inputs(value: Any) -> list[str | Tokens]:
    """The inputs as a list: a string, strings, a token array or an array of token arrays."""
    if isinstance(value, str) or _is_tokens(value):
        value = [value]
    is_valid = (
        isinstance(value, list)
        and 0 < len(value) <= MOST_INPUTS
        and all((isinstance(item, str) and item) or _is_tokens(item) for item in value)
    )
    if not is_valid:
        raise BadRequest(
            f"'input' must be a string, an array of up to {MOST_INPUTS} strings or tokens,"
            " or an array of token arrays, none of them empty.",
            field="input",
        )
    return list(value)


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(token) is int for token in value)


def _read_encoding(document: Mapping[str, Any]) -> str:
    encoding = document.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):  # a set would hash what may be a list
        raise BadRequest("'encoding_format' must be 'float' or 'base64'.", field="encoding_format")
    return str(encoding)


def _count(item: str | Tokens) -> int:
    return count_tokens(item) if isinstance(item, str) else len(item)


def _unit_vector(item: str | Tokens, dimensions: int) -> list[float]:
    """A vector of length 1 drawn from the hash of the input: equal inputs, equal vectors."""
    seed = item.encode("utf-8", "replace") if isinstance(item, str) else repr(item).encode()
    drawn = struct.unpack(f"<{dimensions}i", hashlib.shake_128(seed).digest(4 * dimensions))
    length = math.sqrt(sum(number * number for number in drawn)) or 1.0
    return [number / length for number in drawn]


def _encoded(vector: list[float], is_base64: bool) -> str | list[float]:
    if not is_base64:
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
