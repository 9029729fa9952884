"""Pictures: usage in tokens, a price per picture, and what of the request bounds the hold."""

import base64
import json
from typing import Any

import pytest

from tests.gateway.shop import (
    IMAGES_PATH,
    PICTURE_INPUT_NANOS,
    PICTURE_NANOS,
    PICTURE_OUTPUT_NANOS,
    Customer,
    Shop,
)


def ask(shop: Shop, customer: Customer | None = None, **members: Any) -> Any:
    asked = {"model": "draw", "prompt": "a hat", "size": "64x64", **members}
    return shop.post(customer or shop.customer(), IMAGES_PATH, **asked)


def test_picture_passes_and_its_tokens_are_billed_to_the_nano(shop: Shop):
    answer = ask(shop)
    assert answer.status_code == 200
    assert base64.b64decode(answer.json["data"][0]["b64_json"]).startswith(b"\x89PNG")
    usage = answer.json["usage"]
    call = shop.only_call()
    assert call.cost_nanos == (
        usage["input_tokens"] * PICTURE_INPUT_NANOS + usage["output_tokens"] * PICTURE_OUTPUT_NANOS
    )
    assert json.loads(call.units) == {
        "input": usage["input_tokens"],
        "image_output": usage["output_tokens"],
    }
    assert answer.headers["X-Cost-Usd"]
    shop.assert_at_rest()


def test_url_of_the_provider_passes(shop: Shop):
    body = {"created": 1, "data": [{"url": "https://images.provider.example/1.png"}]}
    answer = ask(shop, model="draw-each", sandbox={"behave": "status", "status": 200, "body": body})
    assert answer.json["data"] == body["data"]


@pytest.mark.parametrize("n", [1, 3])
def test_price_per_picture_counts_the_pictures_that_came(shop: Shop, n: int):
    answer = ask(shop, model="draw-each", n=n, sandbox={"behave": "no_usage"})
    assert len(answer.json["data"]) == n
    call = shop.only_call()
    assert call.cost_nanos == n * PICTURE_NANOS == call.held_paid_nanos
    assert json.loads(call.units) == {"image": n}
    assert not call.is_estimated
    assert shop.alerts() == []
    shop.assert_at_rest()


def test_fewer_pictures_than_asked_are_billed_as_delivered(shop: Shop):
    body = {"created": 1, "data": [{"b64_json": "AA=="}]}
    wish = {"behave": "status", "status": 200, "body": body}
    assert ask(shop, model="draw-each", n=4, sandbox=wish).status_code == 200
    assert shop.only_call().cost_nanos == PICTURE_NANOS
    shop.assert_at_rest()


def test_more_pictures_than_asked_never_cost_more_than_was_held(shop: Shop):
    body = {"created": 1, "data": [{"b64_json": "AA=="}] * 9}
    wish = {"behave": "status", "status": 200, "body": body}
    assert ask(shop, model="draw-each", n=2, sandbox=wish).status_code == 200
    assert shop.only_call().cost_nanos == 2 * PICTURE_NANOS
    shop.assert_at_rest()


def test_model_priced_by_the_picture_alone_is_so_billed_where_tokens_are_reported(shop: Shop):
    answer = ask(shop, model="draw-each", n=2)
    assert answer.json["usage"]["output_tokens"] > 0
    call = shop.only_call()
    assert (call.cost_nanos, call.is_estimated) == (2 * PICTURE_NANOS, False)
    assert shop.alerts() == []
    shop.assert_at_rest()


def test_model_priced_by_tokens_without_usage_is_estimated(shop: Shop):
    ask(shop, n=2, sandbox={"behave": "no_usage"})
    call = shop.only_call()
    assert call.is_estimated
    assert json.loads(call.units)["image_output"] == 2 * 6_240
    assert call.cost_nanos <= call.held_paid_nanos
    shop.assert_at_rest()


def test_implausible_usage_is_estimated_and_alarmed(shop: Shop):
    ask(shop, sandbox={"behave": "absurd_usage", "variant": "huge"})
    call = shop.only_call()
    assert call.is_estimated
    assert call.cost_nanos <= call.held_paid_nanos
    assert shop.alerts() == ["implausible_usage"]
    shop.assert_at_rest()


def test_hold_grows_with_the_pictures_asked(shop: Shop):
    customer = shop.customer()
    ask(shop, customer)
    ask(shop, customer, n=3)
    one, three = (call.held_paid_nanos for call in shop.calls())
    assert one >= 6_240 * PICTURE_OUTPUT_NANOS
    assert three - one >= 2 * 6_240 * PICTURE_OUTPUT_NANOS


def test_unaffordable_picture_is_402(shop: Shop):
    answer = ask(shop, shop.customer(paid_nanos=PICTURE_NANOS - 1), model="draw-each")
    assert answer.status_code == 402
    assert shop.calls() == []


def test_body_is_forwarded_byte_for_byte(shop: Shop):
    raw = (
        b'{"prompt":"a \xe2\x9c\x93 hat", "model":"draw","background":"transparent",'
        b'"size":"64x64","quality":"low","output_format":"png","n":1,"later":null}'
    )
    assert shop.post(shop.customer(), IMAGES_PATH, raw=raw).status_code == 200
    assert shop.provider.requests[-1].body == raw


def test_answer_without_pictures_costs_nothing(shop: Shop):
    body: dict[str, Any] = {"created": 1, "data": []}
    wish = {"behave": "status", "status": 200, "body": body}
    answer = ask(shop, model="draw-each", sandbox=wish)
    assert answer.status_code in (200, 502)
    assert shop.only_call().cost_nanos == 0
    shop.assert_at_rest()
