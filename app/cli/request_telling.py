"""A request's dossier as JSON for programs, and as lines for people."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from app.core import ids
from app.core.money import format_usd
from app.domain.billing.models import CallState, Transfer, trial_account_id
from app.domain.catalog.pricing import LineItem
from app.domain.usage.dossiers import Arithmetic, Dossier

_LABEL = 14


def facts_of(dossier: Dossier) -> dict[str, Any]:
    """Everything on record, as plain JSON data; money in USD."""
    call, user, key, model = dossier.call, dossier.user, dossier.key, dossier.model
    return {
        "id": ids.request_id(call.id),
        "number": call.id,
        "client_request_id": call.client_request_id,
        "state": "running" if call.state is CallState.PENDING else call.state.value,
        "status": call.status,
        "reason": call.reason,
        "user": {"id": call.user_id, "email": None if user is None else user.email},
        "key": {
            "id": call.key_id,
            "name": None if key is None else key.name,
            "prefix": None if key is None else key.prefix,
            "scope": call.scope.value,
        },
        "model": None if model is None else model.name,
        "protocol": call.protocol,
        "is_streamed": call.is_streamed,
        "channel": dossier.channel_name,
        "times": {
            "started_at": dossier.call.started_at.isoformat(),
            "settled_at": None if call.settled_at is None else call.settled_at.isoformat(),
            "deadline_at": call.deadline_at.isoformat(),
            "first_content_ms": call.first_content_ms,
            "duration_ms": call.duration_ms,
        },
        "attempts": [
            {
                "channel": attempt.channel,
                "outcome": attempt.outcome,
                "status": attempt.status,
                "duration_ms": attempt.duration_ms,
            }
            for attempt in dossier.attempts
        ],
        "money": _money_of(dossier),
        "price": _arithmetic_of(dossier.price),
        "cost": _arithmetic_of(dossier.cost),
        "refunds": [_refund_of(transfer) for transfer in dossier.refunds],
        "reported": dossier.reported,
    }


def lines_of(dossier: Dossier) -> Iterator[str]:
    """The same for people, who read from what happened to what it cost."""
    facts = facts_of(dossier)
    times, money = facts["times"], facts["money"]
    key, user = facts["key"], facts["user"]
    kind = "streamed" if facts["is_streamed"] else "whole"
    yield f"{facts['id']}  {_outcome(facts)}"
    yield _line("user", f"{user['email'] or 'gone'} ({user['id']})")
    yield _line("key", f"{key['name'] or 'gone'} ({key['id']}, {key['prefix']}…), {key['scope']}")
    yield _line("model", f"{facts['model'] or 'gone'}, {facts['protocol']}, {kind}")
    if facts["client_request_id"]:
        yield _line("client's label", facts["client_request_id"])
    yield _line("began", f"{times['started_at']}{_durations(times)}")
    yield _line("settled", times["settled_at"] or f"not yet; deadline {times['deadline_at']}")
    for number, attempt in enumerate(facts["attempts"], start=1):
        yield _line(f"attempt {number}", _attempt(attempt))
    held = money["held"]
    yield _line("held", f"${held['total']} (trial {held['trial']}, paid {held['paid']})")
    if money["charged"] is not None:
        yield from _bill(facts, money)
    if facts["reported"] is not None:
        # Escaped: what a provider sent must not steer the operator's terminal.
        yield _line("reported", json.dumps(facts["reported"]))


def _money_of(dossier: Dossier) -> dict[str, Any]:
    call = dossier.call
    is_settled = call.state is not CallState.PENDING
    trial = call.trial_cost_nanos or 0
    held = {"trial": call.held_trial_nanos, "paid": call.held_paid_nanos}
    charged = {"trial": trial, "paid": dossier.call.charged_nanos - trial}
    margin, upstream = dossier.margin_nanos, call.upstream_cost_nanos
    return {
        "held": _split(held),
        "cost": format_usd(call.cost_nanos or 0) if is_settled else None,
        "charged": _split(charged) if is_settled else None,
        "written_off": format_usd(call.written_off_nanos or 0),
        "refunded": format_usd(dossier.refunded_nanos),
        "upstream_cost": None if upstream is None else format_usd(upstream),
        "margin": None if margin is None else format_usd(margin),
        "is_estimated": bool(call.is_estimated),
    }


def _split(nanos: dict[str, int]) -> dict[str, str]:
    parts = {bucket: format_usd(amount) for bucket, amount in nanos.items()}
    return {"total": format_usd(sum(nanos.values())), **parts}


def _arithmetic_of(arithmetic: Arithmetic | None) -> dict[str, Any] | None:
    if arithmetic is None:
        return None
    return {
        "version": arithmetic.version_id,
        "effective_at": arithmetic.effective_at.isoformat(),
        "author": arithmetic.author,
        "reason": arithmetic.reason,
        "lines": [
            {
                "unit": line.unit.value,
                "quantity": line.quantity,
                "usd_per_million": format_usd(line.nanos_per_million),
                "usd": _exact_usd(line),
            }
            for line in arithmetic.lines
        ],
    }


def _exact_usd(line: LineItem) -> str:
    """A line is not rounded, only their sum is: up to 15 decimals."""
    text = format(Decimal(line.numerator).scaleb(-15), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _refund_of(transfer: Transfer) -> dict[str, Any]:
    assert transfer.user_id is not None
    is_trial = transfer.credit_account_id == trial_account_id(transfer.user_id)
    return {
        "at": transfer.at.isoformat(),
        "amount": format_usd(transfer.amount_nanos),
        "bucket": "trial" if is_trial else "paid",
        "actor": transfer.actor,
        "reason": transfer.reason,
        "reference": transfer.reference,
    }


def _bill(facts: dict[str, Any], money: dict[str, Any]) -> Iterator[str]:
    charged = money["charged"]
    estimated = ", estimated" if money["is_estimated"] else ""
    yield from _sum(f"price version {{}}{estimated}", facts["price"], money["cost"], "cost")
    yield _line(
        "charged", f"${charged['total']} (trial {charged['trial']}, paid {charged['paid']})"
    )
    if money["written_off"] != "0":
        yield _line("written off", f"${money['written_off']}")
    for refund in facts["refunds"]:
        told = f"${refund['amount']} {refund['bucket']}, {refund['at']}"
        yield _line("refunded", f"{told}  {refund['actor']}: {refund['reason']}")
    if money["upstream_cost"] is None:
        yield _line("channel's cost", "not known")
        return
    yield from _sum("cost version {}", facts["cost"], money["upstream_cost"], "channel's cost")
    yield _line("margin", f"${money['margin']}")


def _sum(title: str, arithmetic: dict[str, Any] | None, total: str, label: str) -> Iterator[str]:
    """The lines of a version and what they come to."""
    if arithmetic is not None and arithmetic["lines"]:
        since = arithmetic["effective_at"]
        yield _line("", f"{title.format(arithmetic['version'])}, in force since {since}")
        for line in arithmetic["lines"]:
            product = f"{line['quantity']:>12} x {line['usd_per_million']} / million"
            yield _line("", f"  {line['unit']:<18} {product} = ${line['usd']}")
    yield _line(label, f"${total}")


def _outcome(facts: dict[str, Any]) -> str:
    status = "" if facts["status"] is None else f" {facts['status']}"
    reason = "" if facts["reason"] is None else f", {facts['reason']}"
    return f"{facts['state']}{status}{reason}"


def _durations(times: dict[str, Any]) -> str:
    told = {"first content": times["first_content_ms"], "whole": times["duration_ms"]}
    return "".join(f", {name} {ms} ms" for name, ms in told.items() if ms is not None)


def _attempt(attempt: dict[str, Any]) -> str:
    status = "no answer" if attempt["status"] is None else str(attempt["status"])
    duration = "" if attempt["duration_ms"] is None else f", {attempt['duration_ms']} ms"
    return f"{attempt['channel']}: {attempt['outcome']}, {status}{duration}"


def _line(label: str, text: str) -> str:
    return f"  {label:<{_LABEL}}  {text}"
