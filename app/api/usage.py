"""``GET /api/usage`` and ``/api/usage/{request_id}``: what the presenting key asked for, and what
each request cost. Another key's requests are not there, those of the same account included."""

from typing import Any

from flask import Response, request

from app.api import envelope
from app.api.authentication import KeyHolder, authenticate
from app.api.errors import InvalidParameterValue
from app.core.database import db
from app.core.ids import moment_ms_of, parse_request_id, request_id
from app.core.moments import parse_end, parse_start, show_ms
from app.core.money import format_usd
from app.core.pagination import Cursors
from app.core.query_parameters import read_parameters
from app.domain.usage.listing import CallPage, CallRange, id_at, list_calls
from app.domain.usage.receipts import Receipt, find_receipt
from app.services import services

PARAMETERS = ("from", "to", "model", "cursor", "limit")
LIMIT_USUAL = 50
LIMIT_MAX = 200
MODEL_NAME_MAX = 128


def show_usage(public_id: str) -> Response:
    """One request's receipt; 202 while it runs."""
    holder = authenticate(db.session(), services().digester)
    receipt = find_receipt(db.session(), call_id=parse_request_id(public_id), key_id=holder.key.id)
    response = envelope.success(
        {
            **_shown(receipt),
            "lines": _lines(receipt),
            "refunded_usd": format_usd(receipt.refunded_nanos),
        }
    )
    response.status_code = 202 if receipt.is_running else 200
    return response


def list_usage() -> Response:
    """A page of requests, newest first. It may hold fewer than `limit`, even none, and not be the
    last: go on while `next_cursor` is a text."""
    holder = authenticate(db.session(), services().digester)
    parameters = read_parameters(request.environ.get("QUERY_STRING", ""), known=PARAMETERS)
    cursors = Cursors(services().digester, f"usage of key {holder.key.id}")
    page = list_calls(
        db.session(),
        _range(holder, parameters, cursors),
        count=_limit(parameters),
        model_name=_model_name(parameters),
    )
    return envelope.success(_shown_page(page, cursors))


def _range(holder: KeyHolder, parameters: dict[str, str], cursors: Cursors) -> CallRange:
    """`from` is inside, `to` outside, but a day given as `to` counts in full."""
    within = CallRange(user_id=holder.user.id, key_id=holder.key.id)
    from_id, before_id = within.from_id, within.before_id
    if "from" in parameters:
        from_id = id_at(parse_start(parameters["from"], field="from"))
    if "to" in parameters:
        before_id = id_at(parse_end(parameters["to"], field="to"))
    if from_id > before_id:
        raise InvalidParameterValue("from must not be after to.", field="from")
    if "cursor" in parameters:
        before_id = min(before_id, cursors.read(parameters["cursor"], field="cursor"))
    return CallRange(within.user_id, within.key_id, from_id=from_id, before_id=before_id)


def _limit(parameters: dict[str, str]) -> int:
    text = parameters.get("limit", str(LIMIT_USUAL))
    limit = int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else 0
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidParameterValue(
            f"limit must be a whole number from 1 to {LIMIT_MAX}.", field="limit"
        )
    return limit


def _model_name(parameters: dict[str, str]) -> str | None:
    name = parameters.get("model")
    if name is not None and not (name.isprintable() and 0 < len(name) <= MODEL_NAME_MAX):
        raise InvalidParameterValue("model must be the name of a model.", field="model")
    return name


def _shown_page(page: CallPage, cursors: Cursors) -> dict[str, Any]:
    following = page.next_before_id
    return {
        "requests": [_shown(receipt) for receipt in page.receipts],
        "next_cursor": None if following is None else cursors.write(following),
    }


def _shown(receipt: Receipt) -> dict[str, Any]:
    call = receipt.call
    return {
        "request_id": request_id(call.id),
        "client_request_id": call.client_request_id,
        "created_at": show_ms(moment_ms_of(call.id)),
        "model": receipt.model_name,
        "state": "running" if receipt.is_running else call.state.value,
        "status": call.status,
        "reason": call.reason,
        "is_streamed": call.is_streamed,
        "is_estimated": bool(call.is_estimated),
        "held_usd": format_usd(receipt.held_nanos),
        "cost_usd": None if receipt.is_running else format_usd(receipt.cost_nanos),
        "charged_usd": None if receipt.is_running else format_usd(call.charged_nanos),
        "trial_usd": format_usd(call.trial_cost_nanos or 0),
        "paid_usd": format_usd(call.charged_nanos - (call.trial_cost_nanos or 0)),
        "first_content_ms": call.first_content_ms,
        "duration_ms": call.duration_ms,
    }


def _lines(receipt: Receipt) -> list[dict[str, Any]]:
    return [
        {
            "unit": line.unit.value,
            "quantity": line.quantity,
            "usd_per_million": format_usd(line.nanos_per_million),
        }
        for line in receipt.lines
    ]
