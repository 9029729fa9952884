"""``make bench``: what a call costs, on one core, beside calling the upstream directly.

The gateway's process tree has core 0 for itself; the load and the upstream share core 1. CPU is
what the kernel charged the tree, divided by what it did. SQLite commits with synchronous=FULL.
Figures drift with the machine: compare rows of one run.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import requests

from bench.load import Result, Streams, run_whole

CLIENTS = 64
SECONDS = 8.0
STREAM_COUNTS = (200, 1000)
SERVERS = ("waitress", "granian")
ROOT = Path(__file__).resolve().parent.parent
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def main() -> None:
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    print(f"billed chat, {CLIENTS} clients, {SECONDS:.0f} s a row")
    print(f"{'':<22}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'errors':>8}{'CPU µs/req':>12}")
    with _upstream() as port:
        result = run_whole(port, _request("-", stream=False), clients=CLIENTS, seconds=SECONDS / 2)
        _row("direct", result, None)
        for server in SERVERS:
            with _product(server, port) as (gateway_port, pid, key):
                _bench_whole(server, gateway_port, pid, key)
        print(
            f"\nstreams, 10 chunks/s each{'':<9}{'chunks/s':>10}{'errors':>8}{'CPU µs/chunk':>14}"
        )
        for server in SERVERS:
            for count in STREAM_COUNTS:
                with _product(server, port, threads=count + 24) as (gateway_port, pid, key):
                    _bench_streams(server, gateway_port, pid, key, count)


def _bench_whole(server: str, port: int, pid: int, key: str) -> None:
    request = _request(key, stream=False)
    run_whole(port, request, clients=CLIENTS, seconds=2)  # warm
    before = _cpu_s(pid)
    result = run_whole(port, request, clients=CLIENTS, seconds=SECONDS)
    _row(server, result, _cpu_s(pid) - before)


def _bench_streams(server: str, port: int, pid: int, key: str, count: int) -> None:
    streams = Streams(port, _request(key, stream=True), count=count)
    streams.pump(2)  # warm
    before = _cpu_s(pid)
    result = streams.pump(SECONDS)
    cpu_us = (_cpu_s(pid) - before) / max(result.chunks, 1) * 1e6
    streams.close()
    print(
        f"{server + f', {count} streams':<34}{result.chunks / result.seconds:>10.0f}"
        f"{result.errors:>8}{cpu_us:>14.1f}"
    )


def _row(name: str, result: Result, cpu_s: float | None) -> None:
    cpu = "" if cpu_s is None else f"{cpu_s / max(result.requests, 1) * 1e6:.0f}"
    print(
        f"{name:<22}{result.requests / result.seconds:>8.0f}{result.percentile_ms(0.5):>8.1f}"
        f"{result.percentile_ms(0.99):>8.1f}{result.errors:>8}{cpu:>12}"
    )
    if result.errors:
        print(f"  first error: {result.first_error[:300]!r}")


def _request(key: str, *, stream: bool) -> bytes:
    message = {"role": "user", "content": "Write a short product introduction. " * 8}
    body = json.dumps(
        {"model": "gpt-4o", "messages": [message], "max_tokens": 256, "stream": stream}
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextlib.contextmanager
def _upstream() -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.upstream"], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["port"]
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _product(server: str, upstream_port: int, threads: int = 128) -> Iterator[tuple[int, int, str]]:
    """The product behind `server` on core 0, with money and a channel to the upstream."""
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        environ = {
            **os.environ,
            "INSTANCE_DIR": folder,
            "PORT": str(port),
            "THREADS": str(threads),
            "LOG_LEVEL": "WARNING",
            "BENCH_KEY": "bench",
        }
        key = _set_up(environ, upstream_port)
        process = subprocess.Popen(
            [sys.executable, "-m", "app.serving", "--server", server],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {0}),
        )
        try:
            _wait_for(port)
            yield port, process.pid, key
        finally:
            process.terminate()
            process.wait(timeout=30)


def _set_up(environ: dict[str, str], upstream_port: int) -> str:
    def flask(*words: str) -> str:
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
        done = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)
        return done.stdout.decode()

    flask("db", "upgrade")
    flask("init", "--email", "bench@example.com")
    flask("catalog", "add", "gpt-4o", "--provider", "openai", "--kind", "chat",
          "--input", "2.5", "--output", "10", "--max-input", "128000",
          "--max-output", "16384")  # fmt: skip
    flask("channels", "add", "bench", "--base-url", f"http://127.0.0.1:{upstream_port}/v1",
          "--api-key-env", "BENCH_KEY", "--model", "gpt-4o=gpt-4o", "--allow-private")  # fmt: skip
    flask("wallet", "credit", "bench@example.com", "1000000", "--reason", "bench")
    return flask("keys", "create", "bench@example.com", "bench", "--full").split()[-1]


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and its living children."""
    total = 0.0
    for process in [pid, *_children(pid)]:
        with contextlib.suppress(FileNotFoundError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return total


def _children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        direct = [int(word) for word in text.split()]
        return direct + [grand for child in direct for grand in _children(child)]
    return []


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(requests.RequestException):
            requests.get(f"http://127.0.0.1:{port}/readyz", timeout=1).raise_for_status()
            return
        time.sleep(0.1)
    raise SystemExit("the product did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
