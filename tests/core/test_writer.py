"""The writer: many threads' writes in one commit, each with a verdict of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text

from app.core import database
from app.core.database import DatabaseBusy, Execute, Statement
from app.core.errors import Conflict
from app.core.writer import BATCH_LIMIT, Writer
from app.services import services

NOTE = Statement(text("INSERT INTO revisions (subject, number) VALUES (:subject, :number)"))


@dataclass(frozen=True)
class Note:
    """Insert one row; `then` runs inside the transaction."""

    number: int
    then: Callable[[], Any] = lambda: None
    subject: str | None = None

    @property
    def order(self) -> int:
        return self.number

    def apply(self, execute: Execute) -> int:
        subject = self.subject or str(self.number)
        execute(NOTE, {"subject": subject, "number": self.number})
        self.then()
        return self.number * 10


@dataclass(frozen=True)
class Wait:
    """Keeps the writer busy, so that what is submitted meanwhile gathers into one batch."""

    is_running: threading.Event
    may_end: threading.Event
    order: int = 0

    def apply(self, execute: Execute) -> None:
        self.is_running.set()
        assert self.may_end.wait(10)


@pytest.fixture
def engine(app: Flask) -> Engine:
    return services(app).engine


@pytest.fixture
def any_engine(any_app: Flask) -> Engine:
    return services(any_app).engine


@pytest.fixture
def writer(engine: Engine) -> Iterator[Writer]:
    writer = Writer(engine)
    writer.start()
    yield writer
    writer.stop()


@contextmanager
def gathering(writer: Writer) -> Iterator[Callable[[Any], Future[Any]]]:
    """Within the block the writer is busy; what was submitted runs as one batch at its end."""
    wait = Wait(threading.Event(), threading.Event())
    with ThreadPoolExecutor(64) as pool:
        first = pool.submit(writer.submit, wait)
        assert wait.is_running.wait(10)
        submitted: list[Future[Any]] = []

        def submit(write: Any) -> Future[Any]:
            submitted.append(pool.submit(writer.submit, write))
            while len(writer._queue) < len(submitted):  # until it stands in the queue
                threading.Event().wait(0.001)
            return submitted[-1]

        yield submit
        wait.may_end.set()
        first.result(10)


@contextmanager
def counting_commits(engine: Engine) -> Iterator[list[str]]:
    """The batches, seen as what SQLite itself was told."""
    seen: list[str] = []
    connections = []

    def trace(connection: Any, record: Any, proxy: Any) -> None:
        connections.append(connection)
        connection.set_trace_callback(seen.append)

    event.listen(engine, "checkout", trace)
    yield seen
    event.remove(engine, "checkout", trace)
    for connection in connections:
        connection.set_trace_callback(None)


def numbers(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT number FROM revisions ORDER BY number")))


def test_submit_without_a_thread_commits_at_once(any_engine: Engine):
    writer = Writer(any_engine)
    assert writer.submit(Note(7)) == 70
    assert numbers(any_engine) == [7]
    assert any_engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_submit_returns_after_the_commit(any_engine: Engine):
    writer = Writer(any_engine)
    writer.start()
    assert writer.submit(Note(7)) == 70
    assert numbers(any_engine) == [7]
    writer.stop()


def test_writes_that_gathered_share_one_commit(engine: Engine):
    with counting_commits(engine) as seen:
        writer = Writer(engine)
        writer.start()
        with gathering(writer) as submit:
            results = [submit(Note(number)) for number in range(20)]
        assert [result.result(10) for result in results] == [number * 10 for number in range(20)]
        writer.stop()
    assert seen.count("BEGIN IMMEDIATE") == 2  # the wait, and all twenty
    assert numbers(engine) == list(range(20))


def test_batch_locks_in_ascending_order(writer: Writer):
    applied: list[int] = []
    with gathering(writer) as submit:
        for number in (3, 1, 2):
            submit(Note(number, then=lambda number=number: applied.append(number)))
    assert applied == [1, 2, 3]


def test_batch_has_a_limit(engine: Engine, writer: Writer):
    with counting_commits(engine) as seen:
        wait = Wait(threading.Event(), threading.Event())
        threads = [threading.Thread(target=writer.submit, args=(wait,))]
        threads[0].start()
        assert wait.is_running.wait(10)
        for number in range(BATCH_LIMIT + 10):
            threads.append(threading.Thread(target=writer.submit, args=(Note(number),)))
            threads[-1].start()
        while len(writer._queue) < BATCH_LIMIT + 10:
            threading.Event().wait(0.001)
        wait.may_end.set()
        for thread in threads:
            thread.join(10)
    assert len(numbers(engine)) == BATCH_LIMIT + 10
    assert seen.count("BEGIN IMMEDIATE") in (2, 3)


def test_failing_write_does_not_spoil_its_batch(any_engine: Engine):
    def refuse() -> None:
        raise Conflict("not this one")

    writer = Writer(any_engine)
    writer.start()
    with gathering(writer) as submit:
        results = [submit(Note(n, then=refuse if n == 3 else lambda: None)) for n in range(6)]
    assert [result.result(10) for result in results if result is not results[3]] == [
        0,
        10,
        20,
        40,
        50,
    ]
    with pytest.raises(Conflict, match="not this one"):
        results[3].result(10)
    assert numbers(any_engine) == [0, 1, 2, 4, 5]
    writer.stop()


def test_write_that_the_database_refuses_does_not_spoil_its_batch(any_engine: Engine):
    driver: Any = any_engine.dialect.loaded_dbapi
    writer = Writer(any_engine)
    writer.start()
    writer.submit(Note(1))
    with gathering(writer) as submit:
        results = [submit(Note(number, subject=str(number % 3))) for number in (2, 4, 5, 6)]
    assert [results[0].result(10), results[3].result(10)] == [20, 60]
    for result in results[1:3]:
        with pytest.raises(driver.IntegrityError):
            result.result(10)
    assert numbers(any_engine) == [1, 2, 6]
    writer.stop()


def test_stop_commits_what_is_queued(engine: Engine):
    writer = Writer(engine)
    writer.start()
    stopping = threading.Thread(target=writer.stop)
    with gathering(writer) as submit:
        results = [submit(Note(number)) for number in range(10)]
        stopping.start()
    stopping.join(10)
    assert not stopping.is_alive()
    assert [result.result(10) for result in results] == [number * 10 for number in range(10)]
    assert numbers(engine) == list(range(10))


def test_writer_can_write_after_it_was_stopped_and_start_again(writer: Writer, engine: Engine):
    writer.stop()
    writer.submit(Note(1))
    writer.start()
    writer.submit(Note(2))
    assert numbers(engine) == [1, 2]


def test_no_submission_is_lost_between_start_and_stop(engine: Engine):
    writer = Writer(engine)
    is_over = threading.Event()

    def toggle() -> None:
        while not is_over.is_set():
            writer.start()
            writer.stop()

    def submit(first: int) -> None:
        for number in range(first, first + 50):
            assert writer.submit(Note(number)) == number * 10

    toggler = threading.Thread(target=toggle)
    toggler.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(submit, first) for first in range(0, 200, 50)]:
                future.result(30)
    finally:
        is_over.set()
        toggler.join(10)
    assert numbers(engine) == list(range(200))


def test_locked_database_is_told_to_all_at_once_and_then_recovers(
    engine: Engine, writer: Writer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "WRITE_LOCK_TIMEOUT_S", 0.5)
    lock = database.write_lock(engine)
    assert lock is not None
    began_s = time.monotonic()
    with lock, ThreadPoolExecutor(20) as pool:
        results = [pool.submit(writer.submit, Note(number)) for number in range(20)]
        outcomes = [result.exception(10) for result in results]
    assert {type(outcome) for outcome in outcomes} == {DatabaseBusy}
    assert len({id(outcome) for outcome in outcomes}) == 20
    assert time.monotonic() - began_s < 5  # a few batches, not one wait for each
    assert numbers(engine) == []
    assert writer.submit(Note(99)) == 990


def test_another_process_that_writes_makes_us_busy_and_then_recover(
    engine: Engine, caplog: pytest.LogCaptureFixture
):
    writer = Writer(engine)
    # The same library: locks of two SQLites in one process do not see each other.
    other = database.sqlite_driver.connect(engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with engine.connect() as connection:  # the one that the writer will find in the pool
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    with pytest.raises(DatabaseBusy):
        writer.submit(Note(1))
    assert "cannot be written" in caplog.text
    other.execute("ROLLBACK")
    other.close()
    assert writer.submit(Note(2)) == 20
    assert numbers(engine) == [2]


@pytest.mark.postgresql
@pytest.mark.slow
def test_dead_connection_is_replaced(postgresql_app: Flask, caplog: pytest.LogCaptureFixture):
    engine = services(postgresql_app).engine
    writer = Writer(engine)
    writer.start()
    writer.submit(Note(1))
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    with pytest.raises(DatabaseBusy):
        writer.submit(Note(2))
    assert writer.submit(Note(3)) == 30
    assert numbers(engine) == [1, 3]
    writer.stop()


@pytest.mark.postgresql
@pytest.mark.slow
def test_deadlocked_batch_is_tried_again(postgresql_app: Flask):
    """A page and the writer lock the same two rows in opposite orders."""
    engine = services(postgresql_app).engine
    writer = Writer(engine)
    for number in (1, 2):
        writer.submit(Note(number))
    touch = Statement(text("UPDATE revisions SET number = number WHERE number = :number"))
    page_has_second, writer_has_first = threading.Event(), threading.Event()
    attempts = []

    class Both:
        order = 1

        def apply(self, execute: Execute) -> str:
            attempts.append(1)
            execute(touch, {"number": 1})
            writer_has_first.set()
            assert page_has_second.wait(10)
            execute(touch, {"number": 2})
            return "both"

    def page() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("SET deadlock_timeout = '10s'")  # the writer is the victim
            connection.execute(text("UPDATE revisions SET number = number WHERE number = 2"))
            page_has_second.set()
            assert writer_has_first.wait(10)
            connection.execute(text("UPDATE revisions SET number = number WHERE number = 1"))
            connection.commit()

    with ThreadPoolExecutor(1) as pool:
        paging = pool.submit(page)
        assert page_has_second.wait(10)
        assert writer.submit(Both()) == "both"
        paging.result(10)
    assert len(attempts) == 2
