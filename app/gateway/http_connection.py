"""One HTTP/1.1 connection, and the parser of one answer on it.

Neither knows deadlines, pools or providers: `upstream.py` does. httptools (llhttp) cuts the bytes
into head and body; it is strict by default, and no leniency is switched on.
"""

import select
import socket
from collections.abc import Callable
from typing import Any

import httptools

from app.core import clock
from app.gateway.upstream_errors import ConnectionBroken, MalformedAnswer, UnexpectedEncoding

RECEIVE_BYTES = 65_536
HEAD_LIMIT_BYTES = 32_768
# Up to here, copying head and body together costs less than a second write.
_JOIN_LIMIT_BYTES = 262_144
# One TLS record. `SSLSocket.sendall` starts its time-out anew at every record, so more than one
# is sent by our own loop.
_RECORD_BYTES = 16_384
# A time-out that the socket has is kept if it is at most this much longer than the one wanted:
# `settimeout` is a system call, and a request would make two or three.
_TIMEOUT_SLACK_S = 0.01
# A second line of these is a mistake; of any other header it goes on with the list (RFC 9110 5.3).
_SINGLE_VALUED = frozenset({"content-type", "location", "retry-after"})


class HttpConnection:
    """A connected socket, plain or TLS, that never waits without a limit.

    Its methods raise `OSError` as the socket does; who called knows what it means.
    """

    __slots__ = ("_has_input", "_socket", "_timeout_s", "idle_since_s", "is_reused")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._timeout_s = -1.0
        self._has_input = _input_watch(connected)
        self.is_reused = False
        self.idle_since_s = 0.0

    def send(self, head: bytes, body: bytes, *, timeout_s: float) -> None:
        """Hand the whole request over; `timeout_s` bounds all of it, not each write."""
        size_bytes = len(head) + len(body)
        if size_bytes <= _RECORD_BYTES:
            self._set_timeout(timeout_s)
            self._socket.sendall(head + body)
            return
        deadline_s = clock.monotonic() + timeout_s
        parts = (head + body,) if size_bytes <= _JOIN_LIMIT_BYTES else (head, body)
        for part in parts:
            self._send_by(part, deadline_s)

    def receive(self, *, timeout_s: float) -> bytes:
        """What has arrived, waiting at most `timeout_s` for it; nothing means the end."""
        # The comparison of `_set_timeout`, once more: this runs for every chunk of every stream.
        if not 0.0 <= self._timeout_s - timeout_s <= _TIMEOUT_SLACK_S:
            self._set_timeout(timeout_s)
        return self._socket.recv(RECEIVE_BYTES)

    def is_quiet(self) -> bool:
        """Nothing has come since the last answer, neither bytes nor the end of the connection."""
        return not self._has_input(0)

    def close(self) -> None:
        self._socket.close()

    def _send_by(self, data: bytes, deadline_s: float) -> None:
        rest = memoryview(data)
        while rest:
            left_s = deadline_s - clock.monotonic()
            if left_s <= 0:
                raise TimeoutError("The request could not be handed over in time.")
            self._set_timeout(left_s)
            rest = rest[self._socket.send(rest) :]

    def _set_timeout(self, timeout_s: float) -> None:
        if not 0.0 <= self._timeout_s - timeout_s <= _TIMEOUT_SLACK_S:
            self._socket.settimeout(timeout_s)
            self._timeout_s = timeout_s


class AnswerParser:
    """The head and the body of one answer, from the bytes fed to it.

    The ``on_…`` methods are called by httptools. Parser and protocol refer to each other; `release`
    cuts that cycle, so that nothing waits for the garbage collector.
    """

    __slots__ = (
        "_barren_bytes",
        "_lines",
        "_parser",
        "_pieces",
        "headers",
        "is_complete",
        "is_reusable",
        "status",
    )

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.is_complete = False
        self.is_reusable = False
        self._pieces: list[bytes] = []
        self._lines: list[tuple[bytes, bytes]] = []
        self._barren_bytes = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take what one `recv` gave. Raises `MalformedAnswer`; never for bytes after the end."""
        if self._parser is None:
            raise RuntimeError("The answer was released.")
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_complete:
                raise MalformedAnswer(f"The answer is not HTTP: {error}", sent=True) from error
        if not self.is_complete:
            self._bound(len(data))

    def end_of_stream(self) -> None:
        """The server closed: the end of an answer that states no length, else a broken one."""
        if not self.status:
            raise ConnectionBroken("The server closed before it answered.", sent=True)
        transfer = self.headers.get("transfer-encoding", "").lower()
        if "content-length" in self.headers or "chunked" in transfer:
            raise ConnectionBroken("The server closed inside the answer.", sent=True)
        self.is_complete = True

    def require_identity(self) -> None:
        """Refuse a body that somebody would have to unpack (and that may be a bomb)."""
        content = self.headers.get("content-encoding", "identity").lower()
        transfer = self.headers.get("transfer-encoding", "chunked").lower()
        if content != "identity" or transfer not in ("chunked", "identity"):
            raise UnexpectedEncoding(
                f"The answer ({self.status}) is encoded as {content}, {transfer}.", sent=True
            )

    def take(self) -> bytes:
        """The content since the last call, in one piece."""
        pieces = self._pieces
        if not pieces:
            return b""
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return content

    def release(self) -> None:
        self._parser = None

    def on_message_begin(self) -> None:
        if self.is_complete:
            self.is_reusable = False
            raise MalformedAnswer("Bytes follow the answer.", sent=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines.append((name, value))  # Trailers too: nobody reads those.

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < 100:
            raise MalformedAnswer(f"There is no status {status}.", sent=True)
        if sum(len(name) + len(value) for name, value in self._lines) > HEAD_LIMIT_BYTES:
            raise MalformedAnswer("The head of the answer is too large.", sent=True)
        if status >= 200:
            self.headers = _headers(self._lines)
            self.status = status
        self._lines.clear()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        if not self.status:
            return  # An informational answer (100, 103): the real one follows.
        assert self._parser is not None
        self.is_complete = True
        # Only here does llhttp know; a moment later the answer is always False.
        self.is_reusable = self._parser.should_keep_alive()

    def _bound(self, received_bytes: int) -> None:
        """Bound what carries no content: heads, informational answers, chunk names, trailers."""
        self._barren_bytes = 0 if self._pieces else self._barren_bytes + received_bytes
        if self._barren_bytes > HEAD_LIMIT_BYTES:
            raise MalformedAnswer("Too many bytes came without content.", sent=True)


def _headers(lines: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in lines}
    if len(headers) == len(lines):
        return headers
    headers.clear()
    for raw_name, value in lines:
        name = raw_name.decode("latin-1").lower()
        if name not in headers:
            headers[name] = value.decode("latin-1")
        elif name not in _SINGLE_VALUED:
            headers[name] += ", " + value.decode("latin-1")
    return headers


def _input_watch(connected: socket.socket) -> Callable[[int], list[Any]]:
    """A cheap "is there anything to read?": one poll, prepared once a connection.

    A peek with `recv` would first wait for the socket's time-out, then cost an exception.
    """
    if not hasattr(select, "poll"):  # Windows
        return lambda _: select.select([connected], [], [], 0)[0]
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return poll.poll
