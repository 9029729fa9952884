"""What the channels charge us now, read for people and for the rules of pricing."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import PriceSheet
from app.domain.channels.margins import dearest_of
from app.domain.channels.models import Channel, ChannelModel, CostVersion


@dataclass(frozen=True, slots=True)
class ChannelCost:
    """How one channel serves one model; `sheet` is None where its cost is not known."""

    channel_model_id: int
    model_id: int
    channel_name: str
    is_enabled: bool
    upstream_name: str
    sheet: PriceSheet | None


def channel_costs(
    session: Session, *, model_ids: Collection[int] | None = None
) -> dict[int, list[ChannelCost]]:
    """The channels of these models, or of all, by model id, each with its cost in force now."""
    served = (
        select(ChannelModel, Channel)
        .join(Channel, Channel.id == ChannelModel.channel_id)
        .where(ChannelModel.is_served)
        .order_by(Channel.name)
    )
    if model_ids is not None:
        served = served.where(ChannelModel.model_id.in_(model_ids))
    rows = session.execute(served).all()
    sheets = _sheets_in_force(session, [row.ChannelModel.id for row in rows])
    found: dict[int, list[ChannelCost]] = {}
    for serving, channel in rows:
        cost = ChannelCost(
            channel_model_id=serving.id,
            model_id=serving.model_id,
            channel_name=channel.name,
            is_enabled=channel.is_enabled,
            upstream_name=serving.upstream_name,
            sheet=sheets.get(serving.id),
        )
        found.setdefault(serving.model_id, []).append(cost)
    return found


def dearest_enabled(costs: Iterable[ChannelCost]) -> PriceSheet | None:
    """Per unit and tier the dearest of the enabled channels; None where none has a known cost."""
    return dearest_of([cost.sheet for cost in costs if cost.is_enabled and cost.sheet is not None])


def dearest_cost(session: Session, model: Model) -> PriceSheet | None:
    """`dearest_enabled` for one model."""
    return dearest_enabled(channel_costs(session, model_ids=[model.id]).get(model.id, ()))


def _sheets_in_force(session: Session, channel_model_ids: Collection[int]) -> dict[int, PriceSheet]:
    """The latest effective version of each; of two at one moment the later made."""
    versions = (
        select(CostVersion.channel_model_id, CostVersion.sheet)
        .where(
            CostVersion.channel_model_id.in_(channel_model_ids),
            CostVersion.effective_at <= clock.now(),
        )
        .order_by(CostVersion.effective_at, CostVersion.id)
    )
    latest = {row.channel_model_id: row.sheet for row in session.execute(versions)}
    return {owner: PriceSheet.from_json(text) for owner, text in latest.items()}
