"""The client of the hot path: kept connections, and one answer read from one of them.

Blocking, one thread an exchange. No redirect is followed, no cookie kept, no environment read.
A request is sent twice in one case only: a kept connection ended before any byte of an answer, as
it does when the server closed it while it lay idle (RFC 9112, 9.3.1).
"""

import re
import socket
import ssl
import threading
from collections import deque
from functools import cached_property

from app.core import clock
from app.gateway.dialing import Deadline, Resolve, Target, dial, parse_base_url
from app.gateway.exchange import Exchange, Timeouts
from app.gateway.http_connection import HttpConnection
from app.gateway.upstream_errors import (
    AddressNotAllowed,
    AnswerTooLarge,
    ConnectFailed,
    ConnectionBroken,
    ConnectTimeout,
    FirstContentTimeout,
    IdleTimeout,
    MalformedAnswer,
    ProxyFailed,
    StaleConnection,
    TotalTimeout,
    UnexpectedEncoding,
    UpstreamError,
)

__all__ = [
    "AddressNotAllowed",
    "AnswerTooLarge",
    "ConnectFailed",
    "ConnectTimeout",
    "ConnectionBroken",
    "Exchange",
    "FirstContentTimeout",
    "IdleTimeout",
    "MalformedAnswer",
    "ProxyFailed",
    "Target",
    "Timeouts",
    "TotalTimeout",
    "UnexpectedEncoding",
    "UpstreamError",
    "UpstreamPool",
    "header_lines",
    "parse_base_url",
]

_REQUEST_PATH = re.compile(r"/[!-~]*")
_HEADER_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(rb"[\t -~\x80-\xff]*")
_OWN_HEADERS = frozenset(
    {b"host", b"accept-encoding", b"content-length", b"transfer-encoding", b"connection"}
)


def header_lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Headers as they go over the wire, to be made once a channel.

    `ValueError` for a name or value that would end its line, and for what `UpstreamPool.send`
    writes itself (host, length, encoding).
    """
    for name, value in headers:
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"The header {name!r} is written by the pool.")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"The header {name!r} holds a character that no header may hold.")
    return b"".join(b"%b: %b\r\n" % (name, value.strip()) for name, value in headers)


class UpstreamPool:
    """Connections to providers, kept between requests. Safe to share between threads."""

    def __init__(
        self,
        *,
        max_idle_per_target: int = 64,
        idle_ttl_s: float = 20.0,
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        self._max_idle_per_target = max_idle_per_target
        self._idle_ttl_s = idle_ttl_s
        self._given_context = ssl_context
        self._resolve = resolve
        self._shelves: dict[Target, _Shelf] = {}
        self._next_sweep_s = clock.monotonic() + idle_ttl_s

    def send(
        self,
        target: Target,
        *,
        method: str,
        path: str,
        headers: bytes,
        body: bytes,
        timeouts: Timeouts,
    ) -> Exchange:
        """Send a request and wait for the head of its answer.

        `headers` is what `header_lines` made. Not for HEAD: its answer has a length but no body,
        which the parser cannot be told. Raises `UpstreamError`.
        """
        started_s = clock.monotonic()
        if started_s >= self._next_sweep_s:
            self._sweep(started_s)
        shelf = self._shelf(target)
        head = shelf.head(method, path=path, headers=headers, body_bytes=len(body))
        kept = shelf.take(started_s)
        if kept is not None:
            exchange = Exchange(
                kept, give_back=shelf.give_back, timeouts=timeouts, started_s=started_s
            )
            try:
                exchange.begin(head, body)
                return exchange
            except StaleConnection:
                pass  # Once more, on a connection of its own: there it cannot happen again.
        fresh = self._connect(target, timeouts=timeouts, started_s=started_s)
        exchange = Exchange(
            fresh, give_back=shelf.give_back, timeouts=timeouts, started_s=started_s
        )
        exchange.begin(head, body)
        return exchange

    def close(self) -> None:
        """Close what is idle now, and what is given back later."""
        for shelf in list(self._shelves.values()):
            shelf.close()

    @property
    def idle_connections(self) -> int:
        """How many are kept for later."""
        return sum(shelf.idle_connections for shelf in list(self._shelves.values()))

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        """Made for the first target with TLS: reading the system's certificates takes 20 ms."""
        return self._given_context or _verifying_context()

    def _shelf(self, target: Target) -> "_Shelf":
        shelf = self._shelves.get(target)
        if shelf is not None:
            return shelf
        made = _Shelf(target, max_idle=self._max_idle_per_target, idle_ttl_s=self._idle_ttl_s)
        return self._shelves.setdefault(target, made)

    def _connect(self, target: Target, *, timeouts: Timeouts, started_s: float) -> HttpConnection:
        deadline = min(
            Deadline(started_s + timeouts.total_s, TotalTimeout),
            Deadline(clock.monotonic() + timeouts.connect_s, ConnectTimeout),
            key=lambda each: each.at_s,
        )
        context = self._ssl_context if target.scheme == "https" else None
        return HttpConnection(
            dial(target, deadline=deadline, ssl_context=context, resolve=self._resolve)
        )

    def _sweep(self, now_s: float) -> None:
        """Close what nobody took in time.

        Last in, first out leaves the surplus of a busy hour at the bottom, and all of a channel
        that is no longer used.
        """
        self._next_sweep_s = now_s + self._idle_ttl_s
        for shelf in list(self._shelves.values()):
            shelf.close_expired(now_s)


class _Shelf:
    """The idle connections of one target (oldest left), and the part of a head they share."""

    __slots__ = ("_fixed_lines", "_idle", "_idle_ttl_s", "_is_closed", "_lock", "_max_idle")

    def __init__(self, target: Target, *, max_idle: int, idle_ttl_s: float) -> None:
        self._fixed_lines = f"Host: {target.authority}\r\nAccept-Encoding: identity\r\n"
        self._max_idle = max_idle
        self._idle_ttl_s = idle_ttl_s
        self._idle: deque[HttpConnection] = deque()
        self._lock = threading.Lock()
        self._is_closed = False

    def head(self, method: str, *, path: str, headers: bytes, body_bytes: int) -> bytes:
        if not _REQUEST_PATH.fullmatch(path):
            raise ValueError("The path of a request is ASCII without spaces, from its slash on.")
        length = f"Content-Length: {body_bytes}\r\n" if body_bytes or method != "GET" else ""
        first = f"{method} {path} HTTP/1.1\r\n{self._fixed_lines}{length}"
        return first.encode("ascii") + headers + b"\r\n"

    @property
    def idle_connections(self) -> int:
        return len(self._idle)

    def take(self, now_s: float) -> HttpConnection | None:
        """The connection given back last, if it still looks alive.

        What is wrong with one (too old, closed, bytes nobody asked for) is found before anything
        was sent, so the next is tried.
        """
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if now_s - connection.idle_since_s < self._idle_ttl_s and connection.is_quiet():
                return connection
            connection.close()

    def give_back(self, connection: HttpConnection) -> None:
        """Keep a connection whose answer was read to its end."""
        connection.idle_since_s = clock.monotonic()
        connection.is_reused = True
        with self._lock:
            if not self._is_closed and len(self._idle) < self._max_idle:
                self._idle.append(connection)
                return
        connection.close()

    def close_expired(self, now_s: float) -> None:
        with self._lock:
            while self._idle and now_s - self._idle[0].idle_since_s >= self._idle_ttl_s:
                self._idle.popleft().close()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            while self._idle:
                self._idle.pop().close()


def _verifying_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
