"""Parameters that are refused before anything is held, one frozen row each.

*Unpriced*: what changes price, tier, model, route, address or key, or runs tools at the provider.
*Stateful*: state at the provider would be shared by all customers of one provider account.
Everything else, parameters not invented yet included, passes byte for byte.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.core.json_document import Document
from app.core.strict_json import has_lone_surrogate
from app.domain.catalog.kinds import ModelKind
from app.gateway.errors import InvalidParameter, StatefulNotSupported, UnsupportedParameter
from app.gateway.protocols import Protocol

Refuses = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Refused:
    """A top-level member and the values of it that are refused (null never is)."""

    member: str
    error: type[UnsupportedParameter] | type[StatefulNotSupported]
    refuses: Refuses
    advice: str


def _present(value: Any) -> bool:
    return value is not False


def _above_default(value: Any) -> bool:
    return value not in ("auto", "default")


def _names_audio(value: Any) -> bool:
    return not isinstance(value, list) or any(item != "text" for item in value)


def _runs_at_provider(value: Any) -> bool:
    return isinstance(value, list) and not all(_runs_at_client(tool) for tool in value)


def _runs_at_client(tool: Any) -> bool:
    """A tool whose type says so, and says it once: some providers would also take ``Type``."""
    if not isinstance(tool, dict) or tool.get("type", "function") not in ("function", "custom"):
        return False
    return not any(name != "type" and name.casefold() == "type" for name in tool)


_UNPRICED = "Leave it out: it would change what is billed or who answers."

REFUSED: tuple[Refused, ...] = (
    *(
        Refused(member, UnsupportedParameter, _present, _UNPRICED)
        for member in (
            "models", "route", "provider", "plugins", "preset", "fallbacks", "speed",
            "inference_geo", "mcp_servers", "web_search_options", "enable_search", "audio",
            "api_base", "base_url", "api_key", "user_config", "transforms",
        )
    ),
    Refused(
        "service_tier", UnsupportedParameter, _above_default, "Only auto and default are sold here."
    ),
    Refused("modalities", UnsupportedParameter, _names_audio, "Only text answers are sold here."),
    Refused(
        "tools",
        UnsupportedParameter,
        _runs_at_provider,
        "Only tools of type function and custom are supported: they run at your side.",
    ),
    *(
        Refused(
            member,
            StatefulNotSupported,
            _present,
            "State kept at the provider is not supported: send everything with the request.",
        )
        for member in (
            "previous_response_id", "conversation", "store", "cached_content", "file_id",
            "file_ids", "vector_store_ids", "session_id", "container",
        )
    ),
)  # fmt: skip

# In chat a stored prompt and background mode mean state; in images they are text and a colour.
REFUSED_IN_CHAT: tuple[Refused, ...] = tuple(
    Refused(
        member,
        StatefulNotSupported,
        _present,
        "State kept at the provider is not supported: send everything with the request.",
    )
    for member in ("prompt", "background")
)

JUDGED_INSIDE = frozenset({"stream_options", "tools", "messages", "input", "modalities"})
"""Members in which a repeated name could say something else to a provider than to us."""

_STREAM_OPTIONS = frozenset({"include_usage", "include_obfuscation"})
_STATE_IN_PARTS = ("file_id", "cached_content", "cachedContent")


def refuse(protocol: Protocol, document: Document) -> None:
    """Raise for the first member that may not pass; `InvalidParameter` where a provider could read
    a name differently than we do."""
    rows = _ROWS_IN_CHAT if protocol.kind is ModelKind.CHAT else _ROWS
    for name in document.names:
        if name not in protocol.known:
            _refuse_look_alike(protocol, name)
        row = rows.get(name)
        if row is None:
            continue
        value = document.get(name)
        if value is not None and row.refuses(value):
            raise row.error(f"{name} is not supported. {row.advice}", field=name)
    _refuse_look_alike_options(document.get("stream_options"))
    for part in _parts(document.get("messages")):
        if any(name in part or name in _inner(part) for name in _STATE_IN_PARTS):
            raise StatefulNotSupported(
                "Files kept at the provider are not supported: inline the content.",
                field="messages",
            )


_ROWS = {row.member: row for row in REFUSED}
_ROWS_IN_CHAT = {row.member: row for row in REFUSED + REFUSED_IN_CHAT}


def _refuse_look_alike(protocol: Protocol, name: str) -> None:
    folded = name.casefold()
    if name != folded and (folded in protocol.known or folded in _ROWS_IN_CHAT):
        raise InvalidParameter(f"Write {folded} in lower case.", field=name)
    if has_lone_surrogate(name):
        raise InvalidParameter("A member's name is not valid Unicode.")


def _refuse_look_alike_options(options: Any) -> None:
    """A provider that reads ``Include_Usage`` would report, or not, against what we asked for."""
    for name in options if isinstance(options, dict) else ():
        if name not in _STREAM_OPTIONS and name.casefold() in _STREAM_OPTIONS:
            raise InvalidParameter(
                f"Write {name.casefold()} in lower case.", field="stream_options"
            )


def _parts(messages: Any) -> Iterator[dict[str, Any]]:
    """Every message and every part of its content, those inside of tool results included."""
    pending = [messages]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending.extend(current)
        elif isinstance(current, dict):
            yield current
            pending.append(current.get("content"))


def _inner(part: dict[str, Any]) -> tuple[str, ...]:
    """The names inside of a part's own objects, as of ``{"type": "file", "file": {…}}``."""
    return tuple(name for value in part.values() if isinstance(value, dict) for name in value)
