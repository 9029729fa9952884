"""Chat answered whole: what reaches the provider, what comes back, and what it costs."""

import json
from typing import Any

import pytest

from app.domain.accounts.models import KeyScope
from tests.gateway.shop import (
    INPUT_NANOS,
    MAX_OUTPUT_TOKENS,
    MESSAGES,
    OUTPUT_NANOS,
    PLENTY_NANOS,
    PROVIDER_KEY,
    Shop,
)


def sent(shop: Shop) -> dict[str, Any]:
    """The body that reached the provider last."""
    document: dict[str, Any] = json.loads(shop.provider.requests[-1].body)
    return document


# ``max_tokens`` is given in the tests of the body: without it a number of ours may be added.
class TestBody:
    @pytest.mark.parametrize(
        "raw",
        [
            b'{"model":"talk","messages":[{"role":"user","content":"hi"}],"max_tokens":9}',
            b' \n{ "max_tokens" :\t9 , "model":"talk",'
            b'"messages" : [ {"role":"user","content":"hi"} ] }\r\n ',
            b'{"model":"talk","max_tokens":9,"messages":[{"role":"user","content":"'
            + "Chào bạn, 世界 🌍".encode()
            + b'"}]}',
            b'{"model":"talk","max_tokens":9,'
            b'"messages":[{"role":"user","content":"\\u4e16\\/ \\ud83c\\udf0d"}]}',
            b'{"model":"talk","messages":[{"role":"user","content":"\\ud83c"}],"max_tokens":9}',
            b'{"model":"talk","messages":[{"role":"user","content":"hi"}],"max_tokens":9,'
            b'"not_invented_yet":{"b":1,"a":[1.0,1e2,-0.0]},"temperature":1.0}',
            b'{"m\\u006fdel":"talk","messages":[{"role":"user","content":"hi"}],"max_tokens":9}',
        ],
        ids=["plain", "whitespace", "unicode", "escapes", "lone-surrogate", "unknown", "name"],
    )
    def test_body_is_forwarded_byte_for_byte(self, shop: Shop, raw: bytes):
        assert shop.post(shop.customer(), raw=raw).status_code == 200
        assert shop.provider.requests[-1].body == raw

    @pytest.mark.parametrize(
        "members",
        [
            {"n": 3},
            {"logprobs": True, "top_logprobs": 2},
            {"response_format": {"type": "json_object"}},
            {"tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]},
            {"tools": [{"type": "custom", "custom": {"name": "look"}}]},
            {"stop": ["\n"], "seed": 7, "logit_bias": {"50256": -100}},
            {"store": False, "modalities": ["text"], "service_tier": "auto", "user": None},
            {"stream": False},
            {"stream": None, "n": None, "max_completion_tokens": 50},
        ],
        ids=lambda members: "-".join(members),
    )
    def test_parameters_pass_untouched(self, shop: Shop, members: dict[str, Any]):
        asked = {"model": "talk", "messages": MESSAGES, "max_tokens": 50, **members}
        assert shop.post(shop.customer(), **asked).status_code == 200
        assert shop.provider.requests[-1].body == json.dumps(asked).encode()
        shop.assert_at_rest()

    def test_picture_in_a_data_url_passes_and_is_not_held_as_text(self, shop: Shop):
        picture = "data:image/png;base64," + "A" * 400_000
        content = [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": picture}},
        ]
        messages = [{"role": "user", "content": content}]
        answer = shop.chat(shop.customer(), messages=messages, max_tokens=10)
        assert answer.status_code == 200
        assert sent(shop)["messages"] == messages
        # 400,000 tokens of text would be 0.4 dollars; a picture without a stated maximum is 5,000.
        assert shop.only_call().held_paid_nanos < 10_000 * INPUT_NANOS

    def test_only_our_headers_reach_the_provider(self, shop: Shop):
        secret_headers = {
            "OpenAI-Organization": "org-1",
            "X-Forwarded-For": "10.0.0.1",
            "Cookie": "session=1",
            "X-Stainless-Lang": "python",
        }
        customer = shop.customer()
        response = shop.app.test_client().post(
            "/v1/chat/completions?api-version=1",
            json={"model": "talk", "messages": MESSAGES},
            headers=customer.headers | secret_headers,
        )
        assert response.status_code == 200
        request = shop.provider.requests[-1]
        assert set(request.headers) == {
            "host", "accept", "accept-encoding", "authorization", "content-length", "content-type",
            "user-agent",
        }  # fmt: skip
        assert request.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert request.path == "/v1/chat/completions"
        assert customer.secret not in str(request.headers)

    def test_user_is_replaced_by_a_stand_in_per_user_and_value(self, shop: Shop):
        first, second = shop.customer(), shop.customer()
        seen = []
        for customer, name in ((first, "ann"), (first, "ann"), (first, "bob"), (second, "ann")):
            shop.chat(customer, user=name, prompt_cache_key=name, max_tokens=5)
            seen.append((sent(shop)["user"], sent(shop)["prompt_cache_key"]))
        assert seen[0] == seen[1]
        assert len({*seen}) == 3
        assert not any("ann" in text or "bob" in text for pair in seen for text in pair)
        assert all(pair[0] != pair[1] for pair in seen)

    def test_service_tier_and_safety_identifier_are_set_where_the_channel_knows_them(
        self, shop: Shop
    ):
        shop.set_served("talk", knows_service_tier=True, knows_safety_identifier=True)
        customer = shop.customer()
        shop.chat(customer, service_tier="auto", safety_identifier="mine")
        first = sent(shop)
        shop.chat(customer)
        second = sent(shop)
        assert first["service_tier"] == second["service_tier"] == "default"
        assert first["safety_identifier"] == second["safety_identifier"] != "mine"


class TestModelMapping:
    def test_provider_sees_its_own_name_and_client_the_sold_one(self, shop: Shop):
        answer = shop.chat(shop.customer(), model="renamed")
        assert sent(shop)["model"] == "upstream-secret-name"
        assert answer.json["model"] == "renamed"
        assert b"upstream-secret-name" not in answer.data

    def test_sold_name_is_shown_whatever_the_provider_echoes(self, shop: Shop):
        answer = shop.chat(
            shop.customer(),
            model="renamed",
            sandbox={"behave": "another_model", "model": "upstream-secret-name-2026-01-01"},
        )
        assert answer.json["model"] == "renamed"
        assert shop.alerts() == []

    def test_without_a_mapping_the_answer_passes_as_it_came(self, shop: Shop):
        answer = shop.chat(
            shop.customer(), sandbox={"behave": "another_model", "model": "talk-2026-01-01"}
        )
        assert answer.json["model"] == "talk-2026-01-01"
        assert answer.json["system_fingerprint"] == "fp_sandbox"
        assert answer.json["id"].startswith("chatcmpl-sandbox-")

    @pytest.mark.parametrize("stream", [False, True])
    def test_answer_of_another_model_raises_an_alarm(self, shop: Shop, stream: bool):
        shop.chat(shop.customer(), stream=stream, sandbox={"behave": "another_model"}).get_data()
        assert shop.alerts() == ["implausible_usage"]
        shop.assert_at_rest()

    def test_providers_own_members_are_taken_out_and_kept_for_reconciliation(self, shop: Shop):
        answer = shop.chat(shop.customer(), sandbox={"behave": "extra_members"})
        assert {"provider", "x_groq"}.isdisjoint(answer.json)
        assert {"cost", "cost_details", "is_byok", "cost_in_usd_ticks"}.isdisjoint(
            answer.json["usage"]
        )
        facts = json.loads(shop.only_call().reported)["facts"]
        assert facts["cost"] == 0.000123
        assert facts["provider"] == "Sandbox Cloud"


class TestOutputLimit:
    def test_rich_key_without_limit_may_use_the_models_maximum(self, shop: Shop):
        shop.chat(shop.customer())
        assert "max_tokens" not in sent(shop)  # the channel enforces the maximum itself
        held = shop.only_call().held_paid_nanos
        assert held >= MAX_OUTPUT_TOKENS * OUTPUT_NANOS

    def test_number_is_sent_where_the_channel_enforces_none(self, shop: Shop):
        shop.set_served("talk", enforces_limit=False, limit_field="max_completion_tokens")
        shop.chat(shop.customer())
        assert sent(shop)["max_completion_tokens"] == MAX_OUTPUT_TOKENS

    def test_half_of_what_is_left_is_held_where_the_maximum_is_too_dear(self, shop: Shop):
        customer = shop.customer(paid_nanos=10_000_000)
        shop.chat(customer)
        limit = sent(shop)["max_tokens"]
        assert 1_024 <= limit < MAX_OUTPUT_TOKENS
        call = shop.only_call()
        left_nanos = 10_000_000 - (call.held_paid_nanos - limit * OUTPUT_NANOS)
        assert limit == left_nanos // 2 // OUTPUT_NANOS
        shop.assert_at_rest()

    def test_everything_is_held_where_half_buys_too_little(self, shop: Shop):
        shop.chat(shop.customer(paid_nanos=4_000_000))
        limit = sent(shop)["max_tokens"]
        assert limit >= 1_024
        assert 0 <= 4_000_000 - shop.only_call().held_paid_nanos < OUTPUT_NANOS

    def test_less_than_the_least_useful_answer_is_402(self, shop: Shop):
        answer = shop.chat(shop.customer(paid_nanos=1_500_000))
        assert answer.status_code == 402
        assert answer.json["error"]["code"] == "insufficient_balance"
        assert shop.calls() == []

    def test_reasoning_model_needs_more_for_its_least_useful_answer(self, shop: Shop):
        poor = shop.chat(shop.customer(paid_nanos=6_000_000), model="thinker")
        assert poor.status_code == 402
        shop.chat(shop.customer(paid_nanos=12_000_000), model="thinker")
        assert sent(shop)["max_tokens"] >= 4_096

    def test_explicit_limit_is_never_clamped(self, shop: Shop):
        shop.chat(shop.customer(), max_tokens=77)
        assert sent(shop)["max_tokens"] == 77
        shop.chat(shop.customer(), max_completion_tokens=78)
        assert sent(shop)["max_completion_tokens"] == 78
        assert "max_tokens" not in sent(shop)

    def test_unaffordable_explicit_limit_is_402_with_the_facts(self, shop: Shop):
        customer = shop.customer(paid_nanos=4_000_000)
        answer = shop.chat(customer, max_tokens=4_000)
        error = answer.json["error"]
        assert (answer.status_code, error["code"], error["type"]) == (
            402,
            "insufficient_balance",
            "insufficient_balance",
        )
        assert error["available_usd"] == "0.004"
        assert error["held_usd"] == "0"
        assert float(error["needed_usd"]) > 0.004
        limit = error["affordable_max_tokens"]
        assert str(limit) in error["message"]
        assert shop.calls() == []
        assert "/claim" not in error["message"]

    def test_affordable_limit_of_a_402_is_admitted_and_the_next_is_not(self, shop: Shop):
        customer = shop.customer(paid_nanos=4_000_000)
        error = shop.chat(customer, max_tokens=4_000).json["error"]
        limit = error["affordable_max_tokens"]
        # The number that is sent may be shorter, and with it the body; so is what may follow.
        assert shop.chat(customer, max_tokens=limit + 5).status_code == 402
        assert shop.chat(customer, max_tokens=limit).status_code == 200
        shop.assert_at_rest()

    def test_402_of_a_trial_key_names_the_claim_page(self, shop: Shop):
        customer = shop.trial_customer(trial_nanos=10_000, paid_nanos=PLENTY_NANOS)
        answer = shop.chat(customer)
        assert answer.status_code == 402
        assert "/claim" in answer.json["error"]["message"]
        assert answer.json["error"]["available_usd"] == "0.00001"

    def test_text_is_tokenised_only_where_a_token_a_byte_is_unaffordable(self, shop: Shop):
        messages = [{"role": "user", "content": "the same plain words again " * 2_000}]
        rich, poor = shop.customer(), shop.customer(paid_nanos=30_000_000)
        assert shop.chat(rich, messages=messages, max_tokens=10).status_code == 200
        assert shop.chat(poor, messages=messages, max_tokens=10).status_code == 200
        by_bytes, by_tokens = (call.held_paid_nanos for call in shop.calls())
        assert by_bytes > 54_000 * INPUT_NANOS
        assert by_tokens < 30_000_000
        shop.assert_at_rest()

    def test_text_outside_of_the_messages_is_tokenised_too(self, shop: Shop):
        grammar = "root ::= plain words again and again\n" * 1_000
        answer = shop.chat(shop.customer(paid_nanos=4_000_000), max_tokens=10, grammar=grammar)
        assert answer.status_code == 402

    def test_poor_key_with_half_a_character_in_its_text_is_served_or_refused(self, shop: Shop):
        raw = (
            b'{"model":"talk","max_tokens":10,"messages":[{"role":"user","content":"'
            + b"\\ud83c plain words " * 1_000
            + b'"}]}'
        )
        assert shop.post(shop.customer(paid_nanos=1_000_000), raw=raw).status_code == 402
        assert shop.post(shop.customer(paid_nanos=17_000_000), raw=raw).status_code == 200
        shop.assert_at_rest()


def test_key_cap_bounds_what_a_key_may_spend(shop: Shop):
    customer = shop.customer(cap_nanos=5_000_000)
    assert shop.chat(customer, max_tokens=100).status_code == 200
    refused = shop.chat(customer, max_tokens=3_000)
    assert refused.status_code == 402
    assert refused.json["error"]["code"] == "key_cap_reached"
    shop.assert_at_rest()


def test_usage_above_a_tokenised_hold_is_charged_to_what_is_available(shop: Shop):
    messages = [{"role": "user", "content": "the same plain words again " * 2_000}]
    usage = {"prompt_tokens": 50_000, "completion_tokens": 1}
    customer = shop.customer(paid_nanos=30_000_000)
    answer = shop.chat(customer, messages=messages, max_tokens=10, sandbox={"usage": usage})
    assert answer.status_code == 200
    call = shop.only_call()
    assert call.held_paid_nanos < call.cost_nanos == 50_002_000
    assert call.written_off_nanos == 50_002_000 - 30_000_000
    assert shop.balances(customer).paid_balance == 0
    assert shop.alerts() == ["write_off"]
    shop.assert_at_rest()


def test_trial_key_with_scope_full_after_approval_spends_both(shop: Shop):
    customer = shop.customer(paid_nanos=5_000_000, trial_nanos=5_000_000, scope=KeyScope.FULL)
    assert shop.chat(customer, max_tokens=3_000).status_code == 200
    call = shop.only_call()
    assert call.held_trial_nanos == 5_000_000
    assert call.held_paid_nanos > 0
    shop.assert_at_rest()
