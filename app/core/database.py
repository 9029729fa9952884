"""The database: declarative base, engine options, and the recipe that makes SQLite take turns.

On SQLite reads run outside a transaction. A connection's first write (or SELECT … FOR UPDATE)
takes the process-wide write lock, then BEGIN IMMEDIATE; the lock is given back when the connection
returns to the pool. The writer thread (``core/writer.py``) takes the same lock around each batch,
so pages and the hot path queue fairly instead of meeting "database is locked". It then behaves like
PostgreSQL's READ COMMITTED: read-modify-write needs `with_for_update` on both.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Dialect, Engine, MetaData, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.base import Executable

from app.core.errors import Unavailable

try:
    import pysqlite3 as sqlite_driver
except ImportError:  # no wheel for this platform: the interpreter's own, which `doctor` judges
    import sqlite3 as sqlite_driver

WRITE_LOCK_TIMEOUT_S = 5.0
POOL_SIZE = 32

# More than the program has: pysqlite3 evicts the newest, so behind a full cache (128 by default)
# every execution of the hot path's statements would compile them again, at twice the cost.
CACHED_STATEMENTS = 2048

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of every model; it names each constraint, so that migrations can speak of it."""

    metadata = MetaData(naming_convention=_NAMING)


db = SQLAlchemy(model_class=Base, disable_autonaming=True)


class DatabaseBusy(Unavailable):
    number = 1
    reason = "database_busy"
    message = "The database is busy. Nothing was changed; try again in a moment."


def engine_options(url: str, *, synchronous: str) -> dict[str, Any]:
    """Options for `create_engine`. The pool is explicit, so exhaustion is a clear 503 after 5 s."""
    pool = {
        "pool_size": POOL_SIZE,
        "max_overflow": 0,
        "pool_timeout": 5,
        "hide_parameters": True,  # a logged error must not carry emails and digests
    }
    if not url.startswith("sqlite"):
        return pool | {"pool_pre_ping": True}
    arguments = {
        "isolation_level": None,
        "check_same_thread": False,
        "timeout": 5.0,
        "cached_statements": CACHED_STATEMENTS,
    }
    return pool | {
        "module": sqlite_driver,
        "connect_args": arguments,
        "execution_options": {"sqlite_synchronous": synchronous},
    }


def prepare_engine(engine: Engine) -> None:
    """Attach the SQLite recipe to `engine`; a PostgreSQL engine needs none."""
    if engine.dialect.name == "sqlite":
        _TakeTurns(engine)


class _TakeTurns:
    """The event listeners of the recipe, with the engine's one write lock."""

    def __init__(self, engine: Engine) -> None:
        self.lock = threading.Lock()
        self._synchronous = engine.get_execution_options().get("sqlite_synchronous", "FULL")
        _WRITE_LOCKS[engine.dialect] = self.lock
        event.listen(engine, "connect", self.on_connect)
        event.listen(engine, "before_cursor_execute", self.before_cursor_execute)
        event.listen(engine, "checkin", self.on_checkin)
        event.listen(engine, "invalidate", self.on_invalidate)

    def on_connect(self, connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={self._synchronous}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA wal_autocheckpoint=4000")
        cursor.close()

    def before_cursor_execute(
        self,
        conn: Any,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        if conn.connection.dbapi_connection.in_transaction or not _writes(statement, context):
            return
        record = conn.connection._connection_record
        if not record.info.get("holds_write_lock"):
            if not self.lock.acquire(timeout=WRITE_LOCK_TIMEOUT_S):
                raise DatabaseBusy(retry_after_s=2)
            record.info["holds_write_lock"] = True
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite_driver.OperationalError as error:  # another process is writing, or no disk
            raise DatabaseBusy(retry_after_s=2) from error

    def on_checkin(self, connection: Any, record: Any) -> None:
        if record.info.pop("holds_write_lock", False):
            self.lock.release()

    def on_invalidate(self, connection: Any, record: Any, exception: Any) -> None:
        self.on_checkin(connection, record)


# By dialect: an engine keeps its own through `dispose`, which replaces the pool.
_WRITE_LOCKS: WeakKeyDictionary[Dialect, threading.Lock] = WeakKeyDictionary()


def write_lock(engine: Engine) -> "threading.Lock | None":
    """The lock that a writer beside the pages must hold; None where the database has none."""
    return _WRITE_LOCKS.get(engine.dialect)


def _writes(statement: str, context: Any) -> bool:
    clause = getattr(getattr(context, "compiled", None), "statement", None)
    if getattr(clause, "is_select", False):  # its text may begin with a common table expression
        return getattr(clause, "_for_update_arg", None) is not None
    return not statement.lstrip()[:6].upper().startswith(("SELECT", "PRAGMA", "EXPLAI"))


@contextmanager
def snapshot(session: Session) -> Iterator[None]:
    """Within the block all that `session` reads is of one moment, whoever writes meanwhile.

    For reading alone, with a session that has no transaction open; it is rolled back at the end.
    """
    try:
        if session.get_bind().dialect.name == "sqlite":
            driver_connection: Any = session.connection().connection.driver_connection
            driver_connection.execute("BEGIN")
        else:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield
    finally:
        session.rollback()


class Cursor(Protocol):
    """What a statement gives back, from a session and from the writer alike."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> Any: ...


class Statement:
    """A Core statement with its compiled text, so that one wording serves sessions and the writer.

    Parameters are plain integers and strings under the names of its `bindparam`s; the same dict
    fits both drivers.
    """

    __slots__ = ("_texts", "clause")

    def __init__(self, clause: Executable) -> None:
        self.clause = clause
        self._texts: dict[str, tuple[str, dict[str, Any]]] = {}

    def compiled(self, dialect_name: str) -> tuple[str, dict[str, Any]]:
        """The text for a driver's cursor, and the values of its literal constants."""
        found = self._texts.get(dialect_name)
        if found is None:
            dialect = _DIALECTS[dialect_name]
            assert isinstance(self.clause, ClauseElement)
            compiled = self.clause.compile(dialect=dialect)
            constants = {
                name: value for name, value in compiled.params.items() if value is not None
            }
            found = self._texts[dialect_name] = (str(compiled), constants)
        return found


_DIALECTS: dict[str, Any] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": psycopg.dialect(),  # type: ignore[no-untyped-call]
}

# A driver's cursor counts what an INSERT did; a session does so where it is asked to.
_ROWCOUNT_OF_INSERTS = {"preserve_rowcount": True}

Execute = Callable[[Statement, Mapping[str, Any]], Cursor]


def in_session(session: Session) -> Execute:
    """An executor of `Statement`s inside a page's or command's session (which commits later)."""

    def execute(statement: Statement, parameters: Mapping[str, Any]) -> Cursor:
        return session.execute(  # type: ignore[return-value]
            statement.clause, dict(parameters), execution_options=_ROWCOUNT_OF_INSERTS
        )

    return execute


def on_cursor(cursor: Any, dialect_name: str) -> Execute:
    """An executor of compiled text on a driver's own cursor: the writer's hot path."""

    def execute(statement: Statement, parameters: Mapping[str, Any]) -> Cursor:
        text, constants = statement.compiled(dialect_name)
        cursor.execute(text, {**constants, **parameters} if constants else parameters)
        return cursor  # type: ignore[no-any-return]

    return execute
