"""Answers of our own: errors in OpenAI's dialect, and the receipt on answers sent whole."""

from app.core.errors import AppError
from app.core.money import format_usd
from app.domain.billing.settle import Settled
from app.gateway.call import Call
from app.gateway.errors import RequestAboveTokenRate, error_body
from app.gateway.inbound import Headers, Inbound, Reply, json_reply
from app.gateway.rates import Rates


def error_reply(
    error: AppError, inbound: Inbound, *, is_spent: bool = False, rates: Rates | None = None
) -> Reply:
    """An error. `is_spent`: our own attempts are used up, so that an SDK should not repeat them.
    `rates` are told with a 429."""
    inbound.facts["outcome"] = error.reason
    headers: Headers = []
    if error.retry_after_s is not None:
        headers.append(("Retry-After", str(error.retry_after_s)))
    if is_spent or isinstance(error, RequestAboveTokenRate):
        headers.append(("X-Should-Retry", "false"))
    if rates is not None and error.status == 429:
        headers += rates.headers()
    return json_reply(
        error.status, error_body(error), request_id=inbound.request_id, headers=headers
    )


def receipt_headers(settled: Settled, call: Call) -> Headers:
    """What the call cost and what is left, as far as this key may know: under a spend cap it may
    not know the wallet."""
    headers = [("X-Cost-Usd", format_usd(settled.cost_nanos))]
    if settled.balances is not None and call.hold.cap_period is None:
        headers.append(("X-Balance-Usd", format_usd(settled.balances.balance(call.caller.scope))))
    if call.rates is not None:
        headers += call.rates.headers()
    return headers


def stream_headers(call: Call) -> Headers:
    headers = [
        ("Content-Type", "text/event-stream; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("X-Accel-Buffering", "no"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Request-Id", call.inbound.request_id),
    ]
    if call.rates is not None:
        headers += call.rates.headers()
    return headers
