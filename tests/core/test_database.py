"""The recipe that makes SQLite take turns; statements that serve sessions and the writer."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import Engine, bindparam, insert, select, text, update
from sqlalchemy.orm import Session

from app.core import database
from app.core.database import DatabaseBusy, Statement, in_session, on_cursor, snapshot, write_lock
from app.domain.settings.models import Revision
from app.services import services

TABLE = Revision.__table__
INSERT = Statement(insert(TABLE).values(subject=bindparam("subject"), number=1))
READ = Statement(select(TABLE.c.number).where(TABLE.c.subject == bindparam("which")))
RAISE = Statement(
    update(TABLE)
    .where(TABLE.c.subject == bindparam("which"))
    .values(number=TABLE.c.number + 1)
    .returning(TABLE.c.number)
)
LOCK = select(Revision).where(Revision.subject == "a").with_for_update()


@pytest.fixture
def engine(app: Flask) -> Engine:
    return services(app).engine


@pytest.fixture
def any_engine(any_app: Flask) -> Engine:
    engine = services(any_app).engine
    with Session(engine) as session:
        session.add(Revision(subject="a", number=1))
        session.commit()
    return engine


def is_locked(engine: Engine) -> bool:
    lock = write_lock(engine)
    assert lock is not None
    return lock.locked()


def number(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT number FROM revisions WHERE subject = 'a'")))


def test_sqlite_runs_in_wal_mode_with_foreign_keys(engine: Engine):
    with engine.connect() as connection:
        pragmas = ("journal_mode", "foreign_keys", "synchronous", "wal_autocheckpoint")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert values == ["wal", 1, 1, 4000]


@pytest.mark.parametrize(
    "statement",
    [
        text("SELECT 1"),
        text("PRAGMA user_version"),
        text("EXPLAIN SELECT 1"),
        select(Revision),
        select(select(Revision).cte()),
    ],
)
def test_reading_takes_no_lock(engine: Engine, statement):
    with Session(engine) as session:
        session.execute(statement).all()
        assert not is_locked(engine)


@pytest.mark.parametrize(
    "statement", [text("UPDATE revisions SET number = 2"), update(Revision).values(number=2), LOCK]
)
def test_first_write_takes_the_lock_until_the_connection_is_given_back(engine: Engine, statement):
    with Session(engine) as session:
        session.execute(select(Revision)).all()
        session.execute(statement)
        assert is_locked(engine)
        session.commit()
        assert not is_locked(engine)
        session.execute(statement)
        session.rollback()
        assert not is_locked(engine)
        session.execute(statement)
    assert not is_locked(engine)


def test_lock_is_given_back_when_a_connection_is_invalidated(engine: Engine):
    with engine.connect() as connection:
        connection.execute(text("UPDATE revisions SET number = 2"))
        connection.invalidate()
        assert not is_locked(engine)


def test_lock_outlives_the_pool(engine: Engine):
    lock = write_lock(engine)
    engine.dispose()
    assert write_lock(engine) is lock
    with Session(engine) as session:
        session.execute(text("UPDATE revisions SET number = 2"))
        assert is_locked(engine)


def test_postgresql_has_no_lock_of_ours(any_engine: Engine):
    assert (write_lock(any_engine) is None) == (any_engine.dialect.name == "postgresql")


def test_second_writer_waits_its_turn_and_then_is_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "WRITE_LOCK_TIMEOUT_S", 0.05)
    with Session(engine) as first, Session(engine) as second:
        first.execute(text("UPDATE revisions SET number = 2"))
        with pytest.raises(DatabaseBusy):
            second.execute(text("UPDATE revisions SET number = 3"))
        second.rollback()
        first.commit()
        second.execute(text("UPDATE revisions SET number = 3"))
        second.commit()
    assert not is_locked(engine)


def test_another_process_that_writes_makes_us_busy(engine: Engine):
    other = database.sqlite_driver.connect(engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Session(engine) as session:
        session.execute(text("PRAGMA busy_timeout=50"))
        with pytest.raises(DatabaseBusy):
            session.execute(text("UPDATE revisions SET number = 2"))
        other.execute("ROLLBACK")
        session.rollback()
        session.execute(text("UPDATE revisions SET number = 2"))
        session.commit()
    other.close()
    assert not is_locked(engine)


def test_rows_locked_for_update_lose_no_update(any_engine: Engine):
    barrier = threading.Barrier(8)

    def raise_number() -> None:
        barrier.wait()
        for _ in range(10):
            with Session(any_engine) as session:
                row = session.scalars(LOCK).one()
                row.number += 1
                session.commit()

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(raise_number) for _ in range(8)]:
            future.result(30)
    assert number(any_engine) == 81


def test_snapshot_sees_one_moment(any_engine: Engine):
    with Session(any_engine) as reader, Session(any_engine) as writer:
        with snapshot(reader):
            before = reader.scalar(select(Revision.number))
            writer.execute(update(Revision).values(number=9))
            writer.commit()
            assert reader.scalar(select(Revision.number)) == before == 1
        assert reader.scalar(select(Revision.number)) == 9


def test_snapshot_waits_for_no_writer(engine: Engine):
    with Session(engine) as reader, Session(engine) as writer:
        writer.execute(text("UPDATE revisions SET number = 2"))
        with snapshot(reader):
            assert reader.scalar(select(Revision.number)) is None
        writer.rollback()


def test_statement_says_the_same_in_a_session_and_on_a_cursor(any_engine: Engine):
    with Session(any_engine) as session:
        execute = in_session(session)
        assert execute(INSERT, {"subject": "session"}).rowcount == 1
        assert execute(RAISE, {"which": "session"}).fetchone()[0] == 2
        session.commit()
    connection = any_engine.raw_connection()
    execute = on_cursor(connection.cursor(), any_engine.dialect.name)
    assert execute(INSERT, {"subject": "cursor"}).rowcount == 1
    assert execute(RAISE, {"which": "cursor"}).fetchone()[0] == 2
    for which in ("session", "cursor"):
        assert [tuple(row) for row in execute(READ, {"which": which}).fetchall()] == [(2,)]
    connection.rollback()
    connection.close()
