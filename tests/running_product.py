"""The product behind a real waitress server in a thread of the test process, writer started."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from app.services import services
from app.serving.waitress_server import options

LOOP_TIMEOUT_S = 1.0


class ProductServer:
    """Bound and listening from the start; answers while `run` runs, in any thread."""

    def __init__(self, app: Flask) -> None:
        self._channels: dict[int, Any] = {}
        self._is_stopping = False
        self._stopping = Lock()
        self._server = create_server(
            app,
            map=self._channels,
            host="127.0.0.1",
            port=0,
            backlog=1024,
            **options(app.config),
        )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.effective_port}"

    def run(self) -> None:
        """Serve until `stop`; then close every connection and end the threads."""
        while not self._is_stopping:
            wasyncore.loop(timeout=LOOP_TIMEOUT_S, use_poll=True, map=self._channels, count=1)
        with self._stopping:  # it may have woken by itself: the trigger is open until it is pulled
            self._server.accepting = False
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.task_dispatcher.shutdown()
        self._server.trigger.close()
        wasyncore.close_all(self._channels)

    def stop(self) -> None:
        """Make `run` return; may be called from any thread, once."""
        with self._stopping:
            self._is_stopping = True
            self._server.pull_trigger()


@contextmanager
def running_product(app: Flask) -> Iterator[str]:
    """Yield the base URL (no ``/v1``) of `app` on a free loopback port."""
    writer = services(app).writer
    writer.start()
    server = ProductServer(app)
    thread = Thread(target=server.run, name="product", daemon=True)
    thread.start()
    try:
        yield server.base_url
    finally:
        server.stop()
        thread.join(timeout=10)
        writer.stop()
        services(app).gateway.pool.close()
