"""Granian: the production server, thousands of streams. It starts a worker process of its own,
which loads `wsgi:serving`."""

import multiprocessing
import socket

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

BACKLOG = 1024
STREAMS_END_WITHIN_S = 60

# Its own troubles, as lines of our log.
LOGGING = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}}


def serve(app: Flask, listening: socket.socket) -> None:
    """Serve with one worker (SQLite admits no second one) until SIGTERM or SIGINT."""
    # A forked worker would inherit open database connections and the sandbox's lifeline.
    multiprocessing.set_start_method("spawn", force=True)
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
        http1_settings=HTTP1Settings(max_buffer_size=app.config["MAX_HEADER_BYTES"]),
        workers_kill_timeout=STREAMS_END_WITHIN_S,
        log_level=LogLevels.error,
        log_dictconfig=LOGGING,
        websockets=False,
    ).serve()
