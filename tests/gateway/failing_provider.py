"""Providers that refuse: servers that answer what a test says, and what must not get out of it."""

import json
from collections.abc import Callable
from typing import Any

from werkzeug.test import TestResponse

from tests.gateway.shop import PROVIDER_KEY
from tests.gateway.wire_server import Script, Wire, WireServer

CANARY = "canary-words-of-the-provider"

Failing = Callable[..., WireServer]


def url_of(server: WireServer) -> str:
    return f"http://127.0.0.1:{server.port}/v1"


def answer_bytes(status: int, *headers: str, body: bytes | None = None) -> bytes:
    """An answer as bytes; by default an error full of what must stay inside."""
    if body is None:
        body = json.dumps({"error": {"message": f"{CANARY} {PROVIDER_KEY}"}}).encode()
    lines = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def refusing(status: int, body: Any, *headers: str) -> Script:
    """Read a request and refuse it with a JSON body, then close."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(answer_bytes(status, *headers, body=json.dumps(body).encode()))

    return script


def assert_nothing_leaks(response: TestResponse, *servers: WireServer) -> None:
    shown = response.get_data() + str(list(response.headers)).encode()
    for secret in (CANARY, PROVIDER_KEY, "127.0.0.1", "sandbox answer", *(
        str(server.port) for server in servers
    )):  # fmt: skip
        assert secret.encode() not in shown
