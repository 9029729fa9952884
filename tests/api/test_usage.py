"""A key's own requests: listed by pages, and each with its receipt."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from app.core import clock
from app.core.ids import request_id
from app.domain.accounts.models import KeyScope
from tests.api.asking import ask, refusal, running_call, sibling_of
from tests.gateway.shop import Customer, Shop

USAGE = {"usage": {"prompt_tokens": 30, "completion_tokens": 7}}


@pytest.fixture(autouse=True)
def _standing_clock() -> Iterator[None]:
    """No midnight within a test."""
    now_s = clock.now_s()
    with clock.use_source(lambda: now_s):
        yield


def listed(shop: Shop, customer: Customer, **parameters: Any) -> dict[str, Any]:
    """The page that these parameters ask for; `from_` stands for from."""
    named = {name.rstrip("_"): value for name, value in parameters.items()}
    answer = ask(shop, f"/api/usage?{urlencode(named)}", customer)
    assert answer.status_code == 200, answer.json
    return answer.json["data"]


def ids_of(page: dict[str, Any]) -> list[str]:
    return [row["request_id"] for row in page["requests"]]


def chat_ids(shop: Shop, customer: Customer, count: int, **members: Any) -> list[str]:
    """Make calls; their request ids, newest first."""
    made = [shop.chat(customer, **members).headers["X-Request-Id"] for _ in range(count)]
    return made[::-1]


def test_row_is_the_receipt_without_its_lines(shop: Shop):
    customer = shop.customer()
    answer = shop.chat(
        customer,
        sandbox=USAGE,
        max_tokens=50,
        headers={"X-Client-Request-Id": "label-1"},
    )
    public_id = answer.headers["X-Request-Id"]
    page = listed(shop, customer)
    receipt = ask(shop, f"/api/usage/{public_id}", customer).json["data"]
    assert (receipt.pop("lines") != [], receipt.pop("refunded_usd")) == (True, "0")
    assert page == {"requests": [receipt], "next_cursor": None}
    assert (receipt["client_request_id"], receipt["model"]) == ("label-1", "talk")
    made = datetime.fromisoformat(receipt["created_at"])
    assert abs(clock.now() - made) < timedelta(seconds=1)


def test_pages_follow_each_other_to_the_end(shop: Shop):
    customer = shop.customer()
    made = chat_ids(shop, customer, 5)
    first = listed(shop, customer, limit=2)
    second = listed(shop, customer, limit=2, cursor=first["next_cursor"])
    chat_ids(shop, customer, 1)  # newer than both pages: it moves nothing
    third = listed(shop, customer, limit=2, cursor=second["next_cursor"])
    assert ids_of(first) + ids_of(second) + ids_of(third) == made
    assert third["next_cursor"] is None


def test_running_and_failed_requests_are_listed(shop: Shop):
    customer = shop.customer()
    with running_call(shop, customer):
        (row,) = listed(shop, customer)["requests"]
        assert (row["state"], row["cost_usd"], row["status"]) == ("running", None, None)
    shop.chat(customer, sandbox={"behave": "status", "status": 500})
    newest = listed(shop, customer)["requests"][0]
    assert (newest["state"], newest["charged_usd"], newest["status"]) == ("voided", "0", 502)


def test_model_and_time_narrow_the_list(shop: Shop):
    customer = shop.customer()
    (talk,) = chat_ids(shop, customer, 1)
    (think,) = chat_ids(shop, customer, 1, model="thinker")
    now = clock.now()
    today, hour = now.date().isoformat(), timedelta(hours=1)
    assert ids_of(listed(shop, customer, model="thinker")) == [think]
    assert ids_of(listed(shop, customer, model="unheard-of")) == []
    assert ids_of(listed(shop, customer, from_=today, to=today)) == [think, talk]
    assert ids_of(listed(shop, customer, from_=(now + hour).isoformat())) == []
    assert ids_of(listed(shop, customer, to=(now - hour).isoformat())) == []
    assert ids_of(listed(shop, customer, from_="2099-12-31")) == []


def test_other_keys_see_none_of_it(shop: Shop):
    customer = shop.customer(trial_nanos=200_000_000)
    others = (
        shop.customer(),
        sibling_of(shop, customer),
        sibling_of(shop, customer, KeyScope.TRIAL),
    )
    chat_ids(shop, customer, 3)
    cursor = listed(shop, customer, limit=1)["next_cursor"]
    for other in others:
        assert listed(shop, other) == {"requests": [], "next_cursor": None}
        answer = ask(shop, f"/api/usage?cursor={cursor}", other)
        assert refusal(answer) == (400, "invalid_cursor", "cursor")


def test_trial_key_sees_its_own_requests(shop: Shop):
    customer = shop.trial_customer()
    (made,) = chat_ids(shop, customer, 1, max_tokens=50)
    (row,) = listed(shop, customer)["requests"]
    assert (row["request_id"], row["paid_usd"]) == (made, "0")
    assert row["trial_usd"] == row["charged_usd"] != "0"


@pytest.mark.parametrize(
    ("query", "reason", "field"),
    [
        ("form=2026-11-24", "unknown_parameter", "form"),
        ("user_id=10001", "unknown_parameter", "user_id"),
        ("limit=5&limit=6", "invalid_query", None),
        ("limit=0", "invalid_parameter_value", "limit"),
        ("limit=201", "invalid_parameter_value", "limit"),
        ("limit=-1", "invalid_parameter_value", "limit"),
        ("limit=1e2", "invalid_parameter_value", "limit"),
        ("limit=", "invalid_parameter_value", "limit"),
        ("limit=%D9%A5", "invalid_parameter_value", "limit"),
        ("from=yesterday", "invalid_moment", "from"),
        ("from=2026-02-30", "invalid_moment", "from"),
        ("to=", "invalid_moment", "to"),
        ("from=2026-11-25&to=2026-11-23", "invalid_parameter_value", "from"),
        ("model=", "invalid_parameter_value", "model"),
        ("model=%00", "invalid_parameter_value", "model"),
        (f"model={'x' * 129}", "invalid_parameter_value", "model"),
        ("cursor=", "invalid_cursor", "cursor"),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "invalid_cursor", "cursor"),
        ("cursor=req_aaaaaaaaaaaaa", "invalid_cursor", "cursor"),
        ("cursor=%FF", "invalid_query", None),
    ],
)
def test_what_is_not_understood_is_400(shop: Shop, query: str, reason: str, field: str | None):
    assert refusal(ask(shop, f"/api/usage?{query}", shop.customer())) == (400, reason, field)


def test_from_and_to_may_be_one_day_or_one_moment(shop: Shop):
    customer = shop.customer()
    moment = "2026-11-24T00:00:00Z"
    assert listed(shop, customer, from_="2026-11-24", to="2026-11-24")["requests"] == []
    assert listed(shop, customer, from_=moment, to=moment)["requests"] == []


def test_list_is_the_same_on_either_database(any_shop: Shop):
    customer = any_shop.customer()
    made = chat_ids(any_shop, customer, 3)
    first = listed(any_shop, customer, limit=2, model="talk")
    second = listed(any_shop, customer, limit=2, model="talk", cursor=first["next_cursor"])
    assert ids_of(first) + ids_of(second) == made
    assert second["next_cursor"] is None


def test_receipt_shows_the_arithmetic_of_the_cost(shop: Shop):
    customer = shop.customer()
    answer = shop.chat(
        customer,
        sandbox={"usage": {"prompt_tokens": 30, "completion_tokens": 7}},
        max_tokens=50,
    )
    receipt = ask(shop, f"/api/usage/{answer.headers['X-Request-Id']}", customer).json["data"]
    lines = {line["unit"]: line for line in receipt["lines"]}
    assert {unit: line["quantity"] for unit, line in lines.items()} == {"input": 30, "output": 7}
    assert receipt["cost_usd"] == receipt["charged_usd"] == answer.headers["X-Cost-Usd"]
    assert (receipt["state"], receipt["status"], receipt["is_estimated"]) == ("posted", 200, False)
    assert (receipt["trial_usd"], receipt["paid_usd"]) == ("0", receipt["cost_usd"])


def test_receipt_of_a_running_request_is_202(shop: Shop):
    customer = shop.customer()
    with running_call(shop, customer):
        path = f"/api/usage/{request_id(shop.only_call().id)}"
        answer = ask(shop, path, customer)
        assert answer.status_code == 202
        assert answer.json["data"]["state"] == "running"
        assert answer.json["data"]["cost_usd"] is None
    assert ask(shop, path, customer).status_code == 200


def test_receipt_of_a_failed_request_says_why_and_costs_nothing(shop: Shop):
    customer = shop.customer()
    answer = shop.chat(customer, sandbox={"behave": "status", "status": 500})
    receipt = ask(shop, f"/api/usage/{answer.headers['X-Request-Id']}", customer).json["data"]
    assert (receipt["state"], receipt["cost_usd"], receipt["lines"]) == ("voided", "0", [])
    assert (receipt["status"], receipt["reason"]) == (502, "upstream_error")


def test_another_keys_request_is_404_with_the_same_body_as_none(shop: Shop):
    customer, stranger = shop.customer(), shop.customer()
    theirs = shop.chat(customer).headers["X-Request-Id"]
    none = ask(shop, "/api/usage/req_aaaaaaaaaaaaa", stranger)
    assert none.status_code == 404
    for who in (stranger, sibling_of(shop, customer)):
        answer = ask(shop, f"/api/usage/{theirs}", who)
        assert (answer.status_code, answer.json) == (404, none.json)


def test_text_that_is_no_request_id_is_404(shop: Shop):
    customer = shop.customer()
    for text in ("x", "req_", "req_!!!!!!!!!!!!!", "REQ_AAAAAAAAAAAAA", "1", "req_7777777777777"):
        assert ask(shop, f"/api/usage/{text}", customer).status_code == 404
