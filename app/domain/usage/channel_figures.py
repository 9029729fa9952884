"""How each channel served each model lately, read from the calls: outcomes, speed, margin.

Ids are time-ordered, so the last hours are a range of the primary key.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from app.core import clock, ids
from app.domain.billing.models import Call, CallState
from app.domain.catalog.models import Model
from app.domain.channels.models import Channel

CLIENT_LEFT = "client_left"
"""The one reason that is nobody's failure."""

_Pair = tuple[int, int]


@dataclass(slots=True, kw_only=True)
class ChannelFigures:
    """One channel and model.

    `calls` ended here: `succeeded` of them well, the others are in `failures` by reason. `moved_on`
    counts by outcome the attempts that failed here before another channel was asked. First content
    of an answer that is not streamed is the whole answer. `sale_nanos` is what the calls were
    charged, `cost_nanos` what the channel charges us for `costed_calls` of them; `margin_nanos` is
    over these alone.
    """

    channel_name: str
    model_name: str
    calls: int = 0
    succeeded: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    moved_on: Counter[str] = field(default_factory=Counter)
    median_first_content_ms: int | None = None
    p95_first_content_ms: int | None = None
    sale_nanos: int = 0
    cost_nanos: int = 0
    costed_calls: int = 0
    margin_nanos: int = 0

    @property
    def attempts(self) -> int:
        """How often the channel was asked for the model."""
        return self.calls + self.moved_on.total()


def channel_figures(session: Session, *, since: datetime) -> Sequence[ChannelFigures]:
    """The calls that began at `since` or later and are settled, by channel and model name."""
    from_id = ids.first_id_at(clock.ms_of(since))
    table = _Table(_names(session, Channel), _names(session, Model))
    _read_sums(session, from_id, table)
    _read_reasons(session, from_id, table)
    _read_speeds(session, from_id, table)
    _read_attempts(session, from_id, table)
    return sorted(table.rows.values(), key=lambda row: (row.channel_name, row.model_name))


@dataclass(slots=True)
class _Table:
    channel_names: Mapping[int, str]
    model_names: Mapping[int, str]
    rows: dict[_Pair, ChannelFigures] = field(default_factory=dict)

    def row(self, channel_id: int, model_id: int) -> ChannelFigures:
        found = self.rows.get((channel_id, model_id))
        if found is None:
            found = self.rows[channel_id, model_id] = ChannelFigures(
                channel_name=self.channel_names.get(channel_id, f"#{channel_id}"),
                model_name=self.model_names.get(model_id, f"#{model_id}"),
            )
        return found


def _names(session: Session, table: type[Channel] | type[Model]) -> Mapping[int, str]:
    return {row.id: row.name for row in session.execute(select(table.id, table.name))}


def _settled(from_id: int) -> tuple[ColumnElement[bool], ...]:
    return (Call.id >= from_id, Call.state != CallState.PENDING, Call.channel_id.is_not(None))


def _read_sums(session: Session, from_id: int, table: _Table) -> None:
    is_good = (Call.state == CallState.POSTED) & (
        Call.reason.is_(None) | (Call.reason == CLIENT_LEFT)
    )
    is_costed = Call.upstream_cost_nanos.is_not(None)
    margin = Call.cost_nanos - Call.upstream_cost_nanos
    sums = (
        select(
            Call.channel_id,
            Call.model_id,
            func.count(),
            func.sum(case((is_good, 1), else_=0)),
            func.coalesce(func.sum(Call.cost_nanos), 0),
            func.coalesce(func.sum(Call.upstream_cost_nanos), 0),
            func.sum(case((is_costed, 1), else_=0)),
            func.coalesce(func.sum(margin), 0),
        )
        .where(*_settled(from_id))
        .group_by(Call.channel_id, Call.model_id)
    )
    for channel_id, model_id, *figures in session.execute(sums):
        row = table.row(channel_id, model_id)
        row.calls, row.succeeded, row.sale_nanos = map(int, figures[:3])
        row.cost_nanos, row.costed_calls, row.margin_nanos = map(int, figures[3:])


def _read_reasons(session: Session, from_id: int, table: _Table) -> None:
    counted = (
        select(Call.channel_id, Call.model_id, Call.reason, func.count())
        .where(*_settled(from_id), Call.reason.is_not(None), Call.reason != CLIENT_LEFT)
        .group_by(Call.channel_id, Call.model_id, Call.reason)
    )
    found: Iterable[Any] = session.execute(counted)
    for channel_id, model_id, reason, count in found:
        table.row(channel_id, model_id).failures[reason] = count


def _read_speeds(session: Session, from_id: int, table: _Table) -> None:
    """The value at each rank is one that was measured; both databases can count ranks."""
    group = (Call.channel_id, Call.model_id)
    ranked = (
        select(
            *group,
            Call.first_content_ms.label("ms"),
            func.row_number()
            .over(partition_by=group, order_by=Call.first_content_ms)
            .label("rank"),
            func.count().over(partition_by=group).label("total"),
        )
        .where(*_settled(from_id), Call.first_content_ms.is_not(None))
        .subquery()
    )
    measured = select(
        ranked.c.channel_id,
        ranked.c.model_id,
        func.min(case((ranked.c.rank * 2 >= ranked.c.total, ranked.c.ms))),
        func.min(case((ranked.c.rank * 100 >= ranked.c.total * 95, ranked.c.ms))),
    ).group_by(ranked.c.channel_id, ranked.c.model_id)
    for channel_id, model_id, median_ms, p95_ms in session.execute(measured):
        row = table.row(channel_id, model_id)
        row.median_first_content_ms, row.p95_first_content_ms = median_ms, p95_ms


def _read_attempts(session: Session, from_id: int, table: _Table) -> None:
    """All attempts of a call but the last: that one is the call's own channel."""
    told = select(Call.model_id, Call.attempts).where(
        Call.id >= from_id, Call.state != CallState.PENDING, Call.attempts.is_not(None)
    )
    found: Iterable[Any] = session.execute(told.execution_options(yield_per=1000))
    for model_id, attempts in found:
        for attempt in json.loads(attempts)[:-1]:
            table.row(attempt["channel_id"], model_id).moved_on[attempt["outcome"]] += 1
