"""A key's calls, newest first, a page at a time. Reads only.

Ids are time-ordered, so a range of time is a range of ids, and `ix_calls_user_id_id` alone finds a
page. It holds all calls of the account, those of other keys too: one page looks at no more than
`SCANNED_MAX` of them, so that a key which made few asks for no more than one which made many.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, load_only

from app.core import clock, ids
from app.core.money import LARGEST_BIGINT
from app.domain.billing.models import Call
from app.domain.catalog.models import Model
from app.domain.usage.receipts import Receipt

SCANNED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class CallRange:
    """One key's calls from `from_id` on, those from `before_id` on left out."""

    user_id: int
    key_id: int
    from_id: int = 0
    before_id: int = LARGEST_BIGINT

    @property
    def of_account(self) -> tuple[ColumnElement[bool], ...]:
        """What the index decides: the account's calls in this range."""
        return (
            Call.user_id == self.user_id,
            Call.id >= self.from_id,
            Call.id < self.before_id,
        )


@dataclass(frozen=True, slots=True)
class CallPage:
    """Receipts without their lines. `next_before_id` goes on behind this page, None at the end.

    A page may hold fewer than were asked for, even none, and not be the last one.
    """

    receipts: tuple[Receipt, ...]
    next_before_id: int | None


def id_at(moment: datetime) -> int:
    """The least id that can have been minted at a moment, as far as the database can count."""
    return min(ids.first_id_at(clock.ms_of(moment)), LARGEST_BIGINT)


def list_calls(
    session: Session, within: CallRange, *, count: int, model_name: str | None = None
) -> CallPage:
    """The newest `count` calls of the range, of one model where it is named."""
    floor_id = _scan_floor(session, within)
    rows = _read(session, within, floor_id=floor_id, count=count + 1, model_name=model_name)
    if len(rows) > count:
        return CallPage(tuple(rows[:count]), rows[count - 1].call.id)
    return CallPage(tuple(rows), floor_id)


def _scan_floor(session: Session, within: CallRange) -> int | None:
    """The last id that one page may look at; None where the range ends before."""
    ordered = select(Call.id).where(*within.of_account).order_by(Call.id.desc())
    return session.scalar(ordered.offset(SCANNED_MAX - 1).limit(1))


def _read(
    session: Session,
    within: CallRange,
    *,
    floor_id: int | None,
    count: int,
    model_name: str | None,
) -> list[Receipt]:
    found = (
        select(Call, Model.name)
        .options(load_only(*_SHOWN))
        .join(Model, Model.id == Call.model_id)
        .where(*within.of_account, Call.key_id == within.key_id)
    )
    if floor_id is not None:
        found = found.where(Call.id >= floor_id)
    if model_name is not None:
        found = found.where(Model.name == model_name)
    rows = session.execute(found.order_by(Call.id.desc()).limit(count))
    return [Receipt(call=call, model_name=name, lines=()) for call, name in rows]


_SHOWN = (
    Call.state,
    Call.status,
    Call.reason,
    Call.client_request_id,
    Call.is_streamed,
    Call.is_estimated,
    Call.held_trial_nanos,
    Call.held_paid_nanos,
    Call.cost_nanos,
    Call.trial_cost_nanos,
    Call.written_off_nanos,
    Call.first_content_ms,
    Call.duration_ms,
    Call.settled_at,
)
