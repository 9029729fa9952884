"""POST /v1/chat/completions: the completion told whole or as a stream of frames."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.core.errors import BadRequest
from app.sandbox.completion import Completion, compose
from app.sandbox.draft import Document, Draft, Event, Framing, Pause
from app.sandbox.request import Request
from app.sandbox.wish import Wish

FINGERPRINT = "fp_sandbox"


def draft_chat(request: Request, document: Mapping[str, Any], wish: Wish) -> Draft:
    completion = compose(document, wish)
    if not document.get("stream"):
        pause = (Pause(wish.delay_s),) if wish.delay_s else ()
        return Draft(
            request=request,
            document=document,
            events=(*pause, _whole(completion)),
            usage=completion.usage,
        )
    return Draft(
        request=request,
        document=document,
        events=_frames(completion, delay_s=wish.delay_s, asks_usage=_asks_usage(document)),
        is_stream=True,
        usage=completion.usage,
        content_type="text/event-stream; charset=utf-8",
        headers=(("Cache-Control", "no-cache"),),
        framing=Framing.CHUNKED,
    )


def usage_frame(frame: Mapping[str, Any], usage: Any) -> Document:
    """The frame that reports usage: like another frame of its stream, but with empty choices."""
    return {**frame, "choices": [], "usage": usage}


def _asks_usage(document: Mapping[str, Any]) -> bool:
    options = document.get("stream_options") or {}
    if not isinstance(options, dict):
        raise BadRequest("'stream_options' must be an object.", field="stream_options")
    return options.get("include_usage") is True


def _whole(completion: Completion) -> Document:
    return {
        "id": completion.id,
        "object": "chat.completion",
        "created": completion.created,
        "model": completion.model,
        "choices": [
            {
                "index": index,
                "message": _message(completion),
                "logprobs": _logprobs(completion, completion.pieces),
                "finish_reason": completion.finish_reason,
            }
            for index in range(completion.choices)
        ],
        "usage": completion.usage,
        "system_fingerprint": FINGERPRINT,
    }


def _message(completion: Completion) -> Document:
    if completion.tool is None:
        return {"role": "assistant", "content": completion.text, "refusal": None}
    function = {"name": completion.tool.name, "arguments": completion.text}
    call = {"id": completion.tool.id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}


def _frames(completion: Completion, *, delay_s: float, asks_usage: bool) -> Iterator[Event]:
    """The stream's frames: the roles, each piece for every choice, the ends, the usage."""
    base: Document = {
        "id": completion.id,
        "object": "chat.completion.chunk",
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": FINGERPRINT,
    }
    if asks_usage:
        base["usage"] = None
    indexes = range(completion.choices)
    for index in indexes:
        yield _frame(base, index=index, delta=_opening_delta(completion))
    for piece in completion.pieces:
        for index in indexes:
            if delay_s:
                yield Pause(delay_s)
            logprobs = _logprobs(completion, (piece,))
            yield _frame(base, index=index, delta=_delta(completion, piece), logprobs=logprobs)
    for index in indexes:
        yield _frame(base, index=index, delta={}, finish_reason=completion.finish_reason)
    if asks_usage:
        yield usage_frame(base, completion.usage)


def _frame(
    base: Document,
    *,
    index: int,
    delta: Document,
    finish_reason: str | None = None,
    logprobs: Document | None = None,
) -> Document:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
    return {**base, "choices": [choice]}


def _opening_delta(completion: Completion) -> Document:
    if completion.tool is None:
        return {"role": "assistant", "content": "", "refusal": None}
    function = {"name": completion.tool.name, "arguments": ""}
    call = {"index": 0, "id": completion.tool.id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _delta(completion: Completion, piece: str) -> Document:
    if completion.tool is None:
        return {"content": piece}
    return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _logprobs(completion: Completion, pieces: tuple[str, ...]) -> Document | None:
    """Made-up probabilities, one entry a piece, in the protocol's shape."""
    if completion.top_logprobs is None or completion.tool is not None:
        return None
    return {"content": [_logprob(piece, completion.top_logprobs) for piece in pieces]}


def _logprob(piece: str, alternatives: int) -> Document:
    top = [_probability(piece, -0.125 * (rank + 1)) for rank in range(alternatives)]
    return {**_probability(piece, -0.125), "top_logprobs": top}


def _probability(piece: str, logprob: float) -> Document:
    return {"token": piece, "logprob": logprob, "bytes": list(piece.encode("utf-8", "replace"))}
