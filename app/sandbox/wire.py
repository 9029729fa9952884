"""Plays a draft to the WSGI server: status, headers, chunks, pauses, and hanging up."""

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from secrets import token_hex
from typing import Any

from waitress.channel import ClientDisconnected

from app.sandbox.draft import Chunk, Draft, Framing, Hangup, Pause, chunks_of

FRAMING_KEY = "sandbox.framing"
"""Where the WSGI environ tells the server how to frame the body (`server.SandboxTask`)."""
LONGEST_NAP_S = 0.05

Listener = Callable[[], None]


def play(
    draft: Draft, *, environ: dict[str, Any], start_response: Any, on_hangup: Listener
) -> Iterator[bytes]:
    """Answer with `draft`; `on_hangup` is called when the client leaves before the end."""
    environ[FRAMING_KEY] = draft.framing
    chunks = chunks_of(draft)
    headers = [
        ("Content-Type", draft.content_type),
        ("X-Request-Id", f"req_sandbox_{token_hex(8)}"),
        *draft.headers,
    ]
    if draft.framing is Framing.LENGTH:
        known = list(chunks)
        chunks = iter(known)
        size_bytes = sum(len(chunk) for chunk in known if isinstance(chunk, bytes))
        headers.append(("Content-Length", str(size_bytes)))
    start_response(_status_line(draft.status), headers)
    is_gone = environ.get("waitress.client_disconnected", _never)
    return _perform(chunks, is_gone=is_gone, on_hangup=on_hangup)


def _perform(
    chunks: Iterator[Chunk], *, is_gone: Callable[[], bool], on_hangup: Listener
) -> Iterator[bytes]:
    is_over = False
    try:
        for chunk in chunks:
            match chunk:
                case Pause(seconds):
                    _wait(seconds, is_gone)
                case Hangup():
                    is_over = True
                    # waitress closes the connection quietly on its own exception.
                    raise ClientDisconnected
                case bytes():
                    yield chunk
        is_over = True
    finally:
        if not is_over:
            on_hangup()


def _wait(seconds: float, is_gone: Callable[[], bool]) -> None:
    """Sleep in naps, so that a client's hang-up gives the thread back at once."""
    remaining_s = seconds
    while remaining_s > 0:
        nap_s = min(remaining_s, LONGEST_NAP_S)
        time.sleep(nap_s)
        remaining_s -= nap_s
        if is_gone():
            raise ClientDisconnected


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Sandbox"


def _never() -> bool:
    return False
