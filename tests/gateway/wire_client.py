"""Asking a `WireServer` through the pool: what the tests of the upstream client share."""

import socket
import time
from typing import Any

from app.gateway.upstream import Exchange, Target, Timeouts, UpstreamPool, header_lines
from tests.gateway.wire_server import WireServer

PATIENT = Timeouts(connect_s=3, first_content_s=3, idle_s=3, total_s=5)
SHORT_S = 0.2
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OTHER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def local(server: WireServer) -> Target:
    return Target("http", "127.0.0.1", server.port, allow_private=True)


def ask(
    pool: UpstreamPool,
    target: Target,
    *,
    body: bytes = b"{}",
    timeouts: Timeouts = PATIENT,
    method: str = "POST",
) -> Exchange:
    return pool.send(
        target,
        method=method,
        path="/v1/chat/completions",
        headers=header_lines([(b"Authorization", b"Bearer sk-1")]),
        body=body,
        timeouts=timeouts,
    )


def whole(pool: UpstreamPool, target: Target, **options: Any) -> bytes:
    with ask(pool, target, **options) as exchange:
        return exchange.read_whole(1_000_000)


def took_s(since_s: float) -> float:
    return time.monotonic() - since_s


def resolver(*addresses: str) -> Any:
    """Answers every name with these; notes the names asked for in `.asked`."""

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        resolve.asked.append(host)  # type: ignore[attr-defined]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]

    resolve.asked = []  # type: ignore[attr-defined]
    return resolve


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
