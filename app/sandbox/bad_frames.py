"""Misbehaviours of a stream's frames (and, where it makes sense, of a whole body)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

from app.sandbox.draft import (
    Chunk,
    Document,
    Draft,
    Event,
    Pause,
    cut,
    encode_json,
    has_content,
    insert_before_content,
)
from app.sandbox.errors import error_document
from app.sandbox.wish import Wish

HUGE_LINE_SIZE_BYTES = 10_000_000
PIECE_SIZE_BYTES = 65_536
WIDE_TEXT = " ✓ 世"
"""Ends in a character of three bytes."""
REASONING_PIECE = "Sandbox reasoning. "
AZURE_FILTER = {"filtered": False, "severity": "safe"}


def truncate(draft: Draft, wish: Wish) -> Draft:
    if draft.is_stream:
        return replace(draft, events=cut(draft.events, after=wish.after), ends_with_done=False)

    def first_half(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            yield chunk[: len(chunk) // 2] if isinstance(chunk, bytes) else chunk

    before = draft.recode
    return replace(draft, recode=lambda chunks: first_half(before(chunks)))


def no_done(draft: Draft, _wish: Wish) -> Draft:
    return replace(draft, ends_with_done=False)


def error_mid_stream(draft: Draft, wish: Wish) -> Draft:
    """Behind `after` content frames, at least one; a body that is not streamed stays whole."""
    if not draft.is_stream:
        return draft
    error = error_document(wish.status or 500, wish.message, code=wish.code)
    if wish.variant == "openrouter":
        error |= {
            "id": "gen-sandbox",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        }
    sent = cut(draft.events, after=max(1, wish.after))
    return replace(draft, events=chain(sent, (error,)), ends_with_done=False)


def comments(draft: Draft, wish: Wish) -> Draft:
    line = b": SANDBOX PROCESSING" + draft.line_end * 2 if draft.is_stream else b"         \n"
    waiting: tuple[Event, ...] = (line, Pause(wish.seconds)) * wish.count
    return replace(draft, events=chain(waiting, draft.events))


def empty_choices(draft: Draft, _wish: Wish) -> Draft:
    results = [{"prompt_index": 0, "content_filter_results": {"hate": AZURE_FILTER}}]
    if not draft.is_stream:
        return map_frames(draft, lambda document: {**document, "prompt_filter_results": results})
    first = {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": results,
    }
    return replace(draft, events=chain((first,), draft.events))


def crlf(draft: Draft, _wish: Wish) -> Draft:
    return replace(draft, line_end=b"\r\n")


def huge_line(draft: Draft, wish: Wish) -> Draft:
    """In a stream it comes behind `after` content frames and is the last; a body that is not
    streamed gets so many blanks in front."""
    size_bytes = wish.size_bytes or HUGE_LINE_SIZE_BYTES
    filler = b"x" if draft.is_stream else b" "
    pieces = (filler * PIECE_SIZE_BYTES,) * -(-size_bytes // PIECE_SIZE_BYTES)
    if not draft.is_stream:
        return replace(draft, events=chain(pieces, draft.events))
    sent = cut(draft.events, after=wish.after)
    return replace(draft, events=chain(sent, (b"data: ",), pieces), ends_with_done=False)


def half_character(draft: Draft, wish: Wish) -> Draft:
    """The frame behind `after` content frames, or the body's text, ends in half a character."""

    def spoiled(event: Event) -> Event:
        if not isinstance(event, dict):
            return event
        whole = encode_json(with_wide_characters(event))
        last = WIDE_TEXT[-1].encode()
        return whole.replace(last, last[:-1], 1)

    if not draft.is_stream:
        return replace(draft, events=map(spoiled, draft.events))

    def spoil_one() -> Iterator[Event]:
        seen = 0
        for event in draft.events:
            is_the_one = has_content(event) and seen == wish.after
            seen += has_content(event)
            half = spoiled(event) if is_the_one else event
            yield b"data: " + half + draft.line_end * 2 if isinstance(half, bytes) else half

    return replace(draft, events=spoil_one())


def reasoning(draft: Draft, wish: Wish) -> Draft:
    """`count` pieces of reasoning_content before the answer, each counted as one token."""
    draft = _with_reasoning_usage(draft, count=wish.count, is_beside=wish.variant == "beside")
    if not draft.is_stream:
        thought = REASONING_PIECE * wish.count
        return map_frames(draft, lambda document: _with_thought(document, thought))
    delta = {"reasoning_content": REASONING_PIECE}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}

    def frames() -> Iterator[Event]:
        events = iter(draft.events)
        for first in events:
            yield first
            if isinstance(first, dict):
                break
        else:
            return
        frame = {**first, "choices": [choice]}
        yield from insert_before_content(events, (frame,) * wish.count)

    return replace(draft, events=frames())


def map_frames(draft: Draft, change: Callable[[Document], Document]) -> Draft:
    """The draft with `change` made to each of its documents, frames or body."""
    events = (change(event) if isinstance(event, dict) else event for event in draft.events)
    return replace(draft, events=events)


def with_wide_characters(document: Document) -> Document:
    """The document with `WIDE_TEXT` behind the text of its first choice."""
    choices = document.get("choices") or [{}]
    part = "delta" if "delta" in choices[0] else "message"
    said: dict[str, Any] = choices[0].get(part) or {}
    if not said.get("content"):
        return document
    wide = {**choices[0], part: {**said, "content": said["content"] + WIDE_TEXT}}
    return {**document, "choices": [wide, *choices[1:]]}


def _with_thought(document: Document, thought: str) -> Document:
    choices = [
        {**choice, "message": {**choice["message"], "reasoning_content": thought}}
        for choice in document.get("choices", [])
    ]
    return {**document, "choices": choices} if choices else document


def _with_reasoning_usage(draft: Draft, *, count: int, is_beside: bool) -> Draft:
    """Usage with `count` reasoning tokens, inside the completion's or beside them."""
    usage = draft.usage or {}
    if "completion_tokens" not in usage:
        return draft
    details = {**usage.get("completion_tokens_details", {}), "reasoning_tokens": count}
    counted = {
        **usage,
        "completion_tokens": usage["completion_tokens"] + (0 if is_beside else count),
        "total_tokens": usage.get("total_tokens", 0) + count,
        "completion_tokens_details": details,
    }
    draft = map_frames(
        draft,
        lambda document: {**document, "usage": counted} if document.get("usage") else document,
    )
    return replace(draft, usage=counted)
