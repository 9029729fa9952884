"""The quote: by the rules of the call itself, and without a trace."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.core.money import format_usd, parse_usd
from app.domain.accounts.models import ApiKey
from app.domain.billing.models import Call
from app.domain.catalog.pricing import Prices, PriceSheet, Tier
from app.domain.catalog.selling import find_model, set_price
from app.domain.channels.models import UnservedHour
from tests.api.asking import refusal, running_call
from tests.conftest import FrozenTime
from tests.factories import credit
from tests.gateway.shop import (
    CHAT_PATH,
    EMBEDDINGS_PATH,
    IMAGES_PATH,
    MAX_OUTPUT_TOKENS,
    MESSAGES,
    PLENTY_NANOS,
    Customer,
    Shop,
)

PICTURE = "data:image/png;base64," + "A" * 9_000
WITH_PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}]
TALK = {"model": "talk", "messages": MESSAGES}


def send(shop: Shop, customer: Customer, raw: bytes, **headers: str) -> TestResponse:
    named = {"Content-Type": "application/json", **customer.headers, **headers}
    return shop.app.test_client().post("/api/quote", data=raw, headers=named)


def ask_quote(
    shop: Shop, customer: Customer, request: Any, endpoint: Any = CHAT_PATH
) -> TestResponse:
    body = {"endpoint": endpoint, "request": request}
    return send(shop, customer, json.dumps(body).encode())


def quoted(shop: Shop, customer: Customer, request: Any, endpoint: str = CHAT_PATH) -> dict:
    answer = ask_quote(shop, customer, request, endpoint)
    assert answer.status_code == 200, answer.json
    return answer.json["data"]


def held_by(call: Call) -> str:
    return format_usd(call.held_trial_nanos + call.held_paid_nanos)


def test_quote_of_a_plain_request(shop: Shop):
    customer = shop.customer(paid_nanos=1_000_000_000)
    quote = quoted(shop, customer, {**TALK, "max_tokens": 50})
    assert quote["model"] == "talk"
    assert quote["prices"] == [
        {"unit": "input", "usd_per_million": "1"},
        {"unit": "output", "usd_per_million": "2"},
    ]
    assert quote["tiers"] == []
    assert 8 <= quote["estimated_input_tokens"] <= 20
    assert (quote["affordable"], quote["output_limit"]) == (True, 50)
    assert (quote["available_usd"], quote["held_usd"]) == ("1", "0")
    assert quote["affordable_max_tokens"] == MAX_OUTPUT_TOKENS


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "limited": (CHAT_PATH, {**TALK, "max_tokens": 50}),
    "unlimited": (CHAT_PATH, TALK),
    "several answers": (CHAT_PATH, {**TALK, "max_completion_tokens": 30, "n": 3}),
    "streamed": (CHAT_PATH, {**TALK, "max_tokens": 20, "stream": True}),
    "reasoning": (CHAT_PATH, {**TALK, "model": "thinker"}),
    "picture sent": (CHAT_PATH, {"model": "talk", "messages": WITH_PICTURE, "max_tokens": 9}),
    "mapped": (CHAT_PATH, {**TALK, "model": "renamed"}),
    "not ASCII": (
        CHAT_PATH,
        {"model": "talk", "messages": [{"role": "user", "content": "Xin chào, 你好 🎉"}]},
    ),
    "embeddings": (EMBEDDINGS_PATH, {"model": "embed", "input": ["a", "b"], "dimensions": 4}),
    "picture by tokens": (IMAGES_PATH, {"model": "draw", "prompt": "hat", "size": "64x64"}),
    "picture by the piece": (IMAGES_PATH, {"model": "draw-each", "prompt": "hat", "n": 2}),
}


@pytest.mark.parametrize(("path", "request_"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("paid_nanos", [PLENTY_NANOS, 100_000_000])
def test_call_holds_what_was_quoted_and_costs_no_more(
    shop: Shop, path: str, request_: dict[str, Any], paid_nanos: int
):
    customer = shop.customer(paid_nanos=paid_nanos)
    quote = quoted(shop, customer, request_, path)
    answer = shop.post(customer, path, **request_)
    answer.get_data()
    if not quote["affordable"]:
        assert answer.status_code == 402
        assert answer.json["error"]["needed_usd"] == quote["needed_usd"]
        return
    assert answer.status_code == 200
    call = shop.only_call()
    assert held_by(call) == quote["needed_usd"]
    assert call.cost_nanos <= parse_usd(quote["needed_usd"])


@pytest.mark.parametrize("paid_nanos", [0, 1, 300_000, 1_100_000, 1_200_000, 3_000_000, 9_000_000])
@pytest.mark.parametrize("limit", [None, 1, 100, MAX_OUTPUT_TOKENS])
def test_small_balances_are_judged_as_the_call_judges_them(
    shop: Shop, paid_nanos: int, limit: int | None
):
    """Across the steps: a token a byte, tokenised, a smaller limit chosen, not affordable."""
    customer = shop.customer(paid_nanos=paid_nanos)
    request = TALK if limit is None else {**TALK, "max_tokens": limit}
    quote = quoted(shop, customer, request)
    answer = shop.chat(customer, **({} if limit is None else {"max_tokens": limit}))
    assert quote["affordable"] is (answer.status_code == 200)
    if answer.status_code == 200:
        assert held_by(shop.only_call()) == quote["needed_usd"]
        return
    error = answer.json["error"]
    assert {name: error[name] for name in ("needed_usd", "available_usd", "held_usd")} == {
        name: quote[name] for name in ("needed_usd", "available_usd", "held_usd")
    }
    assert error.get("affordable_max_tokens", 0) == quote["affordable_max_tokens"]


def test_largest_affordable_limit_is_exactly_that(shop: Shop):
    customer = shop.customer(paid_nanos=3_000_000)
    best = quoted(shop, customer, {**TALK, "max_tokens": 1})["affordable_max_tokens"]
    assert 0 < best < MAX_OUTPUT_TOKENS
    # As many digits each, so that the bodies are equally long.
    for limit, is_affordable in ((best, True), (best + 1, False)):
        quote = quoted(shop, customer, {**TALK, "max_tokens": limit})
        assert quote["affordable"] is is_affordable, limit


def test_quote_leaves_nothing_behind(shop: Shop):
    customer = shop.customer()
    before = shop.balances(customer)
    quoted(shop, customer, TALK)
    assert ask_quote(shop, customer, {**TALK, "model": "nowhere"}).status_code == 503
    assert ask_quote(shop, customer, {**TALK, "model": "unheard-of"}).status_code == 404
    assert shop.calls() == []
    assert shop.balances(customer) == before
    assert list(shop.provider.requests) == []
    with shop.session() as session:
        assert session.scalar(select(func.count()).select_from(UnservedHour)) == 0
    shop.assert_at_rest()


def test_running_requests_and_the_cap_lower_what_is_available(shop: Shop):
    customer = shop.customer(cap_nanos=50_000_000)
    assert quoted(shop, customer, TALK)["available_usd"] == "0.05"
    with running_call(shop, customer):
        quote = quoted(shop, customer, TALK)
        held = parse_usd(held_by(shop.only_call()))
        assert parse_usd(quote["available_usd"]) == 50_000_000 - held
        assert parse_usd(quote["held_usd"]) == held


def test_trial_key_is_quoted_by_its_trial_money(shop: Shop):
    customer = shop.trial_customer(trial_nanos=1_000_000, paid_nanos=PLENTY_NANOS)
    quote = quoted(shop, customer, {**TALK, "max_tokens": 4_000})
    assert (quote["available_usd"], quote["affordable"]) == ("0.001", False)
    refused = ask_quote(shop, customer, {**TALK, "model": "for-payers"})
    assert refusal(refused) == (403, "model_not_allowed", "model")


def test_other_money_of_the_account_is_not_another_s(shop: Shop):
    rich, poor = shop.customer(), shop.customer(paid_nanos=0)
    with shop.session() as session:
        credit(session, rich.user_id, 1)
    assert quoted(shop, poor, TALK)["available_usd"] == "0"


def test_tiers_show_what_a_long_request_costs(shop: Shop):
    sheet = PriceSheet(
        Prices.from_usd(per_million={"input": "1", "cached_input": "0.1", "output": "2"}),
        (Tier(200_000, Prices.from_usd(per_million={"input": "3"})),),
    )
    with shop.session() as session:
        set_price(
            session,
            model=find_model(session, "talk"),
            sheet=sheet,
            effective_at=session.get_one(ApiKey, shop.customer().key_id).created_at,
            author="test",
            reason="test",
        )
    quote = quoted(shop, shop.customer(), TALK)
    assert [price["unit"] for price in quote["prices"]] == ["input", "cached_input", "output"]
    (tier,) = quote["tiers"]
    assert tier["above_input_tokens"] == 200_000
    assert {price["unit"]: price["usd_per_million"] for price in tier["prices"]} == {
        "input": "3",
        "cached_input": "3",
        "output": "2",
    }


@pytest.mark.parametrize(
    ("request_", "status", "reason", "field"),
    [
        ({"model": "talk"}, 400, "invalid_parameter", "messages"),
        ({**TALK, "n": 0}, 400, "invalid_count", "n"),
        ({**TALK, "service_tier": "priority"}, 400, "unsupported_parameter", "service_tier"),
        ({**TALK, "store": True}, 400, "stateful_not_supported", "store"),
        ({**TALK, "Stream": True}, 400, "invalid_parameter", "Stream"),
        ({**TALK, "model": "embed"}, 400, "invalid_parameter", "model"),
        ({**TALK, "model": "retired"}, 404, "model_not_found", "model"),
        ({**TALK, "model": "hidden"}, 404, "model_not_found", "model"),
        ([TALK], 400, "invalid_member", "request"),
        (None, 400, "invalid_member", "request"),
    ],
)
def test_refused_as_the_call_would_be(
    shop: Shop, request_: Any, status: int, reason: str, field: str
):
    customer = shop.customer()
    answer = ask_quote(shop, customer, request_)
    assert refusal(answer) == (status, reason, field)
    if isinstance(request_, dict):
        called = shop.post(customer, CHAT_PATH, raw=json.dumps(request_).encode())
        assert (called.status_code, called.json["error"]["code"]) == (status, reason)


@pytest.mark.parametrize(
    ("raw", "status", "reason", "field"),
    [
        (b"{}", 400, "missing_member", "endpoint"),
        (b'{"endpoint": "/v1/chat/completions"}', 400, "missing_member", "request"),
        (b'{"endpoint": "chat", "request": {}}', 400, "unknown_endpoint", "endpoint"),
        (b'{"endpoint": 1, "request": {}}', 400, "unknown_endpoint", "endpoint"),
        (b'{"endpoint": ["/v1"], "request": {}}', 400, "unknown_endpoint", "endpoint"),
        (b'{"endpoint": "/v1/chat/completions", "request": {}, "key": 1}', 400,
         "unknown_member", "key"),
        (b'{"request": {}, "request": {}}', 400, "invalid_json", "request"),
        (b'{"endpoint": "/v1/chat/completions", "request": {"model": "talk", "model": "x"}}',
         400, "invalid_json", "model"),
        (b"[]", 400, "invalid_json", None),
        (b"", 400, "invalid_json", None),
        (b"{" + b" " * (1024 * 1024) + b"}", 413, "payload_too_large", None),
    ],
)  # fmt: skip
def test_form_of_the_question_is_judged(
    shop: Shop, raw: bytes, status: int, reason: str, field: str | None
):
    assert refusal(send(shop, shop.customer(), raw)) == (status, reason, field)


def test_very_deep_request_is_400(shop: Shop):
    deep = b"[" * 100_000 + b"]" * 100_000
    raw = b'{"endpoint": "/v1/chat/completions", "request": {"model": "talk", "x": %s}}' % deep
    assert refusal(send(shop, shop.customer(), raw))[:2] == (400, "invalid_json")


def test_quotes_are_limited_by_key_and_minute(shop: Shop, frozen_time: FrozenTime):
    customer, other = shop.customer(), shop.customer()
    statuses = [ask_quote(shop, customer, {}).status_code for _ in range(60)]
    assert set(statuses) == {400}
    refused = ask_quote(shop, customer, {})
    assert refusal(refused)[:2] == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert ask_quote(shop, other, {}).status_code == 400


def test_quote_needs_a_key_and_json(shop: Shop):
    body = json.dumps({"endpoint": CHAT_PATH, "request": TALK}).encode()
    assert shop.app.test_client().post("/api/quote", data=body).status_code == 401
    answer = send(shop, shop.customer(), body, **{"Content-Type": "text/plain"})
    assert refusal(answer)[:2] == (415, "unsupported_media_type")


def test_quote_is_the_same_on_either_database(any_shop: Shop):
    customer = any_shop.customer(cap_nanos=1_000_000_000)
    quote = quoted(any_shop, customer, TALK)
    any_shop.chat(customer)
    assert held_by(any_shop.only_call()) == quote["needed_usd"]
