"""The product behind a real waitress server in a thread of the test process, writer started."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from flask import Flask

from app.sandbox.server import StoppableServer
from app.services import services
from app.serving.waitress_server import options


@contextmanager
def running_product(app: Flask) -> Iterator[str]:
    """Yield the base URL (no ``/v1``) of `app` on a free loopback port."""
    writer = services(app).writer
    writer.start()
    server = StoppableServer(app, **options(app.config))
    thread = Thread(target=server.run, name="product", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()
        thread.join(timeout=10)
        writer.stop()
        services(app).gateway.pool.close()
