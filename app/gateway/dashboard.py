"""``/v1/dashboard/billing/…``: limit and usage in the old form that chat clients still read.

They compute what is left as ``hard_limit_usd - total_usage / 100``. Where ``has_payment_method`` is
true, one-api and its kin count the usage of the calendar month, and so does NextChat always; so the
limit is what this key may still spend plus what it spent this month (UTC). NextChat asks without
the ``/v1``.

Numbers are floats at this edge alone, rendered from exact nanos: clients expect JSON numbers.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import AppError
from app.core.moments import parse_end, parse_start
from app.core.money import NANOS_PER_USD
from app.core.query_parameters import read_any_parameters
from app.core.ratelimit import Quota
from app.domain.accounts.models import ApiKey
from app.domain.billing.spending import look_spending
from app.domain.usage.listing import CallRange, id_at
from app.domain.usage.totals import DayTotal, charged_by_day
from app.gateway.authentication import Caller
from app.gateway.errors import InvalidParameter
from app.gateway.gateway import Gateway
from app.gateway.inbound import Inbound, Reply, json_reply
from app.gateway.rates import RETRY_AFTER_MAX_S
from app.gateway.replies import error_reply

RANGE_DAYS_MAX = 100
REQUESTS_PER_MINUTE = 60

_NANOS_PER_CENT = NANOS_PER_USD // 100
_DAY = timedelta(days=1)


def show_subscription(gateway: Gateway, inbound: Inbound) -> Reply:
    """The limit of this key, as one number in dollars."""
    return _answered(gateway, inbound, _subscription)


def show_usage(gateway: Gateway, inbound: Inbound) -> Reply:
    """What this key's calls were charged, in cents, by day and model."""
    return _answered(gateway, inbound, _usage)


def _answered(
    gateway: Gateway,
    inbound: Inbound,
    answer: Callable[[Gateway, Caller, Mapping[str, str]], dict[str, Any]],
) -> Reply:
    try:
        caller = gateway.keys.authenticate(inbound)
        quota = Quota("dashboard", str(caller.key_id), amount=REQUESTS_PER_MINUTE)
        gateway.limiter.require(quota, longest_wait_s=RETRY_AFTER_MAX_S)
        parameters = read_any_parameters(inbound.environ.get("QUERY_STRING", ""))
        body = orjson.dumps(answer(gateway, caller, parameters))
    except AppError as error:
        return error_reply(error, inbound)
    return json_reply(200, body, request_id=inbound.request_id)


def _subscription(
    gateway: Gateway, caller: Caller, parameters: Mapping[str, str]
) -> dict[str, Any]:
    with Session(gateway.engine) as session:
        spending = look_spending(
            session, user_id=caller.user_id, scope=caller.scope, cap_id=caller.cap_id
        )
        spent = charged_by_day(session, _range(caller, *_this_month(clock.now())))
        expires_at = session.scalar(select(ApiKey.expires_at).where(ApiKey.id == caller.key_id))
    limit_usd = (spending.unspent_nanos + _sum(spent)) / NANOS_PER_USD
    return {
        "object": "billing_subscription",
        "has_payment_method": True,
        "soft_limit_usd": limit_usd,
        "hard_limit_usd": limit_usd,
        "system_hard_limit_usd": limit_usd,
        "access_until": 0 if expires_at is None else int(expires_at.timestamp()),
    }


def _usage(gateway: Gateway, caller: Caller, parameters: Mapping[str, str]) -> dict[str, Any]:
    start, end = _asked_range(parameters)
    with Session(gateway.engine) as session:
        totals = charged_by_day(session, _range(caller, start, end))
    return {
        "object": "list",
        "total_usage": _sum(totals) / _NANOS_PER_CENT,
        "daily_costs": _daily_costs(totals, start, end),
    }


def _asked_range(parameters: Mapping[str, str]) -> tuple[datetime, datetime]:
    """From `start_date` to the end of `end_date`; this month up to today where they are left out.

    Raises InvalidMoment, InvalidParameter.
    """
    month_start, tomorrow = _this_month(clock.now())
    asked_start, asked_end = parameters.get("start_date"), parameters.get("end_date")
    end = tomorrow if asked_end is None else parse_end(asked_end, field="end_date")
    start = month_start if asked_start is None else parse_start(asked_start, field="start_date")
    if start >= end:
        raise InvalidParameter("start_date must not be after end_date.", field="start_date")
    if end - start > (RANGE_DAYS_MAX + 1) * _DAY:
        raise InvalidParameter(
            f"start_date and end_date may be at most {RANGE_DAYS_MAX} days apart.",
            field="start_date",
        )
    return start, end


def _this_month(now: datetime) -> tuple[datetime, datetime]:
    """The first midnight of the month, and the next one (UTC)."""
    midnight = datetime.combine(now.date(), time(), UTC)
    return midnight.replace(day=1), midnight + _DAY


def _range(caller: Caller, start: datetime, end: datetime) -> CallRange:
    return CallRange(caller.user_id, caller.key_id, from_id=id_at(start), before_id=id_at(end))


def _sum(totals: tuple[DayTotal, ...]) -> int:
    return sum(total.charged_nanos for total in totals)


def _daily_costs(
    totals: tuple[DayTotal, ...], start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """Every day of the range, also one without costs; `cost` in cents."""
    days: dict[datetime, list[dict[str, Any]]] = {}
    midnight = datetime.combine(start.date(), time(), UTC)
    while midnight < end:
        days[midnight] = []
        midnight += _DAY
    for total in totals:
        line = {"name": total.model_name, "cost": total.charged_nanos / _NANOS_PER_CENT}
        days[datetime.combine(total.day, time(), UTC)].append(line)
    return [
        {"timestamp": day.timestamp(), "line_items": lines} for day, lines in sorted(days.items())
    ]
