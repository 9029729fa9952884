"""A call's receipt: what it used, at which prices, and what it cost. Reads only."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import in_session
from app.domain.billing.models import Call, CallState
from app.domain.billing.refunds import refunded
from app.domain.catalog.models import Model, PriceVersion
from app.domain.catalog.pricing import LineItem, PriceSheet
from app.domain.usage.errors import RequestNotFound


@dataclass(frozen=True, slots=True)
class Receipt:
    """A call with the arithmetic of its cost. `lines` is empty while it runs and when voided."""

    call: Call
    model_name: str
    lines: tuple[LineItem, ...]
    refunded_nanos: int = 0

    @property
    def is_running(self) -> bool:
        return self.call.state is CallState.PENDING

    @property
    def held_nanos(self) -> int:
        return self.call.held_trial_nanos + self.call.held_paid_nanos

    @property
    def cost_nanos(self) -> int:
        return self.call.cost_nanos or 0


def find_receipt(session: Session, *, call_id: int | None, key_id: int) -> Receipt:
    """The receipt of one of this key's calls. Raises `RequestNotFound`, also for another key's."""
    row = session.execute(
        select(Call, Model.name, PriceVersion.sheet)
        .join(Model, Model.id == Call.model_id)
        .join(PriceVersion, PriceVersion.id == Call.price_version_id)
        .where(Call.id == call_id, Call.key_id == key_id)
    ).first()
    if row is None:
        raise RequestNotFound
    call, model_name, sheet = row
    given_back = refunded(in_session(session), user_id=call.user_id, call_id=call.id)
    return Receipt(
        call=call,
        model_name=model_name,
        lines=_lines(call, sheet),
        refunded_nanos=given_back.total_nanos,
    )


def _lines(call: Call, sheet: str) -> tuple[LineItem, ...]:
    units = call.used_units
    return PriceSheet.from_json(sheet).line_items(units) if units else ()
