"""A real llama.cpp server as a channel: what it reports is billed, its refusals understood."""

import importlib.util
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from app.domain.billing.models import CallState
from tests.gateway.shop import (
    CHAT_PATH,
    EMBEDDINGS_PATH,
    MESSAGES,
    Shop,
    frames_of,
    hang_up,
    new_channel,
    read_until,
    send_raw,
    wait_until,
)
from tests.running_product import running_product

pytestmark = [pytest.mark.slow, pytest.mark.llama]

if importlib.util.find_spec("xllamacpp"):  # elsewhere the marker skips every test
    from tests.llama_server import EMBEDDING_SIZE, running_llama


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder: Path = tmp_path_factory.mktemp("llama")
    with running_llama(folder) as chat, running_llama(folder, kind="embeddings") as embeddings:
        yield {"talk": chat, "embed": embeddings}


@pytest.fixture
def llama_shop(shop: Shop, servers: dict[str, str]) -> Shop:
    """The shop, with its sandbox channel replaced by the real servers."""
    shop.set_channel("main", is_enabled=False)
    with shop.session() as session:
        for sold, base_url in servers.items():
            new_channel(
                session,
                f"llama-{sold}",
                base_url,
                models={sold: "tiny"},
                preset="llama-cpp",
            )
    return shop


def test_answer_is_billed_the_usage_that_the_server_reports(llama_shop: Shop):
    customer = llama_shop.customer()
    answer = llama_shop.chat(customer, max_tokens=8)
    assert answer.status_code == 200
    usage = answer.json["usage"]
    units = json.loads(llama_shop.only_call().units)
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    assert units["input"] + units.get("cached_input", 0) == usage["prompt_tokens"]
    assert units.get("cached_input", 0) == cached
    assert units["output"] == usage["completion_tokens"] <= 8
    assert answer.json["model"] == "talk"  # not the name it has at the provider
    assert not llama_shop.only_call().is_estimated
    llama_shop.assert_at_rest()


def test_stream_is_billed_though_its_client_did_not_ask_for_usage(llama_shop: Shop):
    answer = llama_shop.chat(llama_shop.customer(), stream=True, max_tokens=6)
    frames = frames_of(answer.get_data())
    assert all("usage" not in frame for frame in frames)
    call = llama_shop.only_call()
    assert not call.is_estimated
    assert json.loads(call.units)["output"] <= 6
    llama_shop.assert_at_rest()


def test_usage_frame_of_a_stream_carries_the_cost(llama_shop: Shop):
    answer = llama_shop.chat(
        llama_shop.customer(), stream=True, max_tokens=6, stream_options={"include_usage": True}
    )
    (usage,) = [frame["usage"] for frame in frames_of(answer.get_data()) if frame.get("usage")]
    cost_nanos = llama_shop.only_call().cost_nanos
    assert usage["cost_usd"] == f"{cost_nanos / 10**9:.9f}".rstrip("0")
    assert answer.get_data().endswith(b"data: [DONE]\n\n")


def test_several_choices_are_billed_as_one_answer(llama_shop: Shop):
    """This server counts the tokens of the choices together, or of one alone: never above them."""
    answer = llama_shop.chat(llama_shop.customer(), n=2, max_tokens=4)
    assert len(answer.json["choices"]) == 2
    assert 0 < json.loads(llama_shop.only_call().units)["output"] <= 8


def test_schema_reaches_the_server_and_binds_it(llama_shop: Shop):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    answer = llama_shop.chat(
        llama_shop.customer(),
        max_tokens=60,
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
    )
    content = answer.json["choices"][0]["message"]["content"]
    if answer.json["choices"][0]["finish_reason"] == "stop":
        assert isinstance(json.loads(content)["a"], int)
    assert content.lstrip().startswith("{")


def test_prompt_above_its_window_is_the_callers_fault_and_costs_nothing(llama_shop: Shop):
    customer = llama_shop.customer()
    answer = llama_shop.chat(customer, messages=[{"role": "user", "content": "hi " * 2_000}])
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "context_length_exceeded"
    call = llama_shop.only_call()
    assert (call.state, call.cost_nanos) == (CallState.VOIDED, 0)
    assert llama_shop.chat(customer, max_tokens=2).status_code == 200  # the channel lives on
    llama_shop.assert_at_rest()


@pytest.mark.parametrize("members", [{"temperature": "hot"}, {"messages": "no list"}])
def test_what_the_server_cannot_read_is_the_callers_fault(llama_shop: Shop, members: dict):
    answer = llama_shop.chat(llama_shop.customer(), **members)
    assert answer.status_code == 400
    assert answer.json["error"]["type"] == "invalid_request_error"
    llama_shop.assert_at_rest()


def test_client_that_hangs_up_is_billed_the_usage_and_the_server_is_free_again(llama_shop: Shop):
    customer = llama_shop.customer()
    with running_product(llama_shop.app) as base_url:
        connection: socket.socket = send_raw(base_url, customer, stream=True, max_tokens=400)
        read_until(connection, b"data: ")
        hang_up(connection)
        assert wait_until(lambda: llama_shop.only_call().state is CallState.POSTED)
        llama_shop.assert_at_rest()
    assert 0 < json.loads(llama_shop.only_call().units)["output"] <= 400


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_arrive_in_the_encoding_asked_for(llama_shop: Shop, encoding: str):
    customer = llama_shop.customer()
    with running_product(llama_shop.app) as base_url:
        client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=customer.secret, max_retries=0)
        made = client.embeddings.create(
            model="embed", input=["hello", "you"], encoding_format=encoding
        )
        client.close()
    assert [row.index for row in made.data] == [0, 1]
    if encoding == "float":
        assert [len(row.embedding) for row in made.data] == [EMBEDDING_SIZE] * 2
    assert json.loads(llama_shop.only_call().units) == {"input": made.usage.prompt_tokens}


def test_official_sdk_streams_from_the_real_server(llama_shop: Shop):
    customer = llama_shop.customer()
    with running_product(llama_shop.app) as base_url:
        client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=customer.secret, max_retries=0)
        with client.chat.completions.create(
            model="talk", messages=MESSAGES, max_tokens=5, stream=True
        ) as stream:
            chunks = list(stream)
        client.close()
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    llama_shop.assert_at_rest()


def test_embeddings_model_of_a_chat_server_is_no_fault_of_the_caller(
    shop: Shop, servers: dict[str, str]
):
    """The server says 501: another channel may serve it, and the caller is not blamed."""
    shop.set_channel("main", is_enabled=False)
    with shop.session() as session:
        new_channel(session, "wrong", servers["talk"], models={"embed": "tiny"}, preset="llama-cpp")
    answer = shop.post(shop.customer(), EMBEDDINGS_PATH, model="embed", input="hello")
    assert answer.status_code in (502, 503)
    assert CHAT_PATH not in answer.text
    shop.assert_at_rest()
