"""What the sandbox's chat model answers: the text or tool call, its size and its usage.

The text echoes the last message. How long it is follows the request's output limit and the wish.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from secrets import token_hex
from typing import Any

from app.core import clock
from app.core.errors import BadRequest
from app.sandbox.request import read_count, require_text
from app.sandbox.schema import sample_of
from app.sandbox.tokens import (
    BYTES_PER_TOKEN,
    TOKENS_PER_ATTACHMENT,
    count_attachments,
    count_tokens,
    cut_to_tokens,
    text_of,
)
from app.sandbox.wish import Wish

MOST_CHOICES = 128
MOST_OUTPUT_TOKENS = 1_000_000
LONGEST_ECHO = 200
OPENING = "Sandbox answer: no real model was asked. You said: "
FILLER = " The sandbox goes on with this sentence until the answer has the size you asked for."


@dataclass(frozen=True)
class ToolCall:
    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One answer, ready to be told whole or in frames. Every choice says the same `pieces`
    (of the text, or of the tool call's arguments)."""

    id: str
    created: int
    model: str
    choices: int
    pieces: tuple[str, ...]
    tool: ToolCall | None
    finish_reason: str
    usage: dict[str, Any]
    top_logprobs: int | None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def compose(document: Mapping[str, Any], wish: Wish) -> Completion:
    """The answer to a chat request; raises `BadRequest` naming the member at fault."""
    model = require_text(document, "model")
    messages = _read_messages(document)
    choices = read_count(document, "n", default=1, most=MOST_CHOICES)
    tool = _chosen_tool(document, messages)
    full_text = _sized(_full_text(document, messages, tool), wish)
    limit = _read_limit(document)
    wanted_tokens = wish.tokens or count_tokens(full_text)
    is_cut = limit is not None and wanted_tokens > limit
    tokens = limit if limit is not None and is_cut else wanted_tokens
    text = cut_to_tokens(full_text, tokens) if is_cut else full_text
    finished = "tool_calls" if tool else "stop"
    return Completion(
        id=f"chatcmpl-sandbox-{token_hex(12)}",
        created=int(clock.now_s()),
        model=model,
        choices=choices,
        pieces=_pieces_of(text, wish.frames),
        tool=ToolCall(id=f"call_{token_hex(12)}", name=tool["name"]) if tool else None,
        finish_reason="length" if is_cut else finished,
        usage=wish.usage or _usage(_count_prompt(document, messages), tokens * choices),
        top_logprobs=_read_logprobs(document),
    )


def _read_messages(document: Mapping[str, Any]) -> list[Any]:
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("'messages' must be a list that is not empty.", field="messages")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequest(
                "A message must be an object with a 'role'.", field=f"messages[{number}]"
            )
    return messages


def _read_limit(document: Mapping[str, Any]) -> int | None:
    """The output limit under either of its names; the newer name wins."""
    for name in ("max_completion_tokens", "max_tokens"):
        if document.get(name) is not None:
            return read_count(document, name, default=1, most=MOST_OUTPUT_TOKENS)
    return None


def _read_logprobs(document: Mapping[str, Any]) -> int | None:
    """How many alternatives to name for each token; None where logprobs were not asked for."""
    if document.get("logprobs") is not True:
        return None
    if not document.get("top_logprobs"):
        return 0
    return read_count(document, "top_logprobs", default=1, most=20)


def _chosen_tool(document: Mapping[str, Any], messages: list[Any]) -> dict[str, Any] | None:
    """The function to call: the one `tool_choice` names, else the first, and only in answer to
    a user's message, so that a conversation with tools comes to its end."""
    choice = document.get("tool_choice")
    tools = document.get("tools")
    if choice == "none" or messages[-1]["role"] != "user" or not isinstance(tools, list):
        return None
    functions: list[dict[str, Any]] = [
        tool["function"]
        for tool in tools
        if isinstance(tool, dict)
        and tool.get("type") == "function"
        and isinstance(tool.get("function"), dict)
    ]
    wanted = _object(_object(choice).get("function")).get("name")
    for function in functions:
        if isinstance(function.get("name"), str) and wanted in (None, function["name"]):
            return function
    return None


def _full_text(
    document: Mapping[str, Any], messages: list[Any], tool: Mapping[str, Any] | None
) -> str:
    if tool is not None:
        sample = _sample(tool.get("parameters") or {"type": "object"}, field="tools")
        return json.dumps(sample, ensure_ascii=False)
    said = text_of(messages[-1:])[:LONGEST_ECHO]
    answer = OPENING + said
    wanted = _object(document.get("response_format"))
    kind = wanted.get("type")
    if kind == "json_object":
        return json.dumps({"answer": answer}, ensure_ascii=False)
    if kind == "json_schema":
        schema = _object(wanted.get("json_schema")).get("schema") or {}
        return json.dumps(_sample(schema, field="response_format"), ensure_ascii=False)
    return answer


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sample(schema: Any, *, field: str) -> Any:
    try:
        return sample_of(schema)
    except (AttributeError, TypeError, ValueError, ZeroDivisionError) as error:
        raise BadRequest(f"Invalid JSON schema: {error}", field=field) from error


def _sized(text: str, wish: Wish) -> str:
    """`text` drawn out or cut to the tokens and frames wished for (a frame needs a character).

    JSON is drawn out with blanks, which keep it valid.
    """
    filler = FILLER if text.startswith(OPENING) else " "
    least = wish.frames or 0
    if wish.tokens is not None:
        least = max(least, wish.tokens * BYTES_PER_TOKEN)
    if least > len(text):
        text += (filler * (least // len(filler) + 1))[: least - len(text)]
    if wish.tokens is None:
        return text
    shorter = cut_to_tokens(text, wish.tokens)
    return shorter if len(shorter) >= (wish.frames or 0) else text


def _pieces_of(text: str, frames: int | None) -> tuple[str, ...]:
    """`text` in `frames` even pieces, or word by word."""
    if frames is None:
        return tuple(re.findall(r"\s*\S+|\s+", text))
    frames = min(frames, len(text))
    cuts = [len(text) * number // frames for number in range(frames + 1)] if frames else [0]
    return tuple(text[start:end] for start, end in pairwise(cuts))


def _count_prompt(document: Mapping[str, Any], messages: list[Any]) -> int:
    attachments = count_attachments(messages) * TOKENS_PER_ATTACHMENT
    tools = document.get("tools")
    tool_tokens = count_tokens(json.dumps(tools)) if tools else 0
    return count_tokens(text_of(messages)) + attachments + tool_tokens


def _usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
