"""Frames of a chat completion, as a provider sends them."""

import json
from typing import Any


def frame(chunk: Any) -> bytes:
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def chunk(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "up"}
    return {**head, "choices": list(choices), **more}


def delta(index: int = 0, finish: str | None = None, **members: Any) -> dict[str, Any]:
    return {"index": index, "delta": members, "logprobs": None, "finish_reason": finish}


def content(text: str, index: int = 0, **more: Any) -> bytes:
    return frame(chunk(delta(index, content=text), **more))
