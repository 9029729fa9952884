"""What a key's holder may ask. Every answer shows only what the presenting key may spend, and its
own records."""

from typing import Any

from flask import Response

from app.api import envelope
from app.api.authentication import KeyHolder, authenticate
from app.core.database import db, in_session
from app.core.ids import parse_request_id, request_id
from app.core.money import convert, format_usd
from app.domain.accounts.models import KeyScope
from app.domain.billing import ledger
from app.domain.usage.receipts import Receipt, find_receipt
from app.services import services


def balance() -> Response:
    """The balance: both buckets for a full key, the trial bucket alone for a trial key."""
    holder = _holder()
    wallet = ledger.look(in_session(db.session()), user_id=holder.user.id)
    scope = holder.key.scope
    total_nanos = wallet.balance(scope)
    rate = services().settings.current()["rate_cny"]
    return envelope.success(
        {
            "balance": format_usd(total_nanos),
            "trial": format_usd(wallet.trial_balance),
            "paid": "0" if scope is KeyScope.TRIAL else format_usd(wallet.paid_balance),
            "held": format_usd(wallet.held(scope)),
            "cny_balance": convert(total_nanos, rate),
        }
    )


def show_usage(public_id: str) -> Response:
    """One request's receipt; 202 while it runs."""
    holder = _holder()
    receipt = find_receipt(db.session(), call_id=parse_request_id(public_id), key_id=holder.key.id)
    response = envelope.success(_shown(receipt))
    response.status_code = 202 if receipt.is_running else 200
    return response


def _holder() -> KeyHolder:
    return authenticate(db.session(), services().digester)


def _shown(receipt: Receipt) -> dict[str, Any]:
    call = receipt.call
    return {
        "request_id": request_id(call.id),
        "client_request_id": call.client_request_id,
        "model": receipt.model_name,
        "state": "running" if receipt.is_running else call.state.value,
        "status": call.status,
        "reason": call.reason,
        "is_streamed": call.is_streamed,
        "is_estimated": bool(call.is_estimated),
        "lines": [
            {
                "unit": line.unit.value,
                "quantity": line.quantity,
                "usd_per_million": format_usd(line.nanos_per_million),
            }
            for line in receipt.lines
        ],
        "held_usd": format_usd(receipt.held_nanos),
        "cost_usd": None if receipt.is_running else format_usd(receipt.cost_nanos),
        "charged_usd": None if receipt.is_running else format_usd(receipt.charged_nanos),
        "trial_usd": format_usd(call.trial_cost_nanos or 0),
        "paid_usd": format_usd(receipt.charged_nanos - (call.trial_cost_nanos or 0)),
        "first_content_ms": call.first_content_ms,
        "duration_ms": call.duration_ms,
    }
