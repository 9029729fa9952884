"""Which models a channel serves, how, and at which cost. Rules; the edge commits."""

import re
from collections.abc import Mapping
from dataclasses import asdict, fields

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.selling import REVISION, find_model
from app.domain.channels.errors import InvalidFact, ModelNotServed, ModelServedAlready
from app.domain.channels.models import Channel, ChannelModel, CostVersion
from app.domain.channels.presets import ModelFacts, preset_of
from app.domain.settings.revisions import bump

FACTS = tuple(each.name for each in fields(ModelFacts))
_MEMBER = re.compile(r"[A-Za-z0-9_-]{1,64}")
# A client cannot read an answer without these.
_NEVER_CUT = frozenset({"id", "object", "created", "model", "choices", "usage", "data", "error"})


def serve_model(session: Session, *, channel: Channel, sold: str, upstream: str) -> ChannelModel:
    """Let `channel` serve a model, with the facts of its preset.

    One that it served before keeps its costs. Raises `ModelUnknown`, `ModelServedAlready`.
    """
    model = find_model(session, sold)
    row = _row(session, channel, model.id)
    if row is not None and row.is_served:
        raise ModelServedAlready(f"{channel.name} serves {sold} already.", field="models")
    if row is None:
        row = ChannelModel(channel_id=channel.id, model_id=model.id)
        session.add(row)
    row.is_served = True
    row.upstream_name = upstream
    _set_facts(row, asdict(preset_of(channel.preset).facts))
    session.flush()
    bump(session, REVISION)
    return row


def find_served(session: Session, *, channel: Channel, sold: str) -> ChannelModel:
    """How the channel serves a model. Raises `ModelUnknown`, `ModelNotServed`."""
    row = _row(session, channel, find_model(session, sold).id)
    if row is None or not row.is_served:
        raise ModelNotServed(f"{channel.name} does not serve {sold}.")
    return row


def stop_serving(session: Session, *, channel: Channel, sold: str) -> None:
    """Calls under way end as they are. Raises `ModelUnknown`, `ModelNotServed`."""
    row = find_served(session, channel=channel, sold=sold)
    has_costs = select(CostVersion.id).where(CostVersion.channel_model_id == row.id).limit(1)
    if session.scalar(has_costs) is None:
        session.execute(delete(ChannelModel).where(ChannelModel.id == row.id))
        session.expire(channel, ["models"])
    else:
        row.is_served = False
    bump(session, REVISION)


def change_facts(
    session: Session, *, channel: Channel, sold: str, changes: Mapping[str, object]
) -> ChannelModel:
    """Change some of `FACTS`. Raises `ModelUnknown`, `ModelNotServed`, `InvalidFact`."""
    row = find_served(session, channel=channel, sold=sold)
    unknown = sorted(changes.keys() - set(FACTS))
    if unknown:
        raise InvalidFact(f"There is no fact {unknown[0]!r}.", field=unknown[0])
    _check_cut(changes.get("cut_member"))
    _set_facts(row, changes)
    bump(session, REVISION)
    return row


def set_cost(
    session: Session, *, channel_model: ChannelModel, sheet: PriceSheet, author: str, reason: str
) -> CostVersion:
    """Record what the channel charges us for a model from now on."""
    version = CostVersion(
        channel_model_id=channel_model.id,
        effective_at=clock.now(),
        sheet=sheet.to_json(),
        author=author,
        reason=reason,
        created_at=clock.now(),
    )
    session.add(version)
    session.flush()
    bump(session, REVISION)
    return version


def _row(session: Session, channel: Channel, model_id: int) -> ChannelModel | None:
    return session.scalar(
        select(ChannelModel).where(
            ChannelModel.channel_id == channel.id, ChannelModel.model_id == model_id
        )
    )


def _set_facts(row: ChannelModel, facts: Mapping[str, object]) -> None:
    for name, value in facts.items():
        setattr(row, name, value)


def _check_cut(member: object) -> None:
    if member is None:
        return
    if not isinstance(member, str) or not _MEMBER.fullmatch(member) or member in _NEVER_CUT:
        raise InvalidFact(
            "Only a member that nobody needs can be cut from frames, such as provider.",
            field="cut_member",
        )
