"""What a key was charged, by day and model. Reads only.

A day is a range of ids, so the database groups by whole-number division and knows no time zone.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core import ids
from app.domain.billing.models import Call, CallState
from app.domain.catalog.models import Model
from app.domain.usage.listing import CallRange

_FIRST_DAY = date(2025, 1, 1)
_DAY_MS = 86_400_000
_DAY_OF_IDS = ids.first_id_at(ids.EPOCH_MS + _DAY_MS)


@dataclass(frozen=True, slots=True)
class DayTotal:
    """What one model's calls of one day (UTC) took from the wallet."""

    day: date
    model_name: str
    charged_nanos: int


def charged_by_day(session: Session, within: CallRange) -> tuple[DayTotal, ...]:
    """In the order of days and names; a day without a charge is left out."""
    day = Call.id // _DAY_OF_IDS
    cost_nanos = func.coalesce(Call.cost_nanos, 0)
    charged = func.sum(cost_nanos - func.coalesce(Call.written_off_nanos, 0))
    rows = session.execute(
        select(day, Model.name, charged)
        .join(Model, Model.id == Call.model_id)
        .where(
            *within.of_account,
            Call.key_id == within.key_id,
            Call.state == CallState.POSTED,
            cost_nanos > 0,
        )
        .group_by(day, Model.name)
        .order_by(day, Model.name)
    )
    return tuple(
        DayTotal(_FIRST_DAY + timedelta(days=int(number)), name, int(nanos))
        for number, name, nanos in rows
    )
