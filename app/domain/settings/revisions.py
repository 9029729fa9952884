"""Counters that tell every process when its snapshot of a subject is out of date."""

from collections.abc import Callable
from typing import cast

from sqlalchemy import Engine, Table, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import clock
from app.core.database import Execute, Statement, in_session
from app.domain.settings.models import Revision
from app.domain.settings.polled import Polled

_REVISIONS = cast(Table, Revision.__table__)

# Both databases speak this dialect of INSERT … ON CONFLICT.
_BUMP = Statement(
    insert(_REVISIONS)
    .values(subject=bindparam("revision_subject"), number=1)
    .on_conflict_do_update(index_elements=["subject"], set_={"number": _REVISIONS.c.number + 1})
)


def bump(session: Session, subject: str) -> None:
    """Say, with the change itself, that `subject` has changed; the caller commits both.

    Transactions that bump the same subject follow one another, so a number is never seen twice.
    """
    bump_by(in_session(session), subject)


def bump_by(execute: Execute, subject: str) -> None:
    """`bump` for a write of the writer."""
    execute(_BUMP, {"revision_subject": subject})


class RevisionWatch:
    """`number(subject)` moves within a second after a `bump` was committed by any process."""

    def __init__(self, engine: Engine, *, now: Callable[[], float] = clock.monotonic) -> None:
        self._engine = engine
        self._polled: Polled[dict[str, int]] = Polled(self._load, now=now)

    def number(self, subject: str) -> int:
        """The subject's present number; 0 before its first change."""
        return self._polled.value().get(subject, 0)

    def _load(self, previous: dict[str, int] | None) -> dict[str, int]:
        with self._engine.connect() as connection:
            rows = connection.execute(select(Revision.subject, Revision.number)).all()
        return {row.subject: row.number for row in rows}
