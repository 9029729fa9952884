"""The hits of rate limits, where several processes share them and there is no Redis."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import (
    Connection,
    Engine,
    String,
    Table,
    bindparam,
    create_engine,
    delete,
    event,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.dml import ReturningInsert

from app.core import clock
from app.core.columns import Moment
from app.core.database import Base
from app.core.rate_storage import Window

SUBJECT_LENGTH = 200
HITS_MAX = 2**31 - 1
POOL_SIZE = 8

Result = TypeVar("Result")


class RateWindow(Base):
    """How often `subject` was hit in the window that starts at `starts_at`."""

    __tablename__ = "rate_windows"

    subject: Mapped[str] = mapped_column(String(SUBJECT_LENGTH), primary_key=True)
    starts_at: Mapped[Moment] = mapped_column(primary_key=True)
    hits: Mapped[int]
    expires_at: Mapped[Moment] = mapped_column(index=True)


_WINDOWS = cast(Table, RateWindow.__table__)

_READ = select(_WINDOWS.c.starts_at, _WINDOWS.c.hits).where(
    _WINDOWS.c.subject == bindparam("window_subject"),
    _WINDOWS.c.starts_at.in_([bindparam("previous_ms"), bindparam("current_ms")]),
)


def _count() -> ReturningInsert[Any]:
    """Both databases speak this dialect of INSERT … ON CONFLICT. A row that holds more than `room`
    is left alone, and then nothing comes back."""
    new = insert(_WINDOWS).values(
        subject=bindparam("window_subject"),
        starts_at=bindparam("current_ms"),
        hits=bindparam("cost"),
        expires_at=bindparam("expires_ms"),
    )
    return new.on_conflict_do_update(
        index_elements=["subject", "starts_at"],
        set_={"hits": _WINDOWS.c.hits + new.excluded.hits},
        where=_WINDOWS.c.hits <= bindparam("room"),
    ).returning(_WINDOWS.c.hits)


_COUNT = _count()


class _Period(NamedTuple):
    """The period of now, in milliseconds since the epoch."""

    subject: str
    current_ms: int
    previous_ms: int
    expires_ms: int
    left_s: float


class TableWindows:
    """Counts in the database, in short transactions of its own: never inside a caller's session."""

    def __init__(self, engine: Engine) -> None:
        self._engine = _own_engine(engine)

    def take(self, key: str, *, limit: int, window_s: int, cost: int) -> tuple[bool, Window]:
        period = _period(key, window_s)

        def count(connection: Connection) -> tuple[bool, Window]:
            window = _read(connection, period)
            # What the previous period counted no longer changes: the current row alone is guarded.
            room = limit - cost - window._replace(current=0).weight(window_s)
            hits = None if room < 0 else _write(connection, period, cost=cost, room=room)
            return (False, window) if hits is None else (True, window._replace(current=hits))

        return self._connected(count)

    def add(self, key: str, *, window_s: int, cost: int) -> None:
        period = _period(key, window_s)
        self._connected(lambda connection: _write(connection, period, cost=cost, room=HITS_MAX))

    def look(self, key: str, *, window_s: int) -> Window:
        period = _period(key, window_s)
        return self._connected(lambda connection: _read(connection, period))

    def _connected(self, work: Callable[[Connection], Result]) -> Result:
        """Once more where the connection turns out to be dead (then the pool drops all it has):
        asking each one first whether it lives would cost more than the work."""
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        with self._engine.begin() as connection:
            return work(connection)


def forget_old(session: Session) -> None:
    """Delete what no window covers any more; the caller commits."""
    session.execute(delete(RateWindow).where(RateWindow.expires_at < clock.now()))


def _own_engine(engine: Engine) -> Engine:
    """On PostgreSQL a small pool apart: a caller that holds a connection waits for one of these,
    and with one pool 32 such callers would wait for each other. Each statement commits itself, and
    need not survive a power cut. SQLite's recipe belongs to its one engine."""
    if engine.dialect.name == "sqlite":
        return engine
    own = create_engine(
        engine.url,
        isolation_level="AUTOCOMMIT",
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,
    )
    event.listen(own, "connect", _commit_lightly)
    event.listen(engine, "engine_disposed", lambda _: own.dispose())
    return own


def _commit_lightly(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("SET synchronous_commit = off")
    cursor.close()


def _period(key: str, window_s: int) -> _Period:
    window_ms = window_s * 1000
    now_ms = clock.now_ms()
    current_ms = now_ms - now_ms % window_ms
    is_long = len(key) > SUBJECT_LENGTH
    return _Period(
        subject=hashlib.sha256(key.encode()).hexdigest() if is_long else key,
        current_ms=current_ms,
        previous_ms=current_ms - window_ms,
        expires_ms=current_ms + 2 * window_ms,
        left_s=(current_ms + window_ms - now_ms) / 1000,
    )


def _read(connection: Connection, period: _Period) -> Window:
    rows = connection.execute(
        _READ,
        {
            "window_subject": period.subject,
            "previous_ms": period.previous_ms,
            "current_ms": period.current_ms,
        },
    )
    hits = {clock.ms_of(row.starts_at): row.hits for row in rows}
    return Window(hits.get(period.previous_ms, 0), hits.get(period.current_ms, 0), period.left_s)


def _write(connection: Connection, period: _Period, *, cost: int, room: int) -> int | None:
    """What the current period counts now; None where it held more than `room`."""
    cost = min(cost, HITS_MAX)
    hits: int | None = connection.execute(
        _COUNT,
        {
            "window_subject": period.subject,
            "current_ms": period.current_ms,
            "expires_ms": period.expires_ms,
            "cost": cost,
            "room": min(room, HITS_MAX - cost),
        },
    ).scalar_one_or_none()
    return hits
