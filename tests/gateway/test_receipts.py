"""The receipt: what a call cost, on the answer, in its row and in the wallet, all the same."""

import json
from typing import Any

import pytest

from app.core.ids import request_id
from app.core.money import format_usd
from app.domain.billing.models import CallState
from tests.gateway.shop import (
    EMBEDDINGS_PATH,
    IMAGES_PATH,
    INPUT_NANOS,
    OUTPUT_NANOS,
    PLENTY_NANOS,
    Shop,
)


def cost_of(usage: dict[str, Any]) -> int:
    return usage["prompt_tokens"] * INPUT_NANOS + usage["completion_tokens"] * OUTPUT_NANOS


def test_whole_answer_carries_cost_balance_and_request_id(shop: Shop):
    customer = shop.customer(paid_nanos=1_000_000_000)
    answer = shop.chat(customer, headers={"X-Client-Request-Id": "label-1"})
    cost = cost_of(answer.json["usage"])
    assert answer.headers["X-Cost-Usd"] == format_usd(cost)
    assert answer.headers["X-Balance-Usd"] == format_usd(1_000_000_000 - cost)
    assert answer.headers["X-Request-Id"].startswith("req_")
    assert shop.balances(customer).paid_balance == 1_000_000_000 - cost
    shop.assert_at_rest()


def test_call_row_is_complete(shop: Shop):
    customer = shop.customer()
    answer = shop.chat(customer, headers={"X-Client-Request-Id": "label-1"})
    usage = answer.json["usage"]
    call = shop.only_call()
    assert call.state is CallState.POSTED
    assert (call.user_id, call.key_id) == (customer.user_id, customer.key_id)
    assert (call.protocol, call.is_streamed, call.status) == ("chat", False, 200)
    assert (call.is_estimated, call.reason, call.attempts) == (False, None, None)
    assert call.client_request_id == "label-1"
    assert call.cost_nanos == cost_of(usage)
    assert (call.trial_cost_nanos, call.written_off_nanos) == (0, 0)
    assert json.loads(call.units) == {
        "input": usage["prompt_tokens"],
        "output": usage["completion_tokens"],
    }
    assert call.channel_id is not None
    assert 0 <= call.first_content_ms <= call.duration_ms
    assert call.settled_at is not None


@pytest.mark.parametrize(
    ("prompt", "completion", "cost_nanos"),
    [(1, 1, 3_000), (7, 3, 13_000), (30, 1, 32_000)],
)
def test_cost_is_exact_to_the_nano(shop: Shop, prompt: int, completion: int, cost_nanos: int):
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    shop.chat(shop.customer(), sandbox={"usage": usage})
    assert shop.only_call().cost_nanos == cost_nanos


def test_trial_money_is_spent_before_paid_money(shop: Shop):
    customer = shop.customer(paid_nanos=PLENTY_NANOS, trial_nanos=10_000)
    cost = cost_of(shop.chat(customer).json["usage"])
    assert cost > 10_000
    after = shop.balances(customer)
    assert (after.trial_balance, after.paid_balance) == (0, PLENTY_NANOS - cost + 10_000)
    shop.assert_at_rest()


def test_trial_key_learns_nothing_of_paid_money(shop: Shop):
    customer = shop.trial_customer(trial_nanos=8_000_000, paid_nanos=PLENTY_NANOS)
    answer = shop.chat(customer, max_tokens=100)
    cost = cost_of(answer.json["usage"])
    assert answer.headers["X-Balance-Usd"] == format_usd(8_000_000 - cost)
    refused = shop.chat(customer, max_tokens=4_000)
    assert refused.status_code == 402
    assert refused.json["error"]["available_usd"] == format_usd(8_000_000 - cost)
    assert shop.balances(customer).paid_balance == PLENTY_NANOS


@pytest.mark.parametrize(
    ("path", "members"),
    [
        (EMBEDDINGS_PATH, {"model": "embed", "input": "hello", "dimensions": 4}),
        (IMAGES_PATH, {"model": "draw", "prompt": "hat", "size": "64x64"}),
    ],
)
def test_every_endpoint_gives_a_receipt(shop: Shop, path: str, members: dict[str, Any]):
    customer = shop.customer()
    answer = shop.post(customer, path, **members)
    call = shop.only_call()
    assert answer.headers["X-Cost-Usd"] == format_usd(call.cost_nanos)
    assert answer.headers["X-Balance-Usd"] == format_usd(PLENTY_NANOS - call.cost_nanos)
    assert answer.headers["X-Request-Id"] == request_id(call.id)


@pytest.mark.parametrize("stream", [False, True])
def test_request_id_names_the_call(shop: Shop, stream: bool):
    answer = shop.chat(shop.customer(), stream=stream)
    answer.get_data()
    assert answer.headers["X-Request-Id"] == request_id(shop.only_call().id)


def test_failed_call_is_on_record_under_its_request_id(shop: Shop):
    answer = shop.chat(shop.customer(), sandbox={"behave": "status", "status": 500})
    call = shop.only_call()
    assert answer.headers["X-Request-Id"] == request_id(call.id)
    assert "X-Cost-Usd" not in answer.headers
    assert (call.state, call.cost_nanos, call.status) == (CallState.VOIDED, 0, 502)


def test_label_of_the_client_is_cleaned_and_keys_nothing(shop: Shop):
    customer = shop.customer()
    for _ in range(2):
        shop.chat(customer, headers={"X-Client-Request-Id": "same \t label" + "x" * 300})
    first, second = shop.calls()
    assert first.client_request_id == second.client_request_id
    assert len(first.client_request_id) == 128
    assert "\t" not in first.client_request_id


def test_margin_is_known_where_the_channels_price_is(shop: Shop):
    shop.set_cost("talk", input_usd="0.5", output_usd="1")
    shop.chat(shop.customer())
    call = shop.only_call()
    assert call.upstream_cost_nanos * 2 == call.cost_nanos
    assert call.cost_version_id is not None


def test_cached_tokens_without_a_price_of_their_own_cost_their_parents(shop: Shop):
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 15},
    }
    shop.chat(shop.customer(), sandbox={"usage": usage})
    call = shop.only_call()
    assert json.loads(call.units) == {"input": 5, "cached_input": 15, "output": 1}
    assert call.cost_nanos == 20 * INPUT_NANOS + OUTPUT_NANOS
    shop.assert_at_rest()


def test_every_kind_of_call_is_settled_on_either_database(any_shop: Shop):
    customer = any_shop.customer(paid_nanos=1_000_000_000, trial_nanos=20_000, cap_nanos=10**9)
    any_shop.chat(customer)
    any_shop.chat(customer, stream=True).get_data()
    wish = {"behave": "reject_stream_options"}
    any_shop.chat(customer, stream=True, sandbox=wish).get_data()
    any_shop.chat(customer, sandbox={"behave": "absurd_usage"})
    any_shop.chat(customer, sandbox={"behave": "status", "status": 500})
    any_shop.chat(customer, max_tokens=4_000, n=1_000)
    left = any_shop.chat(customer, stream=True)
    left.close()
    states = [call.state for call in any_shop.calls()]
    assert states == [CallState.POSTED] * 4 + [CallState.VOIDED, CallState.POSTED]
    spent = sum(call.cost_nanos for call in any_shop.calls())
    after = any_shop.balances(customer)
    assert after.trial_balance + after.paid_balance == 1_000_020_000 - spent
    any_shop.assert_at_rest()


def test_free_call_leaves_no_transfer(shop: Shop):
    shop.set_price("talk", input_usd="0", output_usd="0")
    customer = shop.customer(paid_nanos=0)
    answer = shop.chat(customer)
    assert answer.headers["X-Cost-Usd"] == "0"
    assert shop.only_call().state is CallState.POSTED
    shop.assert_at_rest()


def test_price_in_force_at_the_reserve_is_the_one_billed(shop: Shop):
    """The price is raised while the answer is on its way."""
    response = shop.chat(shop.customer(), stream=True)
    pieces = iter(response.response)
    next(pieces)
    shop.set_price("talk", input_usd="100", output_usd="100")
    for _ in pieces:
        pass
    response.close()
    call = shop.only_call()
    units = json.loads(call.units)
    assert call.cost_nanos == units["input"] * INPUT_NANOS + units["output"] * OUTPUT_NANOS
    shop.assert_at_rest()
