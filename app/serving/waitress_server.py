"""Waitress: the default server, one command on every platform, some hundreds of streams."""

import logging
import signal
import socket
from collections.abc import Mapping
from types import FrameType
from typing import Any

from flask import Flask
from waitress.server import create_server

from app.serving.threads import Threads

BODY_SLACK_BYTES = 1 << 20


def serve(app: Flask, listening: socket.socket, threads: Threads) -> None:
    """Serve on an open socket until SIGTERM or SIGINT, then stop the threads."""
    # It would warn of each request that waits a millisecond for its thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(app, sockets=[listening], **options(app.config))

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        app.extensions["gateway"].is_draining = True
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        server.run()
    finally:
        server.close()
        threads.stop()


def options(boot: Mapping[str, Any]) -> dict[str, Any]:
    """How waitress serves the product, from the boot settings."""
    return {
        "threads": boot["THREADS"],
        "connection_limit": 2000,
        "channel_request_lookahead": 1,  # else a hang-up is noticed one chunk late
        "max_request_header_size": boot["MAX_HEADER_BYTES"],
        "max_request_body_size": boot["MAX_BODY_BYTES"] + BODY_SLACK_BYTES,  # our 413 comes first
        "asyncore_use_poll": True,
        "ident": None,
        "clear_untrusted_proxy_headers": False,  # who is trusted is our TRUSTED_PROXIES
    }
