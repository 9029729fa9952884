"""Misbehaviours of the usage report: missing, too early, twice, or beyond belief."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from app.core.errors import BadRequest
from app.sandbox.bad_frames import map_frames
from app.sandbox.chat import usage_frame
from app.sandbox.draft import Document, Draft, Event, has_content
from app.sandbox.wish import Wish

Change = Callable[[Any], Any]

HUGE_TOKENS = 10**12
BEYOND_64_BITS = 10**30


def no_usage(draft: Draft, _wish: Wish) -> Draft:
    kept = (event for event in draft.events if not _is_usage_frame(event))
    return map_frames(replace(draft, events=kept, usage=None), _without_usage)


def usage_unasked(draft: Draft, _wish: Wish) -> Draft:
    return _reporting(draft, draft.usage)


def usage_twice(draft: Draft, _wish: Wish) -> Draft:
    """Both in a stream that asked or not; a body that is not streamed has room for one."""
    return _reporting(draft, _changed_tokens(draft.usage, lambda tokens: tokens // 2), draft.usage)


def usage_zero(draft: Draft, _wish: Wish) -> Draft:
    return _with_usage(draft, lambda usage: _changed_tokens(usage, lambda _tokens: 0))


def absurd_usage(draft: Draft, wish: Wish) -> Draft:
    """`variant` names one of `ABSURDITIES` (default: negative)."""
    change = ABSURDITIES.get(wish.variant or "negative")
    if change is None:
        known = ", ".join(ABSURDITIES)
        raise BadRequest(f"'variant' must be one of {known}.", field="sandbox.variant")
    return _with_usage(draft, change)


def usage_in_every_chunk(draft: Draft, _wish: Wish) -> Draft:
    """Running totals in every frame with choices; the frame with the finish has all of it."""
    usage = draft.usage
    if not draft.is_stream or usage is None or "completion_tokens" not in usage:
        return draft
    prompt_tokens, completion_tokens = usage.get("prompt_tokens", 0), usage["completion_tokens"]

    def frames() -> Iterator[Event]:
        seen = 0
        for event in draft.events:
            seen += has_content(event)
            if not isinstance(event, dict) or _is_usage_frame(event):
                yield event
                continue
            so_far = completion_tokens if _is_finish(event) else min(seen, completion_tokens)
            running = {"completion_tokens": so_far, "total_tokens": prompt_tokens + so_far}
            yield {**event, "usage": {**usage, **running}}

    return replace(draft, events=frames())


def usage_with_finish(draft: Draft, _wish: Wish) -> Draft:
    """Usage rides on each frame with a finish_reason, as Mistral and Groq send it."""
    if not draft.is_stream:
        return draft
    usage = draft.usage
    kept = (event for event in draft.events if not _is_usage_frame(event))

    def finished(event: Document) -> Document:
        return {**event, "usage": usage} if _is_finish(event) else event

    return map_frames(replace(draft, events=kept), finished)


def _reporting(draft: Draft, *usages: Any) -> Draft:
    """The stream with exactly these usage frames at its end."""
    if not draft.is_stream:
        return draft

    def frames() -> Iterator[Event]:
        last: Document = {}
        for event in draft.events:
            if _is_usage_frame(event):
                continue
            last = event if isinstance(event, dict) else last
            yield event
        for usage in usages:
            yield usage_frame(last, usage)

    return replace(draft, events=frames())


def _with_usage(draft: Draft, change: Change) -> Draft:
    def changed(document: Document) -> Document:
        usage = document.get("usage")
        return {**document, "usage": change(usage)} if isinstance(usage, dict) else document

    return map_frames(draft, changed)


def _without_usage(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "usage"}


def _is_usage_frame(event: Event) -> bool:
    return isinstance(event, dict) and event.get("choices") == [] and bool(event.get("usage"))


def _is_finish(document: Document) -> bool:
    return any(choice.get("finish_reason") for choice in document.get("choices", []))


def _changed_tokens(usage: Any, change: Change) -> Any:
    """Every integer in the usage object changed, those in its details too."""
    if isinstance(usage, dict):
        return {name: _changed_tokens(value, change) for name, value in usage.items()}
    is_count = isinstance(usage, int) and not isinstance(usage, bool)
    return change(usage) if is_count else usage


def _parts_above_whole(usage: Document) -> Document:
    """More cached tokens, and more pictures, than the whole input."""
    counts = [value for value in usage.values() if isinstance(value, int)]
    part = 2 * sum(counts) + 1
    return {
        **usage,
        "prompt_tokens_details": {"cached_tokens": part},
        "input_tokens_details": {"text_tokens": part, "image_tokens": part},
    }


def _each(change: Change) -> Change:
    return lambda usage: _changed_tokens(usage, change)


ABSURDITIES: Mapping[str, Change] = MappingProxyType(
    {
        "negative": _each(lambda tokens: -tokens - 1),
        "huge": _each(lambda tokens: tokens + HUGE_TOKENS),
        "beyond_64_bits": _each(lambda tokens: tokens + BEYOND_64_BITS),
        "strings": _each(str),
        "floats": _each(lambda tokens: tokens + 0.5),
        "booleans": _each(lambda _tokens: True),
        "nulls": _each(lambda _tokens: None),
        "parts": _parts_above_whole,
        "empty": lambda _usage: {},
        "list": lambda usage: [usage],
    }
)
