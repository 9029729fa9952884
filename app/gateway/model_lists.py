"""Asking a provider which models it has.

Sent over the gateway's own connections, so that the rules of a call hold: no private host unless
allowed, no redirect, no environment, bounded in size and time.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.domain.channels.errors import NoModelList
from app.domain.channels.presets import KeyHeader, Preset
from app.domain.channels.proxies import OutgoingProxy
from app.gateway.exchange import Timeouts
from app.gateway.upstream import Target, UpstreamPool, header_lines, parse_base_url
from app.gateway.upstream_errors import (
    AddressNotAllowed,
    AnswerTooLarge,
    ConnectFailed,
    ConnectTimeout,
    FirstContentTimeout,
    IdleTimeout,
    ProxyFailed,
    TotalTimeout,
    UpstreamError,
)

LIST_MAX_BYTES = 16 << 20
MODELS_MAX = 10_000
_TIMEOUTS = Timeouts(connect_s=5.0, first_content_s=20.0, idle_s=10.0, total_s=30.0)
_LATE = (ConnectTimeout, FirstContentTimeout, IdleTimeout, TotalTimeout)
# Names are shown on a terminal and stored: nothing but visible ASCII is one.
_NAME = re.compile(r"[!-~]{1,256}")

_SENTENCES = {
    401: "The provider does not accept the key",
    403: "The provider does not allow this key to list models",
    404: "The provider has no list of models at this base URL",
    429: "The provider asks to wait",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Whom to ask, and through which proxy. `api_key` may be empty."""

    preset: Preset
    base_url: str
    api_key: str = field(repr=False)
    allow_private: bool
    proxy: OutgoingProxy | None = None


def list_models(pool: UpstreamPool, provider: Provider) -> tuple[str, ...]:
    """The names of the provider's models, sorted. Raises `NoModelList`; its sentence never holds a
    word of the provider's, which may repeat the key."""
    try:
        target, prefix = parse_base_url(
            provider.base_url, allow_private=provider.allow_private, proxy=provider.proxy
        )
        headers = _headers(provider)
    except ValueError as error:
        raise NoModelList(str(error)) from None
    try:
        with pool.send(
            target,
            method="GET",
            path=f"{prefix}/models{provider.preset.models_query}",
            headers=headers,
            body=b"",
            timeouts=_TIMEOUTS,
        ) as exchange:
            if exchange.status != 200:
                said = _SENTENCES.get(exchange.status, "The provider answered with an error")
                raise NoModelList(f"{said} ({exchange.status}).")
            body = exchange.read_whole(LIST_MAX_BYTES)
    except UpstreamError as error:
        raise NoModelList(_sentence(error, target)) from error
    return _names(body, prefix=provider.preset.models_prefix)


def _headers(provider: Provider) -> bytes:
    key = provider.api_key.encode()
    lines = [(b"Accept", b"application/json"), (b"User-Agent", b"FlowHubLLM")]
    if key and provider.preset.models_key is KeyHeader.BEARER:
        lines.append((b"Authorization", b"Bearer " + key))
    elif key:
        lines += [(b"x-api-key", key), (b"anthropic-version", b"2023-06-01")]
    return header_lines(lines)


def _sentence(error: UpstreamError, target: Target) -> str:
    if isinstance(error, AddressNotAllowed):
        return f"{target.host} is on a private network, which this channel may not reach."
    if isinstance(error, ProxyFailed):
        return str(error)
    if isinstance(error, ConnectFailed):
        return f"{target.authority} cannot be reached."
    if isinstance(error, _LATE):
        return f"{target.authority} took too long."
    if isinstance(error, AnswerTooLarge):
        return f"The list of {target.authority} is too long to be one."
    return f"{target.authority} broke off or answered with something else than HTTP."


def _names(body: bytes, *, prefix: str) -> tuple[str, ...]:
    """The names in a list of models, which some providers send bare and some under ``models``."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    items = document
    if isinstance(document, dict):
        items = document.get("data", document.get("models"))
    if not isinstance(items, list):
        raise NoModelList("The provider answered with something else than a list of models.")
    found = {_name_of(item).removeprefix(prefix) for item in items[:MODELS_MAX]}
    return tuple(sorted(name for name in found if _NAME.fullmatch(name)))


def _name_of(item: Any) -> str:
    name = item.get("id") or item.get("name") if isinstance(item, dict) else item
    return name if isinstance(name, str) else ""
