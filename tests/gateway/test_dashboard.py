"""The old billing addresses, as one-api, NextChat and their kin read them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.core import clock
from app.core.money import parse_usd
from app.domain.accounts.models import ApiKey, KeyScope, KeyState, User
from app.domain.catalog.selling import find_model
from app.domain.usage.listing import id_at
from tests.conftest import FrozenTime
from tests.domain.usage.calls import make_call
from tests.factories import make_key
from tests.gateway.shop import PLENTY_NANOS, Customer, Shop, in_an_hour

BILLING = "/v1/dashboard/billing"
USAGE = {"usage": {"prompt_tokens": 3_000, "completion_tokens": 3_500}}  # ten million nanos
USAGE_NANOS = 10_000_000
LONG = [{"role": "user", "content": "word " * 3_000}]


@pytest.fixture(autouse=True)
def _standing_clock() -> Iterator[None]:
    """No midnight within a test."""
    now_s = clock.now_s()
    with clock.use_source(lambda: now_s):
        yield


def ask(shop: Shop, customer: Customer, path: str, prefix: str = BILLING) -> TestResponse:
    return shop.app.test_client().get(f"{prefix}/{path}", headers=customer.headers)


def read(shop: Shop, customer: Customer, path: str, prefix: str = BILLING) -> dict[str, Any]:
    answer = ask(shop, customer, path, prefix)
    assert answer.status_code == 200, answer.json
    return answer.json


def spend(shop: Shop, customer: Customer) -> None:
    """One call of exactly `USAGE_NANOS`: one cent."""
    answer = shop.chat(customer, messages=LONG, max_tokens=3_500, sandbox=USAGE)
    assert parse_usd(answer.headers["X-Cost-Usd"]) == USAGE_NANOS


def left_as_one_api_reads_it(shop: Shop, customer: Customer) -> float:
    """`updateOpenAIBalance` of one-api and new-api: the calendar month, with a payment method."""
    subscription = read(shop, customer, "subscription")
    today = clock.now().date()
    start = today.replace(day=1) if subscription["has_payment_method"] else today
    usage = read(shop, customer, f"usage?start_date={start}&end_date={today}")
    return subscription["hard_limit_usd"] - usage["total_usage"] / 100


def test_subscription_has_the_members_that_clients_read(shop: Shop):
    customer = shop.customer(paid_nanos=1_500_000_000, trial_nanos=200_000_000)
    assert read(shop, customer, "subscription") == {
        "object": "billing_subscription",
        "has_payment_method": True,
        "soft_limit_usd": 1.7,
        "hard_limit_usd": 1.7,
        "system_hard_limit_usd": 1.7,
        "access_until": 0,
    }


def test_what_is_left_is_limit_less_usage(shop: Shop):
    customer = shop.customer(paid_nanos=1_000_000_000)
    assert left_as_one_api_reads_it(shop, customer) == 1.0
    spend(shop, customer)
    spend(shop, customer)
    assert left_as_one_api_reads_it(shop, customer) == pytest.approx(0.98)
    assert read(shop, customer, "subscription")["hard_limit_usd"] == 1.0


def test_next_chat_asks_without_the_v1(shop: Shop):
    customer = shop.customer(paid_nanos=1_000_000_000)
    spend(shop, customer)
    for path in ("subscription", "usage"):
        bare = read(shop, customer, path, prefix="/dashboard/billing")
        assert bare == read(shop, customer, path)


def test_usage_is_in_cents_by_day_and_model(shop: Shop):
    customer = shop.customer()
    spend(shop, customer)
    usage = read(shop, customer, "usage")
    today = clock.now().date()
    assert (usage["object"], usage["total_usage"]) == ("list", 1.0)
    assert len(usage["daily_costs"]) == today.day
    day = usage["daily_costs"][-1]
    assert datetime.fromtimestamp(day["timestamp"], UTC).date() == today
    assert day["line_items"] == [{"name": "talk", "cost": 1.0}]
    assert all(other["line_items"] == [] for other in usage["daily_costs"][:-1])


def test_days_are_chosen_by_their_dates(shop: Shop):
    customer = shop.customer()
    spend(shop, customer)
    today = clock.now().date()
    yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)
    for start, end, cents in (
        (today, today, 1.0),
        (yesterday, tomorrow, 1.0),
        (yesterday, yesterday, 0.0),
        (tomorrow, tomorrow, 0.0),
        (today - timedelta(days=100), today, 1.0),
    ):
        asked = f"usage?start_date={start}&end_date={end}"
        usage = read(shop, customer, asked)
        assert usage["total_usage"] == cents, asked
        assert len(usage["daily_costs"]) == (end - start).days + 1


def test_other_keys_calls_are_not_counted(shop: Shop):
    customer, stranger = shop.customer(), shop.customer()
    with shop.session() as session:
        user = session.get_one(User, customer.user_id)
        made, secret = make_key(session, shop.services.digester, user)
        sibling = Customer(user.id, made.id, secret)
    spend(shop, customer)
    for other in (stranger, sibling):
        assert read(shop, other, "usage")["total_usage"] == 0.0
    left = (PLENTY_NANOS - USAGE_NANOS) / 10**9
    assert read(shop, sibling, "subscription")["hard_limit_usd"] == left


def test_trial_key_sees_its_trial_money_alone(shop: Shop):
    customer = shop.trial_customer(trial_nanos=200_000_000, paid_nanos=PLENTY_NANOS)
    spend(shop, customer)
    assert read(shop, customer, "subscription")["hard_limit_usd"] == 0.2
    assert left_as_one_api_reads_it(shop, customer) == pytest.approx(0.19)


def test_cap_bounds_what_is_left(shop: Shop):
    customer = shop.customer(cap_nanos=50_000_000)
    spend(shop, customer)
    assert read(shop, customer, "subscription")["hard_limit_usd"] == 0.05
    assert left_as_one_api_reads_it(shop, customer) == pytest.approx(0.04)


def test_expiry_is_told_in_unix_time(shop: Shop):
    expires_at = in_an_hour()
    customer = shop.customer(expires_at=expires_at)
    until = read(shop, customer, "subscription")["access_until"]
    assert until == int(expires_at.timestamp())


def test_last_month_is_not_in_this_months_limit(shop: Shop):
    customer = shop.customer(paid_nanos=1_000_000_000)
    last_month = clock.now().replace(day=1) - timedelta(days=3)
    with shop.session() as session:
        _old_call(session, customer, last_month)
    assert read(shop, customer, "subscription")["hard_limit_usd"] == 1.0
    assert read(shop, customer, "usage")["total_usage"] == 0.0
    day = last_month.date()
    assert read(shop, customer, f"usage?start_date={day}&end_date={day}")["total_usage"] == 0.0001


def test_parameters_that_clients_add_are_left_alone(shop: Shop):
    assert ask(shop, shop.customer(), "usage?_=1764000000&format=json").status_code == 200


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("start_date=yesterday", "invalid_moment", "start_date"),
        ("end_date=2026-02-30", "invalid_moment", "end_date"),
        ("start_date=2026-11-24&end_date=2026-11-22", "invalid_parameter", "start_date"),
        ("start_date=2026-01-01&end_date=2026-11-24", "invalid_parameter", "start_date"),
        ("start_date=2000-01-01", "invalid_parameter", "start_date"),
        ("start_date=a&start_date=b", "invalid_query", None),
        ("start_date=%FF", "invalid_query", None),
    ],
)
def test_dates_that_are_not_understood_are_400(
    shop: Shop, query: str, code: str, param: str | None
):
    answer = ask(shop, shop.customer(), f"usage?{query}")
    error = answer.json["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("prefix", [BILLING, "/dashboard/billing"])
def test_strangers_and_waiting_keys_are_refused_in_openais_shape(shop: Shop, prefix: str):
    pending = shop.customer(scope=KeyScope.TRIAL, state=KeyState.PENDING)
    for path in ("subscription", "usage"):
        unknown = shop.app.test_client().get(f"{prefix}/{path}")
        assert (unknown.status_code, unknown.json["error"]["code"]) == (401, "invalid_api_key")
        waiting = ask(shop, pending, path, prefix)
        assert (waiting.status_code, waiting.json["error"]["code"]) == (403, "key_pending_approval")
        wrong = shop.app.test_client().post(f"{prefix}/{path}")
        assert (wrong.status_code, wrong.json["error"]["code"]) == (405, "method_not_allowed")
    missing = shop.app.test_client().get(f"{prefix}/nothing")
    assert (missing.status_code, missing.json["error"]["code"]) == (404, "not_found")


def test_asking_is_limited_by_key_and_minute(shop: Shop, frozen_time: FrozenTime):
    customer, other = shop.customer(), shop.customer()
    statuses = {ask(shop, customer, "subscription").status_code for _ in range(60)}
    assert statuses == {200}
    refused = ask(shop, customer, "usage")
    assert (refused.status_code, refused.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert ask(shop, other, "usage").status_code == 200


def test_figures_are_the_same_on_either_database(any_shop: Shop):
    customer = any_shop.customer(paid_nanos=1_000_000_000)
    spend(any_shop, customer)
    assert left_as_one_api_reads_it(any_shop, customer) == pytest.approx(0.99)


def _old_call(session: Session, customer: Customer, moment: datetime) -> None:
    key = session.get_one(ApiKey, customer.key_id)
    make_call(session, key, find_model(session, "talk"), id=id_at(moment))
