"""Pricing many models by a mark-up on what they cost, to be reviewed first. Reads only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.orm import Session

from app.core import clock
from app.domain import settings
from app.domain.catalog.errors import NotPriced
from app.domain.catalog.markups import markup_for, with_markup
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import InvalidPriceSheet, PriceSheet
from app.domain.catalog.timelines import NO_PRICES, timelines
from app.domain.channels.costs import channel_costs, dearest_enabled
from app.domain.channels.repricing import Decision, When, decide, notice_of


@dataclass(frozen=True, slots=True)
class MarkedUp:
    """A model whose price a mark-up changes. `cost` is that of its dearest enabled channel."""

    model: Model
    markup: Decimal
    cost: PriceSheet
    decision: Decision


@dataclass(frozen=True, slots=True)
class NotMarkedUp:
    """A model that is passed over, and why."""

    model: Model
    why: str


@dataclass(frozen=True, slots=True)
class MarkupPlan:
    changes: tuple[MarkedUp, ...]
    unchanged: tuple[Model, ...]
    skipped: tuple[NotMarkedUp, ...]


def plan_markup(
    session: Session, *, models: Sequence[Model], markup: Decimal | None, when: When
) -> MarkupPlan:
    """What `markup`, None for the stored ones, makes of the prices of `models`."""
    markup_of = _markup_source(session, markup)
    known_ids = [model.id for model in models]
    histories = timelines(session, model_ids=known_ids)
    costs = channel_costs(session, model_ids=known_ids)
    notice, today = notice_of(session, when), clock.now().date()
    changes, unchanged, skipped = [], [], []
    for model in models:
        cost = dearest_enabled(costs.get(model.id, ()))
        if cost is None or (model.retires_on is not None and model.retires_on <= today):
            why = "no enabled channel has a known cost" if cost is None else "retired"
            skipped.append(NotMarkedUp(model, why))
            continue
        try:
            decision = decide(
                model=model,
                timeline=histories.get(model.id, NO_PRICES),
                sheet=with_markup(cost, markup_of(model)),
                cost=cost,
                notice=notice,
                allow_below_cost=False,
            )
        except (NotPriced, InvalidPriceSheet) as error:
            skipped.append(NotMarkedUp(model, error.message))
            continue
        if decision is None:
            unchanged.append(model)
        else:
            changes.append(MarkedUp(model, markup_of(model), cost, decision))
    return MarkupPlan(tuple(changes), tuple(unchanged), tuple(skipped))


def _markup_source(session: Session, markup: Decimal | None) -> Callable[[Model], Decimal]:
    if markup is not None:
        return lambda model: markup
    stored = settings.in_force(session)
    return lambda model: markup_for(stored, model_name=model.name, provider=model.provider)
