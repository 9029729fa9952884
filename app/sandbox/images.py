"""POST /v1/images/generations: real pictures of the size asked, with usage as gpt-image has it."""

import base64
import re
import zlib
from collections.abc import Mapping
from typing import Any

from app.core import clock
from app.core.errors import BadRequest
from app.sandbox.draft import Draft, Pause
from app.sandbox.picture import draw_png
from app.sandbox.request import Request, read_count, require_text
from app.sandbox.tokens import count_tokens
from app.sandbox.wish import Wish

MOST_IMAGES = 10
LARGEST_SIDE = 1536
DEFAULT_SIZE = (1024, 1024)
TOKENS_BY_QUALITY: Mapping[str, int] = {
    "low": 272,
    "medium": 1056,
    "high": 4160,
    "standard": 1056,
    "hd": 4160,
    "auto": 1056,
}
"""Output tokens of a picture of 1024x1024; others in proportion to their area."""


def draft_images(request: Request, document: Mapping[str, Any], wish: Wish) -> Draft:
    require_text(document, "model")
    prompt = require_text(document, "prompt")
    if document.get("stream"):
        raise BadRequest("The sandbox does not stream pictures.", field="stream")
    count = read_count(document, "n", default=1, most=MOST_IMAGES)
    width, height = _read_size(document)
    output_tokens = count * _tokens_of(width, height, _read_quality(document))
    picture = draw_png(
        width=width, height=height, shade=zlib.crc32(prompt.encode("utf-8", "replace"))
    )
    usage = wish.usage or _usage(count_tokens(prompt), output_tokens)
    answer = {
        "created": int(clock.now_s()),
        "data": [_datum(picture, document.get("response_format"))] * count,
        "size": f"{width}x{height}",
        "output_format": "png",
        "usage": usage,
    }
    pause = (Pause(wish.delay_s),) if wish.delay_s else ()
    return Draft(request=request, document=document, events=(*pause, answer), usage=usage)


def _read_size(document: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height in pixels, each capped at `LARGEST_SIDE`."""
    size = document.get("size") or "auto"
    if size == "auto":
        return DEFAULT_SIZE
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", str(size))
    if match is None:
        raise BadRequest("'size' must look like '1024x1024', or be 'auto'.", field="size")
    width, height = (min(int(side), LARGEST_SIDE) for side in match.groups())
    return width, height


def _read_quality(document: Mapping[str, Any]) -> str:
    quality = document.get("quality") or "auto"
    if quality not in TOKENS_BY_QUALITY:
        known = ", ".join(TOKENS_BY_QUALITY)
        raise BadRequest(f"'quality' must be one of {known}.", field="quality")
    return str(quality)


def _tokens_of(width: int, height: int, quality: str) -> int:
    square = DEFAULT_SIZE[0] * DEFAULT_SIZE[1]
    return max(1, TOKENS_BY_QUALITY[quality] * width * height // square)


def _datum(picture: bytes, response_format: Any) -> dict[str, str]:
    encoded = base64.b64encode(picture).decode("ascii")
    if response_format == "url":
        return {"url": f"data:image/png;base64,{encoded}"}
    return {"b64_json": encoded}


def _usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "input_tokens_details": {"text_tokens": input_tokens, "image_tokens": 0},
    }
