"""Apps whose languages are bound, and a mail server that listens on this machine."""

import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask

from app.web.languages import bind_languages


@pytest.fixture
def app(app: Flask) -> Flask:
    return _with_languages(app)


@pytest.fixture
def any_app(any_app: Flask) -> Flask:
    return _with_languages(any_app)


def _with_languages(app: Flask) -> Flask:
    if "babel" not in app.extensions:
        bind_languages(app)
    return app


@dataclass
class MailServer:
    """What a small SMTP server saw, and what it shall answer to RCPT."""

    port: int = 0
    rcpt_answer: bytes = b"250 ok"
    commands: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    seen = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            for line in self.rfile:
                command = line.decode().strip()
                seen.commands.append(command)
                self.wfile.write(self.answer(command.upper()) + b"\r\n")
                if command.upper() == "QUIT":
                    return

        def answer(self, command: str) -> bytes:
            if command.startswith("RCPT"):
                return seen.rcpt_answer
            if command.startswith("QUIT"):
                return b"221 bye"
            if not command.startswith("DATA"):
                return b"250 ok"
            self.wfile.write(b"354 go on\r\n")
            lines = iter(self.rfile.readline, b".\r\n")
            seen.mails.append(b"".join(lines))
            return b"250 taken"

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        seen.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield seen
        server.shutdown()
        thread.join()
