"""Answers of our own: errors in OpenAI's dialect, and the receipt on answers sent whole."""

from app.core.errors import AppError
from app.core.money import format_usd
from app.domain.accounts.models import KeyScope
from app.domain.billing.settle import Settled
from app.gateway.errors import error_body
from app.gateway.inbound import Headers, Inbound, Reply, json_reply


def error_reply(error: AppError, inbound: Inbound, *, is_spent: bool = False) -> Reply:
    """An error. `is_spent`: our own attempts are used up, so that an SDK should not repeat them."""
    headers: Headers = []
    if error.retry_after_s is not None:
        headers.append(("Retry-After", str(error.retry_after_s)))
    if is_spent:
        headers.append(("X-Should-Retry", "false"))
    return json_reply(
        error.status, error_body(error), request_id=inbound.request_id, headers=headers
    )


def receipt_headers(settled: Settled, scope: KeyScope) -> Headers:
    """What the call cost and what is left, as far as this key may know."""
    headers = [("X-Cost-Usd", format_usd(settled.cost_nanos))]
    if settled.balances is not None:
        headers.append(("X-Balance-Usd", format_usd(settled.balances.balance(scope))))
    return headers


def stream_headers(inbound: Inbound) -> Headers:
    return [
        ("Content-Type", "text/event-stream; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("X-Accel-Buffering", "no"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Request-Id", inbound.request_id),
    ]
