"""The threads of a serving process: writer, heartbeat, sweeper, mail, breakers, probes.

`start` is called once per worker, by `wsgi.serving`. Commands and tests start none: there the
writer commits in the caller's thread.
"""

import gc
import logging
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock, ids
from app.domain.billing.leases import (
    RENEW_EVERY_S,
    Progress,
    RenewLease,
    end_other_leases,
)
from app.gateway.breaker_memory import recall_turns, store_turns
from app.gateway.probing import probe_channels
from app.services import services
from app.serving.housekeeping import deliver_mail, sweep_everything
from app.serving.instance_lock import InstanceLock

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 60
MAIL_EVERY_S = 2
HEALTH_EVERY_S = 1


class Threads:
    """What `start` started; `stop` commits what is queued and ends the lease."""

    def __init__(self, app: Flask, lock: InstanceLock) -> None:
        self._app = app
        self._lock = lock
        self._services = services(app)
        self._stopping = threading.Event()
        self._reported: dict[int, int] = {}

    def start(self) -> None:
        lease_id = self._services.gateway.lease_id
        ids.serve_as(lease_id)
        if self._lock.is_held:
            with Session(self._services.engine) as session:
                end_other_leases(session, lease_id=lease_id)
                session.commit()
        self._services.writer.start()
        self._every(RENEW_EVERY_S, self.beat, "heartbeat")
        self._every(SWEEP_EVERY_S, lambda: sweep_everything(self._app), "sweeper")
        self._every(MAIL_EVERY_S, lambda: deliver_mail(self._app), "mail")
        gateway = self._services.gateway
        recall_turns(gateway)
        self._every(HEALTH_EVERY_S, lambda: store_turns(gateway), "breakers")
        self._every(HEALTH_EVERY_S, lambda: probe_channels(gateway), "probes")

    def stop(self) -> None:
        """Settled calls only: the server has stopped taking requests."""
        self._stopping.set()
        self.beat(is_last=not self._services.gateway.running)
        store_turns(self._services.gateway)
        self._services.writer.stop()
        self._services.gateway.pool.close()
        self._lock.release()

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


def start(app: Flask, lock: InstanceLock | None = None) -> Threads:
    """Start the threads of this worker, which takes the lock where it was not given one.

    Raises `SecondProcess`.
    """
    threads = Threads(app, lock or InstanceLock.take(services(app).engine))
    threads.start()
    app.extensions["threads"] = threads
    _spare_the_collector()
    return threads


def _spare_the_collector() -> None:
    """A call leaves few cycles behind, and the modules loaded now stay for ever: looking through
    them again and again costs a call a tenth of its time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
