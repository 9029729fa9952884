"""Embeddings: every form of input, both encodings, and the bill."""

import base64
import json
import struct
from typing import Any

import pytest

from tests.gateway.shop import EMBEDDING_NANOS, EMBEDDINGS_PATH, Customer, Shop

INPUTS: dict[str, Any] = {
    "string": "hello world",
    "strings": ["hello world", "two"],
    "tokens": [1, 2, 3],
    "token-arrays": [[1, 2, 3], [4, 5]],
    "unicode": "Chào thế giới 🌍",
    "string-that-looks-like-base64": "A" * 500,
}


def floats(encoded: str) -> list[float]:
    packed = base64.b64decode(encoded, validate=True)
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def ask(shop: Shop, customer: Customer | None = None, **members: Any) -> Any:
    asked = {"model": "embed", "input": "hello world", "dimensions": 8, **members}
    return shop.post(customer or shop.customer(), EMBEDDINGS_PATH, **asked)


@pytest.mark.parametrize("text", INPUTS.values(), ids=INPUTS.keys())
def test_every_form_of_input_is_served_and_billed_to_the_nano(shop: Shop, text: Any):
    answer = ask(shop, input=text)
    assert answer.status_code == 200
    call = shop.only_call()
    tokens = answer.json["usage"]["prompt_tokens"]
    assert call.cost_nanos == tokens * EMBEDDING_NANOS
    assert json.loads(call.units) == {"input": tokens}
    assert (call.protocol, call.is_estimated) == ("embeddings", False)
    assert json.loads(shop.provider.requests[-1].body)["input"] == text
    shop.assert_at_rest()


def test_body_is_forwarded_byte_for_byte(shop: Shop):
    raw = b'{ "input":["a",  "b"],"model" : "embed", "encoding_format":"base64","later":[1.0]}'
    assert shop.post(shop.customer(), EMBEDDINGS_PATH, raw=raw).status_code == 200
    assert shop.provider.requests[-1].body == raw


@pytest.mark.parametrize("channel_takes_base64", [True, False])
@pytest.mark.parametrize("behave", [[], ["floats"]], ids=["obedient", "answers-floats"])
def test_client_that_asked_for_base64_gets_it(
    shop: Shop, channel_takes_base64: bool, behave: list[str]
):
    shop.set_served("embed", base64_embeddings=channel_takes_base64)
    customer = shop.customer()
    plain = ask(shop, customer, input=["one", "two"]).json["data"]
    sandbox = {"behave": behave}
    answer = ask(
        shop, customer, input=["one", "two"], encoding_format="base64", sandbox=sandbox
    ).json
    for item, expected in zip(answer["data"], plain, strict=True):
        assert isinstance(item["embedding"], str)
        assert floats(item["embedding"]) == pytest.approx(expected["embedding"], abs=1e-6)
        assert item["index"] == expected["index"]
    sent = json.loads(shop.provider.requests[-1].body)["encoding_format"]
    assert sent == ("base64" if channel_takes_base64 else "float")
    assert answer["object"] == "list"
    shop.assert_at_rest()


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}])
def test_client_that_did_not_gets_floats_as_they_came(shop: Shop, encoding: dict[str, str]):
    answer = ask(shop, **encoding).json
    assert all(isinstance(number, float) for number in answer["data"][0]["embedding"])
    assert len(answer["data"][0]["embedding"]) == 8


@pytest.mark.parametrize("usage", [{"total_tokens": 7}, {"prompt_tokens": 7, "total_tokens": 7}])
def test_either_form_of_usage_is_read(shop: Shop, usage: dict[str, int]):
    ask(shop, sandbox={"usage": usage})
    assert shop.only_call().cost_nanos == 7 * EMBEDDING_NANOS


@pytest.mark.parametrize("text", INPUTS.values(), ids=INPUTS.keys())
def test_answer_without_usage_is_estimated_from_the_input(shop: Shop, text: Any):
    assert ask(shop, input=text, sandbox={"behave": "no_usage"}).status_code == 200
    call = shop.only_call()
    assert call.is_estimated
    units = json.loads(call.units)
    assert set(units) == {"input"}
    assert call.cost_nanos == units["input"] * EMBEDDING_NANOS > 0
    shop.assert_at_rest()


def test_implausible_usage_is_estimated_and_alarmed(shop: Shop):
    ask(shop, sandbox={"behave": "absurd_usage", "variant": "huge"})
    call = shop.only_call()
    assert call.is_estimated
    assert call.cost_nanos <= call.held_paid_nanos
    assert shop.alerts() == ["implausible_usage"]
    shop.assert_at_rest()


def test_hold_covers_every_input_of_an_array(shop: Shop):
    ask(shop, input=["word"] * 300)
    call = shop.only_call()
    assert call.held_paid_nanos >= 300 * 4 * EMBEDDING_NANOS
    shop.assert_at_rest()


def test_unaffordable_input_is_402_without_an_output_limit(shop: Shop):
    answer = ask(shop, shop.customer(paid_nanos=1_000), input=["some words of text"] * 100)
    assert answer.status_code == 402
    assert "affordable_max_tokens" not in answer.json["error"]
    assert shop.calls() == []


def test_broken_embeddings_answer_is_502(shop: Shop):
    body = {"data": [{"embedding": ["x"]}], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    wish = {"behave": "status", "status": 200, "body": body}
    answer = ask(shop, encoding_format="base64", sandbox=wish)
    assert answer.status_code == 502
    shop.assert_at_rest()
