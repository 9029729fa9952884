"""A server that does on the wire exactly what a test says, right or wrong.

Each accepted connection plays the next script: a function that is handed the connection and reads,
sends, waits or breaks it. When a script returns, its connection is closed.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

CONNECTION_PATIENCE_S = 5.0


class Wire:
    """The server's end of one connection."""

    def __init__(self, connected: socket.socket, server: "WireServer") -> None:
        self.socket = connected
        self._server = server
        self._buffer = b""

    def read_head(self) -> bytes:
        """A request's head, which is noted in `server.heads`."""
        while b"\r\n\r\n" not in self._buffer:
            data = self.socket.recv(65_536)
            if not data:
                raise ConnectionError("The client closed.")
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self._server.heads.append(head)
        return head

    def read_request(self) -> bytes:
        """A whole request; returns its body."""
        head = self.read_head().lower()
        _, found, rest = head.partition(b"content-length: ")
        size_bytes = int(rest.split(b"\r\n")[0]) if found else 0
        while len(self._buffer) < size_bytes:
            data = self.socket.recv(65_536)
            if not data:
                raise ConnectionError("The client closed.")
            self._buffer += data
        body, self._buffer = self._buffer[:size_bytes], self._buffer[size_bytes:]
        self._server.bodies.append(body)
        return body

    def note(self, connected: socket.socket) -> None:
        """Remember a further socket that must not outlive the server."""
        self._server.note(connected)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self._server.note(self.socket)

    def drip(self, data: bytes, *, pause_s: float) -> None:
        """Send byte by byte until the client has had enough."""
        for position in range(len(data)):
            self.socket.sendall(data[position : position + 1])
            self.pause(pause_s)

    def pause(self, seconds: float) -> None:
        self._server.stopping.wait(seconds)

    def reset(self) -> None:
        """End with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def hold(self) -> None:
        """Say nothing until the client goes away."""
        with contextlib.suppress(OSError):
            while self.socket.recv(65_536):
                pass


Script = Callable[[Wire], None]


class WireServer:
    """Listens on 127.0.0.1; `with WireServer(script, …) as server: … server.port`."""

    def __init__(self, *scripts: Script, ssl_context: ssl.SSLContext | None = None) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._scripts = list(scripts)
        self._ssl_context = ssl_context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for connected in self._open:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def note(self, connected: socket.socket) -> None:
        """Remember a socket that must not outlive the server."""
        self._open.append(connected)

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            script = self._scripts.pop(0) if self._scripts else Wire.reset
            connected.settimeout(CONNECTION_PATIENCE_S)
            self.note(connected)
            thread = threading.Thread(target=self._play, args=(script, connected), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, connected: socket.socket) -> None:
        wire = Wire(connected, self)
        try:
            if self._ssl_context is not None:
                wire.start_tls(self._ssl_context)
            script(wire)
        except OSError:
            pass  # The client went away, as some tests make it do.
        finally:
            wire.socket.close()


def answering(*answers: bytes) -> Script:
    """Read a request and send an answer, for each of them, then close."""

    def script(wire: Wire) -> None:
        for answer in answers:
            wire.read_request()
            wire.send(answer)
        wire.hold()

    return script


def closing_after(*answers: bytes) -> Script:
    """Like `answering`, but the connection ends with the last answer."""

    def script(wire: Wire) -> None:
        for answer in answers:
            wire.read_request()
            wire.send(answer)

    return script
