"""One answer of a provider, read within its time-outs.

Two clocks run side by side: the total one, and before it the first-content or the idle one. Each
wait is cut to the nearer; so a provider that sends a byte a second is stopped all the same.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import NoReturn, Self

from app.core import clock
from app.gateway.http_connection import AnswerParser, HttpConnection
from app.gateway.upstream_errors import (
    AnswerTooLarge,
    ConnectionBroken,
    FirstContentTimeout,
    IdleTimeout,
    StaleConnection,
    TotalTimeout,
    UpstreamError,
    translated,
)

# How a connection says that its other side is gone.
_ENDED = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each stage may take.

    `connect_s`: name, TCP, proxy and TLS together. `first_content_s`: from the first byte sent
    until the caller says that content began. `idle_s`: between two arrivals after that. `total_s`:
    everything, from `send` to the last byte.
    """

    connect_s: float
    first_content_s: float
    idle_s: float
    total_s: float


class Exchange:
    """One answer being read, by one thread. `close` it however it ended.

    `headers` has lower-case names; repeated lines are joined by a comma.
    """

    __slots__ = (
        "_answer",
        "_connection",
        "_content_began",
        "_first_content_by_s",
        "_give_back",
        "_has_received",
        "_idle_s",
        "_is_cut_short",
        "_is_sent",
        "_total_by_s",
        "headers",
        "status",
    )

    def __init__(
        self,
        connection: HttpConnection,
        *,
        give_back: Callable[[HttpConnection], None],
        timeouts: Timeouts,
        started_s: float,
    ) -> None:
        self._give_back = give_back
        self._connection: HttpConnection | None = connection
        self._answer = AnswerParser()
        self._content_began = False
        self._has_received = False
        self._is_cut_short = False
        self._is_sent = False
        self._first_content_by_s = clock.monotonic() + timeouts.first_content_s
        self._idle_s = timeouts.idle_s
        self._total_by_s = started_s + timeouts.total_s
        self.status = 0
        self.headers: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def begin(self, head: bytes, body: bytes) -> None:
        """Send the request and read on until the head is there. Called by the pool, once."""
        answer = self._answer
        try:
            self._send(head, body)
            while not answer.status:
                self._receive()
            answer.require_identity()
        except BaseException:
            self.close()
            raise
        self.status = answer.status
        self.headers = answer.headers

    def content_began(self) -> None:
        """From now on the idle time-out runs: what came was content, not only a comment."""
        self._content_began = True

    def chunks(self) -> Iterator[bytes]:
        """The body as it arrives: all that one `recv` gave is one piece.

        Until `content_began` is called, the first-content time-out runs on whatever comes.
        """
        answer = self._answer
        while True:
            content = answer.take()
            if content:
                yield content
            elif answer.is_complete:
                return
            else:
                self._receive()

    def read_whole(self, limit_bytes: int) -> bytes:
        """The whole body; its first byte is the first content. Raises `AnswerTooLarge`."""
        stated = self.headers.get("content-length", "")
        if stated.isdigit() and int(stated) > limit_bytes:
            self._refuse_size(limit_bytes)
        whole = bytearray()
        for piece in self.chunks():
            self._content_began = True
            whole += piece
            if len(whole) > limit_bytes:
                self._refuse_size(limit_bytes)
        return bytes(whole)

    def hurry(self, seconds: float) -> None:
        """From now on everything may take this long at most."""
        self._total_by_s = min(self._total_by_s, clock.monotonic() + seconds)

    def linger(self, seconds: float) -> None:
        """Wait shortly for an end that no longer matters, so that the connection can be kept."""
        if self._connection is None:
            return
        self.hurry(seconds)
        with suppress(UpstreamError):
            for _ in self.chunks():
                pass
        self.close()

    def close(self) -> None:
        """Give the connection back if the answer was read to its end, else close it.

        Happens by itself as soon as the end has arrived. May be called again.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._answer.release()
        if self._answer.is_reusable and not self._is_cut_short:
            self._give_back(connection)
        else:
            connection.close()

    def _send(self, head: bytes, body: bytes) -> None:
        assert self._connection is not None
        left_s, late = self._left()
        self._is_sent = True
        try:
            self._connection.send(head, body, timeout_s=left_s)
        except _ENDED:
            # The server may have answered without reading it all (401, 413): look for that first.
            self._is_cut_short = True
        except OSError as error:
            raise translated(error, late=late, broken=ConnectionBroken, sent=True) from error

    def _receive(self) -> None:
        """Wait for more, within the time-outs, and feed it to the parser."""
        connection, answer = self._connection, self._answer
        if connection is None:
            raise RuntimeError("The exchange was closed before its answer was complete.")
        try:
            left_s, late = self._left()
            try:
                data = connection.receive(timeout_s=left_s)
            except OSError as error:
                self._raise_if_stale(error)
                raise translated(error, late=late, broken=ConnectionBroken, sent=True) from error
            if data:
                self._has_received = True
                answer.feed(data)
            else:
                self._raise_if_stale(None)
                answer.end_of_stream()
        except BaseException:
            self.close()
            raise
        if answer.is_complete:
            self.close()

    def _left(self) -> tuple[float, type[UpstreamError]]:
        """Seconds until the nearest deadline, and the error that it means."""
        now_s = clock.monotonic()
        left_s = self._idle_s if self._content_began else self._first_content_by_s - now_s
        late: type[UpstreamError] = IdleTimeout if self._content_began else FirstContentTimeout
        if self._total_by_s - now_s < left_s:
            left_s, late = self._total_by_s - now_s, TotalTimeout
        if left_s <= 0:
            raise late("The provider took too long.", sent=self._is_sent)
        return left_s, late

    def _raise_if_stale(self, error: OSError | None) -> None:
        """`None`: the connection ended in good order."""
        assert self._connection is not None
        if not self._connection.is_reused or self._has_received:
            return
        if error is None or isinstance(error, _ENDED):
            raise StaleConnection("The kept connection had ended.", sent=True) from error

    def _refuse_size(self, limit_bytes: int) -> NoReturn:
        self.close()
        raise AnswerTooLarge(f"The answer is larger than {limit_bytes} bytes.", sent=True)
