"""Answers that arrive whole, and what every answer has in common with a stream's frames.

`read_answer` parses a provider's answer once and takes out what is between the provider and us;
every byte that need not change stays. What it took out is kept for the call's row.
"""

import base64
import json
import re
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from app.core.json_document import Document
from app.core.strict_json import InvalidJson, read_members
from app.gateway.frames import parsed

PROVIDER_MEMBERS = ("provider", "x_groq")
PROVIDER_USAGE_MEMBERS = ("cost", "cost_details", "is_byok", "cost_in_usd_ticks")

CONTENT_MEMBERS = (
    *("content", "text", "refusal", "tool_calls", "function_call", "audio", "images"),
    *("reasoning_content", "reasoning", "reasoning_details"),
)
"""Members of a message or delta that carry something the caller wanted."""


class UnreadableAnswer(Exception):
    """The provider's answer is not what its protocol promises."""


class Answer(NamedTuple):
    """A whole answer. `body` is what the client gets, `members` what the provider sent, decoded.

    `provider_facts` are the members taken out, by name. `error` is the provider's error in an
    answer that claimed success: such an answer failed, its `body` is not for the client.
    """

    body: bytes
    members: Mapping[str, Any]
    provider_facts: Mapping[str, Any]
    error: object
    has_content: bool

    @property
    def usage(self) -> object:
        """The parsed `usage` as reported; see `usage.read_usage`."""
        return self.members.get("usage")

    @property
    def model(self) -> str | None:
        """The model that the provider says it used."""
        return _text_or_none(self.members.get("model"))

    @property
    def service_tier(self) -> str | None:
        return _text_or_none(self.members.get("service_tier"))

    def delivered_text(self) -> str:
        """All text in the answer, for an estimate where usage is missing."""
        return joined_text(self.members.get("choices"))


def read_answer(
    body: bytes, *, list_member: str = "choices", sold_model: str | None = None
) -> Answer:
    """Read a provider's whole answer.

    `list_member` is where the protocol puts what was made: `choices`, or `data` for embeddings and
    images. `sold_model` is the name to show instead of the provider's; None leaves it. Raises
    UnreadableAnswer.
    """
    members = parsed(body)
    if members is None:
        raise UnreadableAnswer("the answer is no JSON object")
    items = members.get(list_member)
    error = members.get("error") or _error_of_all(items)
    if not error and not isinstance(items, list):
        raise UnreadableAnswer(f"the answer has no list of {list_member}")
    redacted, facts = redact(body, members, sold_model=sold_model)
    is_chat = list_member == "choices"
    return Answer(
        body=redacted,
        members=members,
        provider_facts=facts,
        error=error or None,
        has_content=carries_content(items) if is_chat else bool(items),
    )


def redact(
    body: bytes, members: Mapping[str, Any], *, sold_model: str | None, cut: Collection[str] = ()
) -> tuple[bytes, dict[str, Any]]:
    """`body` without the provider's own business, and what was taken out.

    `members` is the body decoded. Where nothing has to change, and so nearly always, the same bytes
    object comes back and no spans are looked up. Raises UnreadableAnswer.
    """
    cut = {name for name in (*PROVIDER_MEMBERS, *cut) if name in members}
    usage = members.get("usage")
    reported = usage if isinstance(usage, dict) else {}
    costs = {name: reported[name] for name in PROVIDER_USAGE_MEMBERS if name in reported}
    is_renamed = sold_model is not None and members.get("model") not in (None, sold_model)
    if not (cut or costs or is_renamed):
        return body, {}
    document = _read_document(body)
    replace: dict[str, bytes] = {}
    if costs:
        replace["usage"] = _read_document(document.value_bytes("usage")).edited({}, cut=costs)
    if is_renamed:
        replace["model"] = json.dumps(sold_model).encode()
    return document.edited(replace, cut=cut), {name: members[name] for name in cut} | costs


def with_usage(body: bytes, usage: Mapping[str, Any]) -> bytes:
    """`body` with another `usage`. Raises UnreadableAnswer."""
    return _read_document(body).edited({"usage": _dumps(usage)})


def carries_content(choices: object) -> bool:
    """Whether any choice, whole or a delta, holds something the caller wanted."""
    return any(message.get(name) for message in _messages(choices) for name in CONTENT_MEMBERS)


def joined_text(*chunks_of_choices: object) -> str:
    """The text of each choice in turn, gathered over all chunks.

    Providers cut text anywhere, even between the two escapes of one character; put together again
    it is encodable, because halves that stay alone are replaced.
    """
    pieces: dict[object, list[str]] = {}
    for choices in chunks_of_choices:
        for message, index in zip(_messages(choices), _indexes(choices), strict=True):
            pieces.setdefault(index, []).extend(_texts(message))
    text = "".join(piece for parts in pieces.values() for piece in parts)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def names_other_model(requested: str, answered: str) -> bool:
    """Whether a provider answered with another model than the one we asked for.

    A provider may add a date to the name or resolve `-latest`, and leave out a vendor's prefix or
    a variant (`:free`); another date than the one asked for is another model.
    """
    asked_root, asked_date = _root_and_date(requested)
    given_root, given_date = _root_and_date(answered)
    if asked_root != given_root:
        return True
    return bool(asked_date and given_date and asked_date != given_date)


def embeddings_to_base64(body: bytes) -> bytes:
    """An embeddings answer with its float lists as base64 of little-endian float32.

    Vectors that are strings already stay; where all are, so do the bytes. Raises UnreadableAnswer.
    """
    document = _read_document(body)
    items = document.get("data")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnreadableAnswer("the answer has no list of embeddings")
    if not any(isinstance(item.get("embedding"), list) for item in items):
        return body
    return document.edited({"data": _dumps([_packed(item) for item in items])})


def _packed(item: dict[str, Any]) -> dict[str, Any]:
    vector = item.get("embedding")
    if not isinstance(vector, list):
        return item
    try:
        packed = struct.pack(f"<{len(vector)}f", *vector)
    except (struct.error, OverflowError):
        raise UnreadableAnswer("an embedding holds something else than float32 numbers") from None
    return {**item, "embedding": base64.b64encode(packed).decode()}


def _read_document(body: bytes) -> Document:
    try:
        return read_members(body)
    except InvalidJson as invalid:
        # A caller's fault in a request is the provider's fault here.
        raise UnreadableAnswer(invalid.message) from None


def _error_of_all(choices: object) -> object:
    """The first choice's error where every choice has one (OpenRouter puts it there)."""
    if not isinstance(choices, list) or not choices:
        return None
    errors = [choice.get("error") for choice in choices if isinstance(choice, dict)]
    return errors[0] if len(errors) == len(choices) and all(errors) else None


def _choices(choices: object) -> Iterator[dict[str, Any]]:
    if isinstance(choices, list):
        yield from (choice for choice in choices if isinstance(choice, dict))


def _indexes(choices: object) -> Iterator[object]:
    return (json.dumps(choice.get("index")) for choice in _choices(choices))


def _messages(choices: object) -> Iterator[dict[str, Any]]:
    """The delta or message of each choice; a text completion's choice is its own message."""
    for choice in _choices(choices):
        message = choice.get("delta") or choice.get("message") or choice
        yield message if isinstance(message, dict) else {}


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    # Some providers send the same reasoning under both names.
    yield from _strings(message.get("reasoning_content") or message.get("reasoning"))
    for name in ("content", "text", "refusal"):
        yield from _strings(message.get(name))
    for call in _as_list(message.get("tool_calls")):
        if isinstance(call, dict):
            yield from _named_input(call.get("function") or call.get("custom"))
    yield from _named_input(message.get("function_call"))
    audio = message.get("audio")
    if isinstance(audio, dict):
        yield from _strings(audio.get("transcript"))


def _named_input(call: object) -> Iterator[str]:
    if isinstance(call, dict):
        for name in ("name", "arguments", "input"):
            yield from _strings(call.get(name))


def _strings(value: object) -> Iterator[str]:
    """Text, or the text in a list of parts (Mistral's thinking nests once more)."""
    if isinstance(value, str):
        yield value
    for part in _as_list(value):
        if isinstance(part, dict):
            yield from _strings(part.get("text") or part.get("thinking"))


def _as_list(value: object) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


_DATE = re.compile(
    r"[-@](\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{2}-\d{2}|\d{8}|\d{6}|\d{4}|\d{3}|latest)$"
)


def _root_and_date(name: str) -> tuple[str, str | None]:
    root = name.casefold().rpartition("/")[2].partition(":")[0]
    match = _DATE.search(root)
    if match is None:
        return root, None
    return root[: match.start()], None if match[1] == "latest" else match[1].replace("-", "")


def _dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
