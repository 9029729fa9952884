"""Talking to the sandbox at the wire: requests as bytes, answers taken apart."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 5


@dataclass(frozen=True)
class Answer:
    """What came over the wire. `body` is as sent, chunk lengths removed; `is_whole` is false
    where the connection closed before the body's announced end."""

    head: bytes
    raw_body: bytes

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    @property
    def body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.raw_body
        return b"".join(_chunks(self.raw_body))

    @property
    def is_whole(self) -> bool:
        if self.headers.get("transfer-encoding") == "chunked":
            return self.raw_body.endswith(b"0\r\n\r\n")
        return len(self.raw_body) == int(self.headers.get("content-length", -1))

    @property
    def writes(self) -> list[bytes]:
        """The body in the pieces in which it was written (chunked answers)."""
        return list(_chunks(self.raw_body))

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The stream's data frames, without [DONE]."""
        lines = self.body.decode().splitlines()
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return [json.loads(line) for line in data if line != "[DONE]"]

    @property
    def content(self) -> list[str]:
        """The pieces of the answer's text, as the frames brought them."""
        deltas = [choice["delta"] for frame in self.frames for choice in frame.get("choices", [])]
        return [delta["content"] for delta in deltas if delta.get("content")]

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def has_done(self) -> bool:
        return self.body.rstrip().endswith(b"data: [DONE]")


def _chunks(raw: bytes) -> Iterator[bytes]:
    while raw:
        length, separator, rest = raw.partition(b"\r\n")
        size_bytes = int(length, 16) if separator else 0
        if size_bytes == 0:
            return
        yield rest[:size_bytes]
        raw = rest[size_bytes + 2 :]


def chat_request(**members: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hello there, how are you today?"}]
    return {"model": "any-model", "messages": messages, **members}


def request_bytes(path: str, body: dict[str, Any], headers: dict[str, str]) -> bytes:
    payload = json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: sandbox",
        "Authorization: Bearer sk-any",
        "Accept-Encoding: identity",
        f"Content-Length: {len(payload)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def read_to_end(connection: socket.socket) -> bytes:
    received = bytearray()
    while data := connection.recv(262_144):
        received += data
    return bytes(received)


def wait_until(condition: Callable[[], bool]) -> bool:
    """Whether `condition` comes true within the time-out."""
    bell = threading.Event()
    for _ in range(TIMEOUT_S * 100):
        if condition():
            return True
        bell.wait(0.01)
    return False
