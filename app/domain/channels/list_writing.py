"""Writing what a price list changes, as it was reviewed; the edge commits it all at once."""

from dataclasses import replace

from sqlalchemy.orm import Session

from app.domain.audit import AuditAction, record
from app.domain.catalog.selling import add_model, set_facts
from app.domain.channels.buying import set_cost
from app.domain.channels.list_plan import Addition, CostChange, ImportPlan
from app.domain.channels.models import Channel, ChannelModel
from app.domain.channels.repricing import When, set_sale_price


def write_import(session: Session, plan: ImportPlan, *, author: str, reason: str) -> None:
    """Write costs, new models, facts and prices, in this order: a price is judged by the new cost.

    Raises what `set_sale_price` raises where the catalogue has changed since it was reviewed.
    """
    for cost in plan.costs:
        _write_cost(session, cost, author=author, reason=reason)
    for addition in plan.additions:
        _write_addition(session, addition, author=author, reason=reason)
    for change in plan.facts:
        facts = {name: new for name, (_, new) in change.changes.items()}
        set_facts(session, model=change.model, facts=facts, author=author)
    for price in plan.prices:
        set_sale_price(
            session,
            model=price.model,
            sheet=price.decision.sheet,
            when=When.NOTICE,
            allow_below_cost=False,
            author=author,
            reason=reason,
        )


def _write_cost(session: Session, cost: CostChange, *, author: str, reason: str) -> None:
    served = session.get_one(ChannelModel, cost.channel_model_id)
    version = set_cost(session, channel_model=served, sheet=cost.new, author=author, reason=reason)
    record(
        session,
        actor=author,
        action=AuditAction.CHANNEL_CHANGED,
        details={
            "channel": session.get_one(Channel, served.channel_id).name,
            "model": cost.model_name,
            "cost_version_id": version.id,
        },
    )


def _write_addition(session: Session, addition: Addition, *, author: str, reason: str) -> None:
    new = replace(addition.listed, sheet=addition.sale)
    add_model(session, new, is_published=addition.is_published, author=author, reason=reason)
    record(
        session,
        actor=author,
        action=AuditAction.MODEL_CHANGED,
        details={"model": new.name, "is_published": addition.is_published, "reason": reason},
    )
