"""The official OpenAI SDK against the running product: only the base URL differs."""

import base64
import http.client
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from app.domain.billing.models import CallState
from app.domain.catalog.selling import add_model
from tests.gateway.conftest import OpenShop
from tests.gateway.shop import MESSAGES, STOCK, Customer, Shop, limited, new_channel, wait_until
from tests.running_product import running_product

ANSWER = "Sandbox answer: no real model was asked. You said: Hello there, how are you today?"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@dataclass(frozen=True)
class Client:
    """A customer with the SDK in hand."""

    shop: Shop
    base_url: str
    customer: Customer
    sdk: OpenAI

    def chat(self, **members: Any) -> Any:
        asked: dict[str, Any] = {"model": "talk", "messages": MESSAGES, **members}
        return self.sdk.chat.completions.create(**asked)

    def misbehaving(self, **wish: Any) -> Any:
        return self.chat(extra_body={"sandbox": wish})

    def as_customer(self, customer: Customer) -> "Client":
        return Client(self.shop, self.base_url, customer, _sdk(self.base_url, customer.secret))


def _sdk(base_url: str, secret: str) -> OpenAI:
    return OpenAI(base_url=f"{base_url}/v1", api_key=secret, max_retries=0, timeout=10)


@pytest.fixture
def client(open_shop: OpenShop) -> Iterator[Client]:
    shop = open_shop(UPSTREAM_FIRST_CONTENT_WHOLE_S=0.3, THREADS=24)
    customer = shop.customer()
    with running_product(shop.app) as base_url, _sdk(base_url, customer.secret) as sdk:
        yield Client(shop, base_url, customer, sdk)
    shop.assert_at_rest()


class TestChat:
    def test_completion_parses(self, client: Client):
        completion = client.chat()
        assert completion.choices[0].message.content == ANSWER
        assert completion.choices[0].finish_reason == "stop"
        assert completion.model == "talk"
        assert completion.usage.total_tokens > 0
        assert completion._request_id.startswith("req_")

    def test_receipt_is_reachable_through_the_raw_response(self, client: Client):
        raw = client.sdk.chat.completions.with_raw_response.create(model="talk", messages=MESSAGES)
        assert float(raw.headers["x-cost-usd"]) > 0
        assert raw.headers["x-balance-usd"]
        assert raw.parse().choices

    def test_stream_ends_by_itself(self, client: Client):
        chunks = list(client.chat(stream=True))
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert said == ANSWER
        assert all(chunk.usage is None for chunk in chunks)
        assert chunks[-1].choices[0].finish_reason == "stop"

    def test_stream_with_usage_ends_with_the_receipt(self, client: Client):
        chunks = list(client.chat(stream=True, stream_options={"include_usage": True}))
        assert chunks[-1].choices == []
        assert chunks[-1].usage.total_tokens > 0
        assert float(chunks[-1].usage.cost_usd) > 0

    def test_cancelled_stream_is_settled(self, client: Client):
        stream = client.chat(stream=True, extra_body={"sandbox": {"frames": 30, "delay_s": 0.02}})
        next(iter(stream))
        stream.close()
        assert wait_until(lambda: client.shop.only_call().state is CallState.POSTED)
        call = client.shop.only_call()
        assert (call.reason, call.is_estimated) == ("client_left", False)

    def test_broken_stream_raises_an_api_error(self, client: Client):
        stream = client.chat(
            stream=True, extra_body={"sandbox": {"behave": "truncate", "after": 2}}
        )
        with pytest.raises(openai.APIError) as raised:
            list(stream)
        assert raised.value.code == "upstream_error"

    def test_tools_make_the_round_trip(self, client: Client):
        first = client.chat(tools=[WEATHER], tool_choice="auto")
        (call,) = first.choices[0].message.tool_calls
        assert (call.function.name, first.choices[0].finish_reason) == ("weather", "tool_calls")
        assert "city" in json.loads(call.function.arguments)
        conversation = [
            *MESSAGES,
            first.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ]
        second = client.chat(messages=conversation, tools=[WEATHER])
        assert second.choices[0].message.content

    def test_tool_call_is_gathered_from_a_stream(self, client: Client):
        with client.sdk.chat.completions.stream(
            model="talk", messages=MESSAGES, tools=[WEATHER]
        ) as stream:
            final = stream.get_final_completion()
        assert final.choices[0].message.tool_calls[0].function.name == "weather"

    def test_structured_output_by_schema(self, client: Client):
        schema = {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        }
        completion = client.chat(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "person", "strict": True, "schema": schema},
            }
        )
        assert isinstance(json.loads(completion.choices[0].message.content)["name"], str)

    def test_structured_output_is_parsed(self, client: Client):
        class Person(BaseModel):
            name: str
            age: int

        completion = client.sdk.chat.completions.parse(
            model="talk", messages=MESSAGES, response_format=Person
        )
        assert isinstance(completion.choices[0].message.parsed, Person)

    def test_n_logprobs_and_pictures(self, client: Client):
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        content = [{"type": "text", "text": "what?"}, picture]
        completion = client.chat(
            messages=[{"role": "user", "content": content}], n=2, logprobs=True, top_logprobs=1
        )
        assert len(completion.choices) == 2
        assert completion.choices[1].logprobs.content[0].top_logprobs


class TestOtherEndpoints:
    def test_embeddings_come_as_floats_over_base64(self, client: Client):
        """The SDK asks for base64 unless told otherwise, and unpacks it."""
        answer = client.sdk.embeddings.create(model="embed", input=["a", "b"], dimensions=8)
        assert [len(item.embedding) for item in answer.data] == [8, 8]
        assert all(isinstance(number, float) for number in answer.data[0].embedding)
        asked = json.loads(client.shop.provider.requests[-1].body)
        assert asked["encoding_format"] == "base64"
        plain = client.sdk.embeddings.create(
            model="embed", input="a", dimensions=8, encoding_format="float"
        )
        assert plain.data[0].embedding == pytest.approx(answer.data[0].embedding, abs=1e-6)

    def test_image(self, client: Client):
        answer = client.sdk.images.generate(model="draw", prompt="a hat", size="256x256", n=1)
        assert base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG")
        assert answer.usage.output_tokens > 0

    def test_models_are_listed_and_retrieved(self, client: Client):
        listed = {model.id for model in client.sdk.models.list()}
        assert {"talk", "vendor/family/talk"} <= listed
        assert client.sdk.models.retrieve("talk").owned_by == "acme"
        assert client.sdk.models.retrieve("vendor/family/talk").id == "vendor/family/talk"


class TestErrors:
    def test_authentication_error(self, client: Client):
        with pytest.raises(openai.AuthenticationError) as raised:
            _sdk(client.base_url, "sk-wrong").models.list()
        assert raised.value.code == "invalid_api_key"
        assert raised.value.request_id.startswith("req_")

    def test_permission_denied_error(self, client: Client):
        trial = client.as_customer(client.shop.trial_customer())
        with pytest.raises(openai.PermissionDeniedError) as raised:
            trial.chat(model="for-payers")
        assert raised.value.code == "model_not_allowed"

    def test_not_found_error(self, client: Client):
        with pytest.raises(openai.NotFoundError) as raised:
            client.chat(model="nope")
        assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.NotFoundError):
            client.sdk.models.retrieve("nope")

    def test_unknown_endpoint_is_not_found(self, client: Client):
        with pytest.raises(openai.NotFoundError):
            client.sdk.files.list()

    def test_bad_request_error(self, client: Client):
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat(n=0)
        assert (raised.value.code, raised.value.param) == ("invalid_count", "n")

    def test_rate_limit_error(self, client: Client):
        one = client.as_customer(client.shop.customer(max_running=1))
        stream = one.chat(stream=True, extra_body={"sandbox": {"frames": 20, "delay_s": 0.03}})
        with pytest.raises(openai.RateLimitError) as raised:
            one.chat()
        assert raised.value.response.headers["retry-after"] == "1"
        list(stream)

    def test_rate_limit_error_of_a_keys_own_rates(self, client: Client):
        one = client.as_customer(limited(client.shop, requests_per_minute=1))
        raw = one.sdk.chat.completions.with_raw_response.create(model="talk", messages=MESSAGES)
        assert raw.headers["x-ratelimit-limit-requests"] == "1"
        assert raw.headers["x-ratelimit-remaining-requests"] == "0"
        with pytest.raises(openai.RateLimitError) as raised:
            one.chat()
        assert raised.value.code == "rate_limit_exceeded"
        headers = raised.value.response.headers
        assert 1 <= int(headers["retry-after"]) <= 60
        assert re.fullmatch(r"(\d+m)?\d+s", headers["x-ratelimit-reset-requests"])

    def test_hopeless_request_is_not_repeated(self, client: Client):
        small = client.as_customer(limited(client.shop, tokens_per_minute=10))
        patient = small.sdk.with_options(max_retries=2)
        asked_at_s = time.monotonic()
        with pytest.raises(openai.RateLimitError) as raised:
            patient.chat.completions.create(model="talk", messages=MESSAGES)
        assert time.monotonic() - asked_at_s < 0.4  # the SDK's first pause is longer
        assert raised.value.code == "request_above_tokens_per_minute"

    def test_model_that_the_key_may_not_use_is_a_permission_error(self, client: Client):
        narrow = client.as_customer(limited(client.shop, models=["embed"]))
        with pytest.raises(openai.PermissionDeniedError) as raised:
            narrow.chat()
        assert raised.value.code == "model_not_allowed"
        assert [model.id for model in narrow.sdk.models.list()] == ["embed"]

    def test_payment_required_is_an_api_status_error(self, client: Client):
        poor = client.as_customer(client.shop.customer(paid_nanos=1_000))
        with pytest.raises(openai.APIStatusError) as raised:
            poor.chat()
        assert (raised.value.status_code, raised.value.code) == (402, "insufficient_balance")
        assert raised.value.body["available_usd"] == "0.000001"

    @pytest.mark.parametrize(
        ("status", "ours", "code"),
        [(500, 502, "upstream_error"), (429, 503, "upstream_unavailable")],
    )
    def test_internal_server_error(self, client: Client, status: int, ours: int, code: str):
        with pytest.raises(openai.InternalServerError) as raised:
            client.misbehaving(behave="status", status=status)
        assert (raised.value.status_code, raised.value.code) == (ours, code)

    def test_time_out_is_an_internal_server_error(self, client: Client):
        with pytest.raises(openai.InternalServerError) as raised:
            client.misbehaving(behave="never_answer", seconds=0.6)
        assert (raised.value.status_code, raised.value.code) == (504, "upstream_timeout")

    def test_sdk_does_not_repeat_what_we_have_tried_already(self, client: Client):
        patient = client.sdk.with_options(max_retries=2)
        client.shop.provider.clear()
        with pytest.raises(openai.InternalServerError):
            patient.chat.completions.create(
                model="talk",
                messages=MESSAGES,
                extra_body={"sandbox": {"behave": "status", "status": 500}},
            )
        assert len(client.shop.provider.requests) == 1


def test_published_sample_works_exactly_as_printed(client: Client):
    """The request of the developer page, sent as it stands there."""
    with client.shop.session() as session:
        add_model(
            session,
            replace(STOCK[0], name="gpt-4o"),
            is_published=True,
            author="test",
            reason="the page's model",
        )
        url = client.shop.provider.base_url
        new_channel(session, "sample", url, models={"gpt-4o": "gpt-4o"})
    printed = """{
  "model": "gpt-4o",
  "messages": [
    {
      "role": "user",
      "content": "Write a short product introduction"
    }
  ]
}"""
    connection = http.client.HTTPConnection(client.base_url.removeprefix("http://"), timeout=5)

    def send() -> tuple[int, dict[str, Any]]:
        connection.request(
            "POST",
            "/v1/chat/completions",
            body=printed.encode(),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Bearer {client.customer.secret}",
            },
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    assert wait_until(lambda: send()[0] == 200)
    status, answer = send()
    connection.close()
    assert status == 200
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "gpt-4o"
    assert re.fullmatch(r"chatcmpl-.+", answer["id"])
    assert isinstance(answer["created"], int)
    (choice,) = answer["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert choice["message"]["role"] == "assistant"
    assert isinstance(choice["message"]["content"], str)
    assert {"prompt_tokens", "completion_tokens", "total_tokens"} <= answer["usage"].keys()
    assert client.shop.provider.requests[-1].body == printed.encode()
