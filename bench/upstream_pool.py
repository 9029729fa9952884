"""What an upstream request costs the gateway's thread: the pool beside `http.client`.

    python -m bench.upstream_pool [--requests 4000] [--rounds 5]

CPU (user and system) of this process per request, best and median of the rounds, against a bare
server in a process of its own that keeps connections alive. With one thread every request also
pays for two sleeps and wake-ups; with eight, as under load, the kernel seldom sleeps. `floor` is
the same bytes over a bare socket with a time-out, unread: what the kernel takes.
"""

import argparse
import http.client
import multiprocessing
import socket
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from app.gateway.upstream import Timeouts, UpstreamPool, header_lines, parse_base_url

TIMEOUTS = Timeouts(connect_s=5, first_content_s=120, idle_s=60, total_s=900)
PATH = "/v1/chat/completions"
HEADERS = [
    (b"Authorization", b"Bearer sk-0123456789abcdef0123456789abcdef"),
    (b"Content-Type", b"application/json"),
    (b"Accept", b"application/json"),
]
BODY = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 400 + b'"}]}'
ANSWER_BODY = b'{"id":"chatcmpl-1","choices":[{"message":{"content":"' + b"y" * 600 + b'"}}]}'
ANSWER_HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\nServer: bench\r\nX-Request-Id: req_123\r\n"
    b"OpenAI-Processing-Ms: 12\r\nX-RateLimit-Remaining-Requests: 999\r\n\r\n" % len(ANSWER_BODY)
)
CHUNK = b'data: {"choices":[{"delta":{"content":"token"}}]}\n\n'
CHUNKS_PER_STREAM = 100
THREADS = (1, 8)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@dataclass(frozen=True)
class Row:
    """One line of the table: a way to make a request, and into how many parts to divide it.

    `prepare` gives a thread its function.
    """

    name: str
    prepare: Callable[[], Callable[[], int]]
    parts: int = 1


def main() -> None:
    parser = argparse.ArgumentParser(description="What an upstream request costs.")
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        server = multiprocessing.get_context("fork").Process(
            target=_serve, args=(listener,), daemon=True
        )
        server.start()
        try:
            _print_table(_rows(port), requests=options.requests, rounds=options.rounds)
        finally:
            server.terminate()
            server.join()


def _print_table(rows: list[Row], *, requests: int, rounds: int) -> None:
    """Rounds go over all rows in turn: what else the machine does then meets them alike."""
    figures: dict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(rounds):
        for row in rows:
            for threads in THREADS:
                cpu_us = _cpu_us(row.prepare, requests // row.parts // threads, threads=threads)
                figures[row.name, threads].append(cpu_us / row.parts)
    print(f"{'µs of CPU':34}  threads     best   median")
    for (name, threads), values in figures.items():
        print(f"{name:34} {threads:8} {min(values):8.1f} {statistics.median(values):8.1f}")


def _rows(port: int) -> list[Row]:
    whole, stream = _pooled(port, PATH), _pooled(port, "/stream")
    return [
        Row("floor, whole answer", lambda: _bare(port)),
        Row("pool, whole answer", lambda: whole),
        Row("http.client, whole answer", lambda: _standard(port, PATH)),
        Row("pool, one chunk of a stream", lambda: stream, CHUNKS_PER_STREAM),
        Row(
            "http.client, one chunk of a stream",
            lambda: _standard(port, "/stream"),
            CHUNKS_PER_STREAM,
        ),
    ]


def _cpu_us(prepare: Callable[[], Callable[[], int]], requests: int, *, threads: int) -> float:
    """`requests` is for each thread."""

    def work() -> None:
        request = prepare()
        for _ in range(requests):
            request()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began_s = time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return (time.process_time() - began_s) / (requests * threads) * 1e6


def _bare(port: int) -> Callable[[], int]:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(60)
    request_bytes = b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (
        PATH.encode(),
        len(BODY),
        BODY,
    )

    def request() -> int:
        connection.sendall(request_bytes)
        return len(connection.recv(65_536))

    return request


def _pooled(port: int, path: str) -> Callable[[], int]:
    pool = UpstreamPool()
    target, _ = parse_base_url(f"http://127.0.0.1:{port}", allow_private=True)
    headers = header_lines(HEADERS)

    def request() -> int:
        exchange = pool.send(
            target, method="POST", path=path, headers=headers, body=BODY, timeouts=TIMEOUTS
        )
        with exchange:
            if path == PATH:
                return len(exchange.read_whole(67_108_864))
            exchange.content_began()
            return sum(map(len, exchange.chunks()))

    return request


def _standard(port: int, path: str) -> Callable[[], int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {name.decode(): value.decode() for name, value in HEADERS}

    def request() -> int:
        connection.request("POST", path, body=BODY, headers=headers)
        answer = connection.getresponse()
        if path == PATH:
            return len(answer.read())
        size_bytes = 0
        while piece := answer.read1(65_536):
            size_bytes += len(piece)
        return size_bytes

    return request


def _serve(listener: socket.socket) -> None:
    while True:
        connected, _ = listener.accept()
        threading.Thread(target=_serve_one, args=(connected,), daemon=True).start()


def _serve_one(connected: socket.socket) -> None:
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connected:
        while data := _read_request(connected):
            _answer(connected, data)


def _read_request(connected: socket.socket) -> bytes:
    data = connected.recv(65_536)
    while data and not data.endswith(BODY):
        data += connected.recv(65_536)
    return data


def _answer(connected: socket.socket, request: bytes) -> None:
    if not request.startswith(b"POST /stream"):
        connected.sendall(ANSWER_HEAD + ANSWER_BODY)
        return
    connected.sendall(STREAM_HEAD)
    for _ in range(CHUNKS_PER_STREAM):
        connected.sendall(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
        time.sleep(0.0002)
    connected.sendall(b"0\r\n\r\n")


if __name__ == "__main__":
    main()
