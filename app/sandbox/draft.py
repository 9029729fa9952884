"""An answer before it is written: values that a misbehaviour can change, and their encoding.

A streamed answer is a row of frames, one that is not streamed a single document. Waiting and
hanging up are values too, so everything up to the socket is pure.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from app.sandbox.request import Request


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Hangup:
    """The connection is closed here; whatever follows is announced but never sent."""


Document: TypeAlias = dict[str, Any]
Event: TypeAlias = Document | bytes | Pause | Hangup
"""A document becomes a ``data:`` frame (or the body), bytes go out as they are."""
Chunk: TypeAlias = bytes | Pause | Hangup
"""One write to the socket."""
Recode: TypeAlias = Callable[[Iterator[Chunk]], Iterator[Chunk]]


class Framing(StrEnum):
    """How the client learns where the body ends."""

    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


def as_they_are(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    return chunks


@dataclass(frozen=True, kw_only=True)
class Draft:
    """`events` may be lazy and is walked once; `usage` is what the answer would bill, if asked."""

    request: Request
    document: Mapping[str, Any]
    events: Iterable[Event]
    is_stream: bool = False
    usage: Document | None = None
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    line_end: bytes = b"\n"
    ends_with_done: bool = True
    framing: Framing = Framing.LENGTH
    recode: Recode = as_they_are


def chunks_of(draft: Draft) -> Iterator[Chunk]:
    """The draft's body as writes to the socket."""
    return draft.recode(_encode_stream(draft) if draft.is_stream else _encode_whole(draft))


def encode_json(document: Any) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _encode_whole(draft: Draft) -> Iterator[Chunk]:
    for event in draft.events:
        yield encode_json(event) if isinstance(event, dict) else event


def _encode_stream(draft: Draft) -> Iterator[Chunk]:
    frame_end = draft.line_end * 2
    for event in draft.events:
        yield b"data: " + encode_json(event) + frame_end if isinstance(event, dict) else event
    if draft.ends_with_done:
        yield b"data: [DONE]" + frame_end


def has_content(event: Event) -> bool:
    """Whether the event is a frame that carries part of the answer."""
    if not isinstance(event, dict):
        return False
    deltas = [choice.get("delta", {}) for choice in event.get("choices", [])]
    members = ("content", "reasoning_content", "tool_calls")
    return any(delta.get(member) for delta in deltas for member in members)


def insert(events: Iterable[Event], *, after: int, extra: Iterable[Event]) -> Iterator[Event]:
    """`events` with `extra` behind the `after`-th content frame; 0 is in front of everything."""
    seen = 0
    waiting: Iterable[Event] | None = extra
    if after == 0:
        yield from extra
        waiting = None
    for event in events:
        yield event
        seen += has_content(event)
        if waiting is not None and seen == after:
            yield from waiting
            waiting = None
    if waiting is not None:
        yield from waiting


def cut(events: Iterable[Event], *, after: int) -> Iterator[Event]:
    """`events` up to the `after`-th content frame; 0 keeps nothing."""
    seen = 0
    for event in events:
        if seen == after:
            return
        yield event
        seen += has_content(event)


def insert_before_content(events: Iterable[Event], extra: Iterable[Event]) -> Iterator[Event]:
    """`events` with `extra` in front of the first content frame."""
    waiting: Iterable[Event] | None = extra
    for event in events:
        if waiting is not None and has_content(event):
            yield from waiting
            waiting = None
        yield event
