"""Setting a sale price: a rise is announced ahead, a price below cost is refused.

Price versions are only ever added. So a decision that overtakes an announced price takes it back
by a later version at the same moment, equal to what shall hold then. Rules; the edge commits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain import settings
from app.domain.audit import AuditAction, record
from app.domain.catalog.errors import NotPriced, SaleBelowCost
from app.domain.catalog.kinds import is_priced
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.selling import set_price
from app.domain.catalog.timelines import Timeline, timeline_of
from app.domain.catalog.wording import price_text
from app.domain.channels.costs import dearest_cost
from app.domain.channels.margins import Shortfall, rises, shortfalls

SHOWN_SHORTFALLS = 6


class When(StrEnum):
    """When a rise comes into force; a price that is no rise does so at once."""

    NOTICE = "notice"
    NOW = "now"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a new price does: from when it holds, whether it is a rise and waits for its notice,
    and which announced prices it takes back. `versions` are to be written, each with the moment
    from which it holds."""

    old: PriceSheet | None
    sheet: PriceSheet
    effective_at: datetime
    is_rise: bool
    waits: bool
    is_below_cost: bool
    taken_back: tuple[datetime, ...]
    versions: tuple[tuple[datetime, PriceSheet], ...]


def set_sale_price(
    session: Session,
    *,
    model: Model,
    sheet: PriceSheet,
    when: When,
    allow_below_cost: bool,
    author: str,
    reason: str,
) -> Decision | None:
    """Decide a model's sale price; None, and nothing is written, where that is decided already.

    Raises `NotPriced`, and `SaleBelowCost` unless `allow_below_cost`.
    """
    # Two decisions at once would each take back what it saw: the model's row makes them queue.
    session.execute(select(Model.id).where(Model.id == model.id).with_for_update())
    decision = decide(
        model=model,
        timeline=timeline_of(session, model),
        sheet=sheet,
        cost=dearest_cost(session, model),
        notice=notice_of(session, when),
        allow_below_cost=allow_below_cost,
    )
    if decision is None:
        return None
    for moment, held in decision.versions:
        set_price(
            session, model=model, sheet=held, effective_at=moment, author=author, reason=reason
        )
    record(
        session,
        actor=author,
        action=AuditAction.PRICE_CHANGED,
        details={
            "model": model.name,
            "old": None if decision.old is None else decision.old.to_json(),
            "new": sheet.to_json(),
            "effective_at": decision.effective_at.isoformat(),
            "is_below_cost": decision.is_below_cost,
            "taken_back": [moment.isoformat() for moment in decision.taken_back],
            "reason": reason,
        },
    )
    return decision


def notice_of(session: Session, when: When) -> timedelta:
    """How long a rise waits."""
    if when is When.NOW:
        return timedelta()
    return timedelta(days=settings.in_force(session)["price_notice_days"])


def decide(
    *,
    model: Model,
    timeline: Timeline,
    sheet: PriceSheet,
    cost: PriceSheet | None,
    notice: timedelta,
    allow_below_cost: bool,
) -> Decision | None:
    """What setting `sheet` would do; None where it is decided already. Writes nothing.

    `cost` is that of the dearest enabled channel. Raises `NotPriced`, `SaleBelowCost`.
    """
    if not is_priced(model.kind, sheet):
        raise NotPriced(f"A {model.kind} model needs the prices it is billed in.", field="prices")
    missing = () if cost is None else shortfalls(sheet, cost)
    if missing and not allow_below_cost:
        raise SaleBelowCost(
            f"{model.name} would be sold below cost: {shortfalls_text(missing)}.",
            facts={"shortfalls": [_fact(shortfall) for shortfall in missing]},
        )
    now = _whole_ms(clock.now())
    present = timeline.in_force(now)
    is_rise = present is not None and bool(rises(present.sheet, sheet))
    effective_at = now + notice if is_rise else now
    versions = timeline.to_write(sheet, effective_at=effective_at, now=now)
    if not versions:
        return None
    return Decision(
        old=None if present is None else present.sheet,
        sheet=sheet,
        effective_at=effective_at,
        is_rise=is_rise,
        waits=effective_at > now,
        is_below_cost=bool(missing),
        taken_back=tuple(
            point.effective_at for point in timeline.changes(now) if point.sheet != sheet
        ),
        versions=versions,
    )


def shortfalls_text(missing: Iterable[Shortfall]) -> str:
    """``input is sold at 2 and costs 2.5; …``: a few, then how many more."""
    told = [_shortfall_text(shortfall) for shortfall in missing]
    more = [f"and {len(told) - SHOWN_SHORTFALLS} more"] if len(told) > SHOWN_SHORTFALLS else []
    return "; ".join(told[:SHOWN_SHORTFALLS] + more)


def _shortfall_text(shortfall: Shortfall) -> str:
    tier = f" above {shortfall.above_input_tokens} tokens" if shortfall.above_input_tokens else ""
    cost = price_text(shortfall.unit, shortfall.cost_nanos)
    if shortfall.sale_nanos is None:
        return f"{shortfall.unit}{tier} is not priced and costs {cost}"
    sale = price_text(shortfall.unit, shortfall.sale_nanos)
    return f"{shortfall.unit}{tier} is sold at {sale} and costs {cost}"


def _fact(shortfall: Shortfall) -> dict[str, Any]:
    return {
        "unit": shortfall.unit.value,
        "above_input_tokens": shortfall.above_input_tokens,
        "sale_nanos_per_million": shortfall.sale_nanos,
        "cost_nanos_per_million": shortfall.cost_nanos,
    }


def _whole_ms(moment: datetime) -> datetime:
    """As the database keeps it, so that two moments compare as they will there."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
