"""Granian: the production server, thousands of streams. It starts a worker process of its own,
which loads `wsgi:serving`."""

import socket

from flask import Flask
from granian import Granian
from granian.constants import Interfaces

BACKLOG = 1024


def serve(app: Flask, listening: socket.socket) -> None:
    """Serve with one worker (SQLite admits no second one) until SIGTERM or SIGINT."""
    host, port = listening.getsockname()[:2]
    listening.close()  # the worker opens its own
    Granian(
        "wsgi:serving",
        factory=True,
        interface=Interfaces.WSGI,
        address=host,
        port=port,
        workers=1,
        blocking_threads=app.config["THREADS"],
        backlog=BACKLOG,
        log_enabled=False,
        websockets=False,
    ).serve()
