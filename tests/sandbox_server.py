"""The sandbox in a thread of the test process: a real provider on a real socket."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from app.sandbox.request import Request
from app.sandbox.server import THREADS, SandboxServer, make_app

MOST_REQUESTS = 1000


@dataclass(frozen=True)
class RunningSandbox:
    """`requests` holds the last requests as they arrived (method, path, headers, body), `hangups`
    those whose client left before the end of the answer."""

    port: int
    requests: deque[Request]
    hangups: deque[Request]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def clear(self) -> None:
        self.requests.clear()
        self.hangups.clear()


@contextmanager
def running_sandbox(*, threads: int = THREADS) -> Iterator[RunningSandbox]:
    """A sandbox of its own on a free loopback port, gone at the end of the block."""
    requests: deque[Request] = deque(maxlen=MOST_REQUESTS)
    hangups: deque[Request] = deque(maxlen=MOST_REQUESTS)
    application = make_app(on_request=requests.append, on_hangup=hangups.append)
    server = SandboxServer(application, threads=threads)
    thread = Thread(target=server.run, name="sandbox", daemon=True)
    thread.start()
    try:
        yield RunningSandbox(port=server.port, requests=requests, hangups=hangups)
    finally:
        server.stop()
        thread.join(timeout=10)
