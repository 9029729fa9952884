"""Broken requests on the wire, against both servers.

What a server refuses before the app runs is its own bare text. What matters: no answer is a 500,
the connection ends in time, the server goes on serving, and nothing is held.
"""

import json
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateway.shop import CHAT_PATH, MESSAGES, Shop, wait_until
from tests.running_product import running_product
from tests.serving.product import running_product as running_process

PATIENCE_S = 1.5
MAX_BODY_BYTES = 100_000
BODY = json.dumps({"model": "gpt-4o", "messages": MESSAGES}).encode()

Message = Callable[[bytes], bytes]
"""The bytes to send, made from the Authorization line."""


def _post(*lines: bytes, body: bytes = BODY, version: bytes = b"1.1") -> Message:
    def message(authorization: bytes) -> bytes:
        head = (b"POST " + CHAT_PATH.encode() + b" HTTP/" + version, b"Host: product")
        return b"\r\n".join((*head, authorization, *lines, b"", b"")) + body

    return message


def _raw(data: bytes) -> Message:
    return lambda authorization: data


JSON = b"Content-Type: application/json"
LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
ONE_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

REFUSED = frozenset({0, 400, 408, 411, 413, 414, 415, 431, 501, 505})
"""0: no word, and the connection closed by either side."""

MESSAGES_ON_THE_WIRE: dict[str, tuple[Message, frozenset[int]]] = {
    "whole": (_post(JSON, LENGTH), frozenset({200})),
    "whole, chunked": (_post(JSON, CHUNKED, body=ONE_CHUNK), frozenset({200})),
    "shorter than it says, then gone": (_post(JSON, b"Content-Length: 5000"), REFUSED),
    "longer than it says": (_post(JSON, b"Content-Length: 20"), REFUSED),
    "no length": (_post(JSON), REFUSED),
    "length of another script": (_post(JSON, "Content-Length: ٥".encode()), REFUSED),
    "negative length": (_post(JSON, b"Content-Length: -1"), REFUSED),
    "two lengths that differ": (_post(JSON, LENGTH, b"Content-Length: 3"), REFUSED),
    "length above 64 bits": (_post(JSON, b"Content-Length: " + b"9" * 30), REFUSED),
    "length above the limit": (_post(JSON, b"Content-Length: 900000"), REFUSED),
    "above the limit": (
        _post(JSON, b"Content-Length: 150000", body=b" " * 150_000),
        frozenset({0, 413}),
    ),
    "above the limit, chunked": (
        _post(JSON, CHUNKED, body=b"24a00\r\n" + b" " * 150_016 + b"\r\n0\r\n\r\n"),
        frozenset({0, 400, 413}),
    ),
    "length and chunks": (_post(JSON, LENGTH, CHUNKED, body=ONE_CHUNK), REFUSED | {200}),
    "chunk without a size": (_post(JSON, CHUNKED, body=b"zz\r\n{}\r\n0\r\n\r\n"), REFUSED),
    "chunk with a negative size": (_post(JSON, CHUNKED, body=b"-5\r\n{}\r\n0\r\n\r\n"), REFUSED),
    "chunk of a huge size": (_post(JSON, CHUNKED, body=b"f" * 20 + b"\r\n{}\r\n"), REFUSED),
    "chunks broken off": (_post(JSON, CHUNKED, body=b"%x\r\n%s" % (len(BODY), BODY[:20])), REFUSED),
    "unknown transfer encoding": (_post(JSON, b"Transfer-Encoding: gzip"), REFUSED),
    "compressed": (_post(JSON, LENGTH, b"Content-Encoding: br"), frozenset({415})),
    "head too large": (_post(JSON, LENGTH, b"X-Filler: " + b"x" * 300_000), REFUSED),
    "very many headers": (
        _post(JSON, LENGTH, *(b"X-%d: x" % number for number in range(20_000))),
        REFUSED,
    ),
    "header without a colon": (_post(JSON, LENGTH, b"nonsense"), REFUSED | {200}),
    "folded header": (_post(JSON, LENGTH, b"X-A: b\r\n c"), REFUSED | {200}),
    "NUL in a header": (_post(JSON, LENGTH, b"X-A: b\x00c"), REFUSED | {200}),
    "space before the colon": (_post(JSON, LENGTH, b"X-A : b"), REFUSED | {200}),
    "old version": (_post(JSON, LENGTH, version=b"1.0"), frozenset({200})),
    "unknown version": (_post(JSON, LENGTH, version=b"9.9"), REFUSED | {200}),
    "no version": (_raw(b"GET /healthz\r\n\r\n"), REFUSED | {200}),
    "lines that end in LF": (
        _raw(b"GET /healthz HTTP/1.1\nHost: product\nConnection: close\n\n"),
        REFUSED | {200},
    ),
    "address too long": (_raw(b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n"), REFUSED | {404}),
    "TLS": (_raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500), REFUSED),
    "HTTP/2 without TLS": (_raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), REFUSED | {200, 404}),
    "noise": (_raw(bytes(range(256)) * 40 + b"\r\n\r\n"), REFUSED | {404, 405}),
    "nothing": (_raw(b""), REFUSED),
    "half a head": (_raw(b"POST /v1/chat/completions HTTP/1.1\r\nHost: pro"), REFUSED),
    "two at once": (
        lambda authorization: _post(JSON, LENGTH)(authorization) * 2,
        frozenset({200}),
    ),
}  # fmt: skip


def test_waitress_survives_every_broken_request(shop: Shop):
    shop.services.boot["MAX_BODY_BYTES"] = MAX_BODY_BYTES
    customer = shop.customer()
    with running_product(shop.app) as base_url:
        wire = Wire(base_url, customer.secret)
        assert wire.surprises(body=b'"gpt-4o"', model=b'"talk"') == []
        assert wire.is_alive()
        shop.assert_at_rest()


@pytest.mark.slow
def test_granian_survives_every_broken_request(tmp_path: Path):
    folder = tmp_path / "instance"
    with running_process(folder, "--server", "granian", MAX_BODY_BYTES=MAX_BODY_BYTES) as product:
        wire = Wire(product.base_url, product.api_key)
        assert wire.surprises() == []
        assert wire.is_alive()
        assert wait_until(lambda: _held_nanos(folder) == 0)


def _held_nanos(folder: Path) -> int:
    with sqlite3.connect(folder / "flowhub.db") as books:
        rows = books.execute("SELECT SUM(trial_held_nanos + paid_held_nanos) FROM wallets")
        return int(rows.fetchone()[0])


class Wire:
    """Sends raw messages to a product."""

    def __init__(self, base_url: str, secret: str) -> None:
        host, _, port = base_url.removeprefix("http://").partition(":")
        self._address = (host, int(port))
        self._authorization = b"Authorization: Bearer " + secret.encode()

    def surprises(self, *, body: bytes = b"", model: bytes = b"") -> list[tuple[str, int]]:
        """The messages that were answered otherwise than expected; `body` is put as `model`."""
        found = []
        for name, (message, expected) in MESSAGES_ON_THE_WIRE.items():
            data = message(self._authorization)
            status = self._status(data.replace(body, model.ljust(len(body))) if body else data)
            if status not in expected:
                found.append((name, status))
        return found

    def is_alive(self) -> bool:
        return self._status(b"GET /healthz HTTP/1.1\r\nHost: product\r\n\r\n") == 200

    def _status(self, data: bytes) -> int:
        """The status of the first answer, 0 where the connection ends without one."""
        with socket.create_connection(self._address, timeout=PATIENCE_S) as connection:
            try:
                connection.sendall(data)
                received = connection.recv(65_536)
            except (ConnectionError, TimeoutError):
                return 0  # a message without an end is waited for: we leave first
        return int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/") else 0
