"""Group commit: one thread per process commits what many threads ask for.

Threads that each open a write transaction fight for SQLite's lock; handing their write to a queue
and committing whatever has gathered in one transaction is several times faster, also on PostgreSQL.

A write is a value with an `apply`; its verdict (row counts, a refusal) is what `apply` returns.
After an exception the batch is rolled back and its writes run one by one, so that only the failing
one sees its error; where the database itself is out, all of them are told at once. Before `start`
and after `stop`, `submit` runs a batch of one in the caller's thread.
"""

import logging
import threading
from collections import deque
from contextlib import suppress
from typing import Any, Protocol

from sqlalchemy import Engine, exc

from app.core import database
from app.core.database import DatabaseBusy, Execute, on_cursor

log = logging.getLogger(__name__)

BATCH_LIMIT = 256
RETRIES = 3
_RETRIED_SQLSTATES = ("40001", "40P01")  # serialisation failure, deadlock detected


class Write(Protocol):
    """One use case's writes. `order` is the id of the row it locks first: batches lock ascending.

    `apply` may run more than once (after a rollback), so it must derive all from its own values.
    """

    @property
    def order(self) -> int: ...
    def apply(self, execute: Execute) -> Any: ...


class _Item:
    __slots__ = ("done", "error", "result", "write")

    def __init__(self, write: Write) -> None:
        self.write = write
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()


class Writer:
    """The process's one writer. `submit` returns after the commit that holds the write.

    `batched_writes` over `batches` is how many its thread commits at once.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._dialect = engine.dialect.name
        self._queue: deque[_Item] = deque()
        self._gate = threading.Lock()
        self._doorbell = threading.Lock()  # a bare lock: released is rung, a semaphore costs 10 µs
        self._doorbell.acquire()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._connection: Any = None
        self._connection_lock = threading.Lock()
        self.batches = 0
        self.batched_writes = 0

    @property
    def queue_length(self) -> int:
        """How many wait for the next batch."""
        return len(self._queue)

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Commit what is queued, then end the thread and close its connection."""
        with self._gate:  # what passed it is queued before the thread is told to end
            thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping = True
            self._ring()
            thread.join()
        with self._connection_lock:  # a caller may be writing for itself already
            self._disconnect()

    def submit(self, write: Write) -> Any:
        """Run `write` in the next batch; return its verdict once that batch is committed.

        Raises what `apply` raised, or `DatabaseBusy` where the database cannot be written.
        """
        item = _Item(write)
        with self._gate:
            is_queued = self._thread is not None
            if is_queued:
                self._queue.append(item)
        if is_queued:
            self._ring()
            item.done.acquire()
        else:
            with self._connection_lock:
                self._commit([item])
                self._disconnect()
        if item.error is not None:
            raise item.error
        return item.result

    def _ring(self) -> None:
        with suppress(RuntimeError):  # it rings already: the writer has yet to look
            self._doorbell.release()

    def _run(self) -> None:
        while not (self._stopping and not self._queue):
            self._doorbell.acquire()
            while batch := self._gather():
                self.batches += 1
                self.batched_writes += len(batch)
                with self._connection_lock:
                    self._commit(batch)

    def _gather(self) -> list[_Item]:
        batch: list[_Item] = []
        while self._queue and len(batch) < BATCH_LIMIT:
            batch.append(self._queue.popleft())
        return batch

    def _commit(self, batch: list[_Item]) -> None:
        batch.sort(key=lambda item: item.write.order)
        try:
            self._attempt(batch)
        except Exception as error:  # the batch's edge: whatever failed, each item gets a verdict
            if self._is_outage(error):
                log.error("the database cannot be written", exc_info=error)
                for item in batch:
                    item.error = DatabaseBusy(retry_after_s=2)
            elif len(batch) == 1:
                batch[0].error = error
            else:
                for item in batch:
                    self._commit([item])
                return
        for item in batch:
            item.done.release()

    def _attempt(self, batch: list[_Item]) -> None:
        for remaining in reversed(range(RETRIES)):
            try:
                self._transaction(batch)
            except Exception as error:  # retried below where the database says so
                if not remaining or getattr(error, "sqlstate", None) not in _RETRIED_SQLSTATES:
                    raise
            else:
                return

    def _transaction(self, batch: list[_Item]) -> None:
        lock = database.write_lock(self._engine)
        if lock is not None and not lock.acquire(timeout=database.WRITE_LOCK_TIMEOUT_S):
            raise DatabaseBusy(retry_after_s=2)
        try:
            connection = self._connected()
            cursor = connection.cursor()
            if self._dialect == "sqlite":
                cursor.execute("BEGIN IMMEDIATE")
            execute = on_cursor(cursor, self._dialect)
            for item in batch:
                item.result = item.write.apply(execute)
            connection.commit()
        except BaseException:
            self._disconnect()
            raise
        finally:
            if lock is not None:
                lock.release()

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
        return self._connection

    def _disconnect(self) -> None:
        """Give the connection back; the pool rolls back what is open and drops what is broken."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # a dead connection may fail to roll back: it is gone anyway
                connection.close()

    def _is_outage(self, error: Exception) -> bool:
        """Whether the database is at fault (locked, full, gone) and not one of the writes."""
        driver: Any = self._engine.dialect.loaded_dbapi
        return isinstance(
            error,
            DatabaseBusy
            | exc.OperationalError
            | exc.InterfaceError
            | exc.TimeoutError
            | driver.OperationalError
            | driver.InterfaceError,
        )
