"""Finding calls, for the operator: ids are time-ordered, so a span of time is a range of ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.core import clock, ids
from app.domain.accounts.models import User
from app.domain.billing.models import Call
from app.domain.catalog.models import Model
from app.domain.channels.models import Channel
from app.domain.usage.channel_figures import CLIENT_LEFT


@dataclass(frozen=True, slots=True)
class FoundCall:
    """A call with the names of what it refers to; None where that is gone, or none was asked."""

    call: Call
    email: str | None
    model_name: str | None
    channel_name: str | None


def search_calls(
    session: Session,
    *,
    since: datetime,
    count: int,
    user_id: int | None = None,
    model_id: int | None = None,
    channel_id: int | None = None,
    only_failed: bool = False,
) -> Sequence[FoundCall]:
    """At most `count` calls that began at `since` or later, the newest first.

    `channel_id` is the channel asked last. Failed is what ended with a reason, but for a client
    that left: that is nobody's failure.
    """
    rows = _named_calls().where(Call.id >= ids.first_id_at(clock.ms_of(since)))
    if user_id is not None:
        rows = rows.where(Call.user_id == user_id)
    if model_id is not None:
        rows = rows.where(Call.model_id == model_id)
    if channel_id is not None:
        rows = rows.where(Call.channel_id == channel_id)
    if only_failed:
        rows = rows.where(Call.reason.is_not(None), Call.reason != CLIENT_LEFT)
    found = session.execute(rows.order_by(Call.id.desc()).limit(count))
    return [FoundCall(*row) for row in found]


def _named_calls() -> Select[Call, str, str, str]:
    return (
        select(Call, User.email, Model.name, Channel.name)
        .outerjoin(User, User.id == Call.user_id)
        .outerjoin(Model, Model.id == Call.model_id)
        .outerjoin(Channel, Channel.id == Call.channel_id)
    )
