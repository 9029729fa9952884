"""A call's dossier: everything that is on record of it, for the operator alone. Reads only.

It names channels, costs and margins, so it is never shown to a user: theirs is the receipt.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import AppError
from app.domain.accounts.models import ApiKey, User
from app.domain.billing.errors import CallUnknown
from app.domain.billing.models import Call, Transfer, TransferKind
from app.domain.catalog.models import Model, PriceVersion
from app.domain.catalog.pricing import LineItem, PriceSheet
from app.domain.channels.models import Channel, CostVersion


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A price version with the lines by which it prices the call's units; they may be none."""

    version_id: int
    effective_at: datetime
    author: str
    reason: str
    lines: tuple[LineItem, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a channel; `channel` is its name, or the id of one that is no more."""

    channel: str
    outcome: str
    status: int | None
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class Dossier:
    """A call with what its row refers to; `user`, `key`, `model` are None where they are gone."""

    call: Call
    user: User | None
    key: ApiKey | None
    model: Model | None
    channel_name: str | None
    price: Arithmetic | None
    cost: Arithmetic | None
    attempts: tuple[Attempt, ...]
    refunds: Sequence[Transfer]
    reported: Any

    @property
    def refunded_nanos(self) -> int:
        return sum(transfer.amount_nanos for transfer in self.refunds)

    @property
    def margin_nanos(self) -> int | None:
        """What is left of the charge after refunds and the channel's bill; None where the channel's
        price is not known."""
        if self.call.upstream_cost_nanos is None:
            return None
        return self.call.charged_nanos - self.refunded_nanos - self.call.upstream_cost_nanos


def find_dossier(session: Session, *, call_id: int) -> Dossier:
    """Raises CallUnknown."""
    call = session.get(Call, call_id)
    if call is None:
        raise CallUnknown
    channels = _channel_names(session)
    channel_name = None if call.channel_id is None else _named(channels, call.channel_id)
    return Dossier(
        call=call,
        user=session.get(User, call.user_id),
        key=session.get(ApiKey, call.key_id),
        model=session.get(Model, call.model_id),
        channel_name=channel_name,
        price=_arithmetic(call, session.get(PriceVersion, call.price_version_id)),
        cost=_arithmetic(
            call,
            None
            if call.cost_version_id is None
            else session.get(CostVersion, call.cost_version_id),
        ),
        attempts=_attempts(call, channels),
        refunds=_refunds(session, call),
        reported=None if call.reported is None else json.loads(call.reported),
    )


def _channel_names(session: Session) -> Mapping[int, str]:
    return {row.id: row.name for row in session.execute(select(Channel.id, Channel.name))}


def _named(channels: Mapping[int, str], channel_id: int) -> str:
    return channels.get(channel_id, f"channel {channel_id}")


def _arithmetic(call: Call, version: PriceVersion | CostVersion | None) -> Arithmetic | None:
    if version is None:
        return None
    return Arithmetic(
        version_id=version.id,
        effective_at=version.effective_at,
        author=version.author,
        reason=version.reason,
        lines=_lines(call, version.sheet),
    )


def _lines(call: Call, sheet: str) -> tuple[LineItem, ...]:
    """Empty where nothing was used, or a sheet lacks a unit: then no cost was booked either."""
    units = call.used_units
    if not units:
        return ()
    try:
        return PriceSheet.from_json(sheet).line_items(units)
    except AppError:
        return ()


def _attempts(call: Call, channels: Mapping[int, str]) -> tuple[Attempt, ...]:
    """The row keeps none where the first channel answered well: that one is told from the rest."""
    if call.attempts is None:
        if call.channel_id is None or call.state != "posted":
            return ()
        return (Attempt(_named(channels, call.channel_id), "ok", call.status, call.duration_ms),)
    return tuple(
        Attempt(
            channel=_named(channels, row["channel_id"]),
            outcome=row["outcome"],
            status=row["status"],
            duration_ms=row["duration_ms"],
        )
        for row in json.loads(call.attempts)
    )


def _refunds(session: Session, call: Call) -> Sequence[Transfer]:
    """By the index of a user's transfers outside of calls."""
    return session.scalars(
        select(Transfer)
        .where(
            Transfer.user_id == call.user_id,
            Transfer.reference.is_not(None),
            Transfer.kind == TransferKind.REFUND,
            Transfer.call_id == call.id,
        )
        .order_by(Transfer.id)
    ).all()
