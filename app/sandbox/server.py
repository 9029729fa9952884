"""The sandbox's HTTP server: waitress with a thread for each of many slow streams."""

from threading import Lock
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import WSGITask

from app.sandbox.application import Application, make_app
from app.sandbox.draft import Framing
from app.sandbox.wire import FRAMING_KEY

__all__ = ["SandboxServer", "StoppableServer", "make_app", "serve"]

THREADS = 128
LOOPBACK = "127.0.0.1"
LARGEST_BODY_SIZE_BYTES = 64 * 1024 * 1024
BACKLOG = 1024
LOOP_TIMEOUT_S = 1.0


class SandboxTask(WSGITask):  # type: ignore[misc]  # waitress has no types
    """Frames bodies of unknown length as a provider does.

    waitress closes the connection after each; a provider keeps it alive. And the misbehaviour
    `no_content_length` needs a body that ends with the connection alone.
    """

    chunked_response: bool
    close_on_finish: bool

    def build_response_header(self) -> bytes:
        head: bytes = super().build_response_header()
        if not self.chunked_response:
            return head
        if (self.environ or {}).get(FRAMING_KEY) is Framing.CLOSE:
            self.chunked_response = False
            return head.replace(b"Transfer-Encoding: chunked\r\n", b"")
        if self.request.headers.get("CONNECTION", "").lower() == "close":
            return head
        self.close_on_finish = False
        return head.replace(b"Connection: close\r\n", b"")


class SandboxChannel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    task_class = SandboxTask


class StoppableServer:
    """waitress on a loopback port: bound and listening from the start; answers while `run` runs,
    in any thread. `options` are waitress's own."""

    def __init__(self, application: Any, *, port: int = 0, **options: Any) -> None:
        self._channels: dict[int, Any] = {}
        self._is_stopping = False
        self._stopping = Lock()
        self._server = create_server(
            application, map=self._channels, host=LOOPBACK, port=port, backlog=BACKLOG, **options
        )

    @property
    def port(self) -> int:
        return int(self._server.effective_port)

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


class SandboxServer(StoppableServer):
    """The sandbox on a port of its own."""

    def __init__(self, application: Application, *, port: int = 0, threads: int = THREADS) -> None:
        super().__init__(
            application,
            port=port,
            threads=threads,
            connection_limit=10_000,
            asyncore_use_poll=True,
            # With a look-ahead a client's hang-up is seen while its answer is being made.
            channel_request_lookahead=1,
            max_request_body_size=LARGEST_BODY_SIZE_BYTES,
            ident="sandbox",
        )
        self._server.channel_class = SandboxChannel


def serve(port: int) -> None:
    """Serve on the loopback port (0 takes a free one) until the process ends."""
    SandboxServer(make_app(), port=port).run()
