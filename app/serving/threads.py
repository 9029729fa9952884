"""The threads of a serving process: writer, heartbeat, sweeper, mail.

`start` is called once per worker, by `wsgi.serving`. Commands and tests start none: there the
writer commits in the caller's thread.
"""

import fcntl
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock, ids
from app.domain.billing.leases import RENEW_EVERY_S, Progress, RenewLease
from app.serving.housekeeping import deliver_mail, sweep_everything
from app.services import Services, services

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 60
MAIL_EVERY_S = 2


class SecondProcess(SystemExit):
    """SQLite is served by one process only."""


class Threads:
    """What `start` started; `stop` commits what is queued and ends the lease."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._services = services(app)
        self._stopping = threading.Event()
        self._lock_file = _lock_instance(self._services)
        self._reported: dict[int, int] = {}

    def start(self) -> None:
        self._services.writer.start()
        ids.serve_as(self._services.gateway.lease_id)
        self._every(RENEW_EVERY_S, self.beat, "heartbeat")
        self._every(SWEEP_EVERY_S, lambda: sweep_everything(self._app), "sweeper")
        self._every(MAIL_EVERY_S, lambda: deliver_mail(self._app), "mail")

    def stop(self) -> None:
        """Settled calls only: the server has stopped taking requests."""
        self._stopping.set()
        self.beat(is_last=not self._services.gateway.running)
        self._services.writer.stop()
        self._services.gateway.pool.close()
        if self._lock_file is not None:
            self._lock_file.close()

    def beat(self, *, is_last: bool = False) -> None:
        """Renew the lease, and store how far the running streams have come."""
        gateway = self._services.gateway
        progress = [
            Progress(call.call_id, frames, call.local_input_tokens())
            for call in list(gateway.running.values())
            if (frames := call.delivered_frames) and self._reported.get(call.call_id) != frames
        ]
        self._services.writer.submit(
            RenewLease(gateway.lease_id, clock.now_ms(), progress, is_last=is_last)
        )
        self._reported = {made.call_id: made.delivered_frames for made in progress}

    def _every(self, seconds: float, task: Callable[[], Any], name: str) -> None:
        def loop() -> None:
            while not self._stopping.is_set():
                try:
                    task()
                except Exception:  # a thread loop outlives a database that is down
                    log.exception("%s failed; it tries again", name)
                self._stopping.wait(seconds)

        threading.Thread(target=loop, name=name, daemon=True).start()


def start(app: Flask) -> Threads:
    """Start the threads of this worker."""
    threads = Threads(app)
    threads.start()
    app.extensions["threads"] = threads
    return threads


def _lock_instance(services: Services) -> IO[str] | None:
    """One serving process per SQLite database; raises `SecondProcess` for another one."""
    if services.engine.dialect.name != "sqlite":
        return None
    path = Path(services.boot["INSTANCE_PATH"]) / "serving.lock"
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SecondProcess(
            "Another process serves this SQLite database already. Stop it first, give this one "
            "another INSTANCE_DIR, or use PostgreSQL for several processes."
        ) from None
    return file


def session_of(app: Flask) -> Session:
    """A session of a thread's own."""
    return Session(services(app).engine)
