"""An upstream that is not the bottleneck: one epoll loop, canned answers, paced streams.

``python -m bench.upstream`` prints its port. A body with ``"stream": true`` is answered with
`STREAM_CHUNKS` frames, one every `CHUNK_INTERVAL_S`; anything else with one canned chat answer.
"""

import heapq
import json
import selectors
import socket
import sys
import time

STREAM_CHUNKS = 100
CHUNK_INTERVAL_S = 0.1

_USAGE = {"prompt_tokens": 20, "completion_tokens": 50, "total_tokens": 70}
_MESSAGE = {"role": "assistant", "content": "A short introduction. " * 12}
_BODY = json.dumps(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1776746375,
        "model": "gpt-4o",
        "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
        "usage": _USAGE,
    },
    separators=(",", ":"),
).encode()
WHOLE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
) + _BODY
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def _frame(delta: dict[str, str], finish: str | None = None, **more: object) -> bytes:
    chunk = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1776746375,
        "model": "gpt-4o",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }
    data = b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


CONTENT = _frame({"content": " word"})
_DONE = b"data: [DONE]\n\n"
LAST = (
    _frame({}, "stop")
    + _frame({}, choices=[], usage=_USAGE)
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(_DONE), _DONE)
)


class _Connection:
    __slots__ = ("buffer", "left", "socket")

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.buffer = b""
        self.left = 0


class Upstream:
    """The loop; `run` never returns."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listening.setblocking(False)
        self.port = self._listening.getsockname()[1]
        self._selector = selectors.EpollSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._due: list[tuple[float, int, _Connection]] = []
        self._count = 0

    def run(self) -> None:
        while True:
            wait_s = max(self._due[0][0] - time.monotonic(), 0) if self._due else None
            for key, _ in self._selector.select(wait_s):
                if key.data is None:
                    self._accept()
                else:
                    self._read(key.data)
            self._send_due()

    def _accept(self) -> None:
        accepted, _ = self._listening.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setblocking(False)
        self._selector.register(accepted, selectors.EVENT_READ, _Connection(accepted))

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        connection.buffer += data
        head, found, body = connection.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        connection.buffer = body[length:]
        if b'"stream": true' in body or b'"stream":true' in body:
            connection.left = STREAM_CHUNKS
            connection.socket.send(STREAM_HEAD + CONTENT)
            self._schedule(connection)
        else:
            connection.socket.send(WHOLE)

    def _schedule(self, connection: _Connection) -> None:
        self._count += 1
        heapq.heappush(self._due, (time.monotonic() + CHUNK_INTERVAL_S, self._count, connection))

    def _send_due(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, connection = heapq.heappop(self._due)
            connection.left -= 1
            try:
                connection.socket.send(CONTENT if connection.left else LAST)
            except OSError:
                self._close(connection)
                continue
            if connection.left:
                self._schedule(connection)

    def _close(self, connection: _Connection) -> None:
        if connection.socket.fileno() >= 0:
            self._selector.unregister(connection.socket)
            connection.socket.close()


if __name__ == "__main__":
    upstream = Upstream()
    print(json.dumps({"port": upstream.port}), flush=True)
    sys.stdout.close()
    upstream.run()
