"""A closed-loop load generator on one epoll loop: each connection has one request open."""

import selectors
import socket
import time
from dataclasses import dataclass, field


@dataclass
class Result:
    """What a run saw. Latencies in seconds; `chunks` counts pieces of streams as they arrived."""

    seconds: float = 0.0
    requests: int = 0
    errors: int = 0
    chunks: int = 0
    latencies_s: list[float] = field(default_factory=list)
    first_error: bytes = b""

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


class _Client:
    __slots__ = ("buffer", "sent_at", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.socket.send(request)


def run_whole(port: int, request: bytes, *, clients: int, seconds: float) -> Result:
    """Send `request` over `clients` kept connections until the time is up."""
    selector = selectors.EpollSelector()
    for client in [_Client(port) for _ in range(clients)]:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.send(request)
    result = Result()
    started = time.perf_counter()
    while (now := time.perf_counter()) - started < seconds:
        for key, _ in selector.select(0.5):
            client = key.data
            client.buffer += client.socket.recv(262144)
            if not _is_complete(client.buffer):
                continue
            result.requests += 1
            if not client.buffer.startswith(b"HTTP/1.1 200"):
                result.errors += 1
                result.first_error = result.first_error or client.buffer[:400]
            result.latencies_s.append(time.perf_counter() - client.sent_at)
            client.buffer = b""
            client.send(request)
    result.seconds = now - started
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    return result


def _is_complete(buffer: bytes) -> bool:
    head, found, body = buffer.partition(b"\r\n\r\n")
    if not found:
        return False
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at < 0:
        return buffer.endswith(b"0\r\n\r\n")
    return len(body) >= int(lower[at + 15 :].partition(b"\r\n")[0])


class Streams:
    """So many streams kept open, each started again when it ends; `pump` counts what arrives."""

    def __init__(self, port: int, request: bytes, *, count: int) -> None:
        self._port = port
        self._request = request
        self._selector = selectors.EpollSelector()
        for position in range(count):
            self._open()
            if position % 50 == 49:
                self.pump(0.05)  # spread the starts, as life does

    def pump(self, seconds: float) -> Result:
        """Read for a while; a chunk is one data frame."""
        result = Result()
        started = time.perf_counter()
        while (now := time.perf_counter()) - started < seconds:
            for key, _ in self._selector.select(0.1):
                data = key.data.socket.recv(262144)
                result.chunks += data.count(b"data: ")
                result.errors += b"HTTP/1.1 5" in data or b"HTTP/1.1 4" in data
                if not data or data.endswith(b"0\r\n\r\n"):
                    self._selector.unregister(key.data.socket)
                    key.data.socket.close()
                    result.requests += 1
                    self._open()
        result.seconds = now - started
        return result

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()

    def _open(self) -> None:
        client = _Client(self._port)
        client.send(self._request)
        self._selector.register(client.socket, selectors.EVENT_READ, client)
