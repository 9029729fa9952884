"""The sandbox's token count: one token for every four bytes of UTF-8, begun ones included, at
least one; 85 for every picture or sound. Simple, the same every time, and never above the bytes."""

from collections.abc import Iterator
from typing import Any

BYTES_PER_TOKEN = 4
TOKENS_PER_ATTACHMENT = 85


def count_tokens(text: str) -> int:
    size_bytes = len(text.encode("utf-8", "replace"))
    return max(1, -(-size_bytes // BYTES_PER_TOKEN))


def cut_to_tokens(text: str, limit: int) -> str:
    """The beginning of `text` that counts at most `limit` tokens, no character cut in half."""
    kept = text.encode("utf-8", "replace")[: limit * BYTES_PER_TOKEN]
    return kept.decode("utf-8", "ignore")


def count_attachments(messages: list[Any]) -> int:
    """How many content parts of the messages are not text (pictures, sounds, files)."""
    return sum(
        1
        for part in _parts(messages)
        if isinstance(part, dict) and part.get("type") not in ("text", "refusal")
    )


def text_of(messages: list[Any]) -> str:
    """All text of the messages, strings and text parts alike, joined by line ends."""
    return "\n".join(
        part if isinstance(part, str) else str(part.get("text", ""))
        for part in _parts(messages)
        if isinstance(part, str) or (isinstance(part, dict) and part.get("type") == "text")
    )


def _parts(messages: list[Any]) -> Iterator[Any]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from content
