"""What the breakers did last, kept in a table so that commands and pages see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from sqlalchemy import Table, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.database import Execute, Statement
from app.domain.catalog.models import Model
from app.domain.channels.models import BreakerState, BreakerTurn, Channel

_STATES = cast(Table, BreakerState.__table__)
_FAILURE_LENGTH = 64


def _upsert() -> Statement:
    """Both databases speak this dialect of INSERT … ON CONFLICT."""
    new = insert(_STATES).values(
        channel_id=bindparam("which_channel"),
        model_id=bindparam("which_model"),
        turn=bindparam("new_turn"),
        opened_at=bindparam("opened_at_ms"),
        turned_at=bindparam("turned_at_ms"),
        last_failure=bindparam("failure"),
    )
    return Statement(
        new.on_conflict_do_update(
            index_elements=["channel_id", "model_id"],
            set_={
                name: new.excluded[name]
                for name in ("turn", "opened_at", "turned_at", "last_failure")
            },
        )
    )


_UPSERT = _upsert()


@dataclass(frozen=True, slots=True)
class StoreTurn:
    """A write for the writer: the breaker of `channel_id` for `model_id` turned.

    `last_failure` is a machine word of ours, never a provider's sentence.
    """

    channel_id: int
    model_id: int
    turn: BreakerTurn
    opened_at_ms: int | None
    turned_at_ms: int
    last_failure: str | None

    @property
    def order(self) -> int:
        return (self.channel_id << 24) + self.model_id

    def apply(self, execute: Execute) -> None:
        failure = self.last_failure
        execute(
            _UPSERT,
            {
                "which_channel": self.channel_id,
                "which_model": self.model_id,
                "new_turn": self.turn.value,
                "opened_at_ms": self.opened_at_ms,
                "turned_at_ms": self.turned_at_ms,
                "failure": None if failure is None else failure[:_FAILURE_LENGTH],
            },
        )


class StateView(NamedTuple):
    """One breaker with the names people know."""

    channel_name: str
    model_name: str
    state: BreakerState


def breaker_states(session: Session, *, is_troubled: bool = False) -> Sequence[StateView]:
    """All that ever turned, or those that are not closed, by channel and model."""
    rows = (
        select(Channel.name, Model.name, BreakerState)
        .join(Channel, Channel.id == BreakerState.channel_id)
        .join(Model, Model.id == BreakerState.model_id)
        .order_by(Channel.name, Model.name)
        .execution_options(populate_existing=True)
    )
    if is_troubled:
        rows = rows.where(BreakerState.turn != BreakerTurn.CLOSED)
    return [StateView(*row) for row in session.execute(rows)]
