"""The end of a call: exactly one post or void, and the alarms that its bill deserves."""

import logging
import time
from typing import Any, cast

import orjson

from app.core import clock
from app.core.database import DatabaseBusy
from app.core.errors import AppError
from app.core.money import format_usd
from app.domain.alerts.kinds import AlertKind
from app.domain.alerts.raising import alert_write
from app.domain.billing.settle import CallRecord, Post, Settled, Void
from app.gateway import call_log
from app.gateway.answer import names_other_model
from app.gateway.call import Call
from app.gateway.charge import Charge, upstream_cost
from app.gateway.gateway import Gateway
from app.gateway.usage import Verdict

log = logging.getLogger(__name__)

RETRY_PAUSES_S = (0.2, 1.0, 3.0)

# What providers call the tier that everybody gets.
DEFAULT_TIERS = frozenset({"auto", "default", "standard", "on_demand"})


def post(
    gateway: Gateway,
    call: Call,
    bill: Charge,
    *,
    status: int = 200,
    reason: str | None = None,
    provider_facts: dict[str, Any] | None = None,
) -> Settled:
    """Charge the call; returns after the commit."""
    at_ms = clock.now_ms()
    route = call.route
    assert route is not None
    cost_version_id, cost_nanos = upstream_cost(route, bill.units, at_ms=at_ms)
    record = CallRecord(
        status=status,
        reason=reason,
        channel_id=route.channel_id,
        cost_version_id=cost_version_id,
        is_estimated=bill.is_estimated,
        units=bill.units_json(),
        upstream_cost_nanos=cost_nanos,
        first_content_ms=call.first_content_ms,
        duration_ms=call.elapsed_ms,
        attempts=call.attempts_json(),
        reported=_reported(bill, provider_facts),
    )
    settled = _commit(gateway, call, Post(call.hold, bill.cost_nanos, at_ms, record))
    call_log.note_posted(gateway.measures, call, record, bill=bill, settled=settled)
    if call.rates is not None:
        call.rates.settle_tokens(bill.prompt_tokens + bill.completion_tokens)
    _alarm(gateway, call, bill, settled, cost_nanos)
    return settled


def void(gateway: Gateway, call: Call, *, status: int, reason: str) -> Settled:
    """Return the hold; returns after the commit."""
    record = CallRecord(
        status=status,
        reason=reason,
        channel_id=None if call.route is None else call.route.channel_id,
        duration_ms=call.elapsed_ms,
        attempts=call.attempts_json(),
    )
    settled = _commit(gateway, call, Void(call.hold, clock.now_ms(), record))
    call_log.note_voided(gateway.measures, call, record)
    return settled


def _commit(gateway: Gateway, call: Call, write: Post | Void) -> Settled:
    """Settle, trying again for some seconds where the database is busy: a settlement is idempotent,
    and the answer it belongs to was bought already. Raises `DatabaseBusy` where it stays out."""
    if call.running is not None:
        call.running.release()
    for pause_s in RETRY_PAUSES_S:
        try:
            return cast(Settled, gateway.writer.submit(write))
        except DatabaseBusy:
            time.sleep(pause_s)
    return cast(Settled, gateway.writer.submit(write))


def alarm(gateway: Gateway, kind: AlertKind, subject: str, message: str) -> None:
    """Raise an alert, once a minute for one cause, without letting its failure hurt the call."""
    if not gateway.is_news((kind, subject)):
        return
    log.warning(message, extra={"alert": kind.value, "subject": subject})
    try:
        gateway.writer.submit(alert_write(kind=kind, subject=subject, message=message))
    except AppError:
        log.exception("an alert was not stored")


def warn_of_substitute(gateway: Gateway, call: Call, *, model: object, tier: object) -> None:
    """Raise an alarm where an answer names another model or tier than the one priced."""
    route = call.route
    assert route is not None
    found = []
    is_named = isinstance(model, str) and model and model != route.upstream_name
    if is_named and names_other_model(route.upstream_name, str(model)):
        found.append(f"asked for {route.upstream_name}, the answer names {str(model)[:80]}")
    if isinstance(tier, str) and tier and tier not in DEFAULT_TIERS:
        found.append(f"the answer names the service tier {tier[:40]}")
    if found:
        alarm(
            gateway,
            AlertKind.IMPLAUSIBLE_USAGE,
            f"{route.channel_name}/{call.offer.name}",
            f"{call.inbound.request_id}: {'; '.join(found)}.",
        )


def _alarm(
    gateway: Gateway, call: Call, bill: Charge, settled: Settled, upstream_cost_nanos: int | None
) -> None:
    if upstream_cost_nanos is not None and upstream_cost_nanos > bill.cost_nanos:
        assert call.route is not None
        alarm(
            gateway,
            AlertKind.SALE_BELOW_COST,
            f"{call.route.channel_name}/{call.offer.name}",
            f"{call.inbound.request_id} cost {format_usd(upstream_cost_nanos)} USD and was billed "
            f"{format_usd(bill.cost_nanos)}.",
        )
    if settled.written_off_nanos:
        alarm(
            gateway,
            AlertKind.WRITE_OFF,
            call.offer.name,
            f"{call.inbound.request_id} cost more than was held and available.",
        )
    if bill.verdict not in (None, Verdict.PLAUSIBLE):
        assert call.route is not None
        alarm(
            gateway,
            AlertKind.IMPLAUSIBLE_USAGE,
            f"{call.route.channel_name}/{call.offer.name}",
            f"{call.inbound.request_id}: reported usage was not believed ({bill.verdict}).",
        )


def _reported(bill: Charge, provider_facts: dict[str, Any] | None) -> str | None:
    """What the provider said, where the units do not already say it all."""
    kept: dict[str, Any] = {}
    if bill.reported is not None and bill.verdict is not Verdict.PLAUSIBLE:
        kept["usage"] = bill.reported
    if provider_facts:
        kept["facts"] = provider_facts
    return _short_json(kept) if kept else None


def _short_json(value: dict[str, Any]) -> str:
    """At most 4 KiB: a provider must not fill our books."""
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return '{"unreadable":true}'
    return text if len(text) <= 4096 else '{"too_large":true}'
