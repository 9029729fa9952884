"""A provider's error as it stands in its answer, whatever shape that has.

Seen are ``{"error": {…}}``, ``{"error": "text"}``, ``{"message"}``, ``{"detail"}`` as text or as a
list of findings, ``{"code", "msg"}``, ``{"type": "error", "error": {…}}``, MiniMax's ``base_resp``,
Gemini's list around it all, JSON inside of a message's text, plain text, HTML. Nothing here raises,
and no more of a body is looked at than a bounded number of its objects.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

BODY_MAX_BYTES = 64 * 1024
SENTENCE_LENGTH = 2_000
CODE_LENGTH = 64
OBJECTS_MAX = 64
ITEMS_MAX = 16

_INSIDE = (
    *("error", "errors", "detail", "details", "message", "base_resp", "innererror"),
    *("inner_error", "metadata"),
)
"""Where more of the error may stand. What another provider said in `raw` is not this one's word."""

_CODES = (
    *("code", "type", "status", "reason", "status_code", "http_code", "error_code", "error_type"),
    "limit_source",
)
_SENTENCES = ("message", "msg", "status_msg", "detail", "error", "error_msg", "error_message")
_DELAYS = ("retryDelay", "retry_after")
_TELLING_NAMES = ("flagged_input",)
"""Members whose presence alone says what it is about."""


@dataclass(slots=True)
class ProviderError:
    """What was found, as the provider wrote it: none of it may reach a caller or a log unjudged.

    `status` is the answer's, else one that the body states, else 0. `codes` are all machine words
    in lower case; `sentence` is the first text; `param` the member it blames; `delay` how long it
    asks to wait, as text.
    """

    status: int
    codes: set[str] = field(default_factory=set)
    sentence: str = ""
    param: str = ""
    delay: str = ""


def read_body(status: int, body: bytes) -> ProviderError:
    """Read the first `BODY_MAX_BYTES` of an answer with `status`."""
    body = body[:BODY_MAX_BYTES]
    document = _loaded(body)
    if document is not None:
        return read_document(status, document)
    text = body.decode("utf-8", "replace").strip()
    # A page or a broken object is no sentence.
    is_sentence = not text.startswith(("<", "{", "["))
    return ProviderError(status, sentence=text[:SENTENCE_LENGTH] if is_sentence else "")


def read_document(status: int, document: object) -> ProviderError:
    """Read an error that was parsed already. An answer of 200 has the status that it states."""
    found = ProviderError(0 if status == 200 else status)
    for level in _levels(document):
        _gather(found, level)
    return found


def fails_inside(members: Mapping[str, Any]) -> bool:
    """Whether an answer that claims success carries MiniMax's word that it is none."""
    verdict = members.get("base_resp")
    return isinstance(verdict, dict) and verdict.get("status_code") not in (None, 0, "0")


def _loaded(text: bytes | str) -> object:
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def _levels(document: object) -> Iterator[dict[str, Any]]:
    """The objects that may tell something, from the outside in."""
    waiting = deque([document])
    may_unpack = True
    for _ in range(OBJECTS_MAX):
        if not waiting:
            return
        current = waiting.popleft()
        if isinstance(current, list):
            waiting.extend(current[:ITEMS_MAX])
        elif isinstance(current, dict):
            yield current
            waiting.extend(current[name] for name in _INSIDE if name in current)
        elif may_unpack and isinstance(current, str) and current.lstrip().startswith(("{", "[")):
            may_unpack = False
            waiting.append(_loaded(current[:BODY_MAX_BYTES]))


def _gather(found: ProviderError, level: dict[str, Any]) -> None:
    for name in _CODES:
        _note_code(found, level.get(name))
    found.codes.update(name for name in _TELLING_NAMES if name in level)
    found.sentence = found.sentence or _first_sentence(level)
    found.param = found.param or _param(level)
    found.delay = found.delay or _first_text(level, _DELAYS)[:CODE_LENGTH]


def _note_code(found: ProviderError, code: object) -> None:
    if isinstance(code, bool) or not isinstance(code, str | int):
        return
    word = str(code).strip().casefold()
    if not 0 < len(word) <= CODE_LENGTH:
        return
    found.codes.add(word)
    if found.status == 0 and len(word) == 3 and word.isdecimal() and 400 <= int(word) <= 599:
        found.status = int(word)


def _first_sentence(level: dict[str, Any]) -> str:
    """The first text that is one; JSON in a text is opened elsewhere."""
    for name in _SENTENCES:
        text = level.get(name)
        if isinstance(text, str) and text.strip() and not text.lstrip().startswith(("{", "[")):
            return text.strip()[:SENTENCE_LENGTH]
    return ""


def _first_text(level: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((str(level[name]) for name in names if isinstance(level.get(name), str | int)), "")


def _param(level: dict[str, Any]) -> str:
    """``param`` as it is; FastAPI's ``loc`` as a path, without the word for the body."""
    param = level.get("param")
    if isinstance(param, str):
        return param
    place = level.get("loc")
    if not isinstance(place, list):
        return ""
    steps = [str(step) for step in place[:ITEMS_MAX] if isinstance(step, str | int)]
    return ".".join(steps[1:] if steps[:1] == ["body"] else steps)
