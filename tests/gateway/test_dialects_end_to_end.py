"""What a provider's dialect does to the bill of a real call, and to what the client gets."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.domain.billing.models import Call, CallState
from app.domain.billing.tokens import count_request, count_text
from app.domain.channels.models import StreamUsage
from tests.gateway.chat_frames import chunk, content, delta, frame
from tests.gateway.shop import (
    INPUT_NANOS,
    MESSAGES,
    OUTPUT_NANOS,
    Shop,
    frames_of,
    text_of,
)
from tests.gateway.wire_server import Script, Wire, WireServer

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
GEMINI = {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 53}
XAI = {
    "prompt_tokens": 32,
    "completion_tokens": 9,
    "total_tokens": 135,
    "prompt_tokens_details": {"text_tokens": 32, "cached_tokens": 6},
    "completion_tokens_details": {"reasoning_tokens": 94},
    "cost_in_usd_ticks": 1_234_500,
}


def bill_of(call: Call) -> dict[str, int]:
    assert call.state is CallState.POSTED
    units = json.loads(call.units or "{}")
    inputs = sum(units.get(unit, 0) for unit in ("input", "cached_input"))
    outputs = sum(units.get(unit, 0) for unit in ("output", "reasoning"))
    assert call.cost_nanos == inputs * INPUT_NANOS + outputs * OUTPUT_NANOS
    return units


@pytest.fixture
def provider_of_frames() -> Iterator[Callable[..., str]]:
    """A provider that sends these frames as they are, once; returns its base URL."""
    servers: list[WireServer] = []

    def start(*frames: bytes) -> str:
        server = WireServer(_sending(b"".join(frames)))
        server.__enter__()
        servers.append(server)
        return f"http://127.0.0.1:{server.port}/v1"

    yield start
    for server in servers:
        server.__exit__(None, None, None)


def _sending(body: bytes) -> Script:
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(STREAM_HEAD + body)

    return script


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_that_gemini_counts_in_the_total_are_billed(shop: Shop, stream: bool):
    shop.set_channel("main", preset="gemini")
    customer = shop.customer()
    answer = shop.chat(customer, stream=stream, max_tokens=100, sandbox={"usage": GEMINI})
    assert answer.status_code == 200
    answer.get_data()
    assert bill_of(shop.only_call()) == {"input": 20, "output": 8, "reasoning": 25}
    assert not shop.only_call().is_estimated
    assert shop.alerts() == []
    shop.assert_at_rest()


def test_thoughts_of_a_plain_provider_are_not(shop: Shop):
    shop.chat(shop.customer(), max_tokens=100, sandbox={"usage": GEMINI})
    assert bill_of(shop.only_call()) == {"input": 20, "output": 8}


def test_thoughts_above_the_limit_are_not_believed(shop: Shop):
    """The client's limit bounds thoughts and answer together; more is nobody's to pay."""
    shop.set_channel("main", preset="gemini")
    shop.chat(shop.customer(), max_tokens=30, sandbox={"usage": GEMINI})
    call = shop.only_call()
    assert call.is_estimated
    assert "reasoning" not in json.loads(call.units or "{}")
    assert shop.alerts() == ["implausible_usage"]
    shop.assert_at_rest()


@pytest.mark.parametrize("stream", [False, True])
def test_what_xai_reasons_beside_the_completion_is_billed(shop: Shop, stream: bool):
    shop.set_channel("main", preset="xai")
    answer = shop.chat(
        shop.customer(),
        stream=stream,
        stream_options={"include_usage": True} if stream else None,
        max_tokens=200,
        sandbox={"usage": XAI},
    )
    body = answer.get_data()
    assert bill_of(shop.only_call()) == {
        "input": 26,
        "cached_input": 6,
        "output": 9,
        "reasoning": 94,
    }
    assert b"cost_in_usd_ticks" not in body
    assert b"reasoning_tokens" in body
    shop.assert_at_rest()


def test_a_stream_of_an_old_ollama_says_nothing_and_is_estimated(shop: Shop):
    shop.set_channel("main", preset="ollama")
    shop.set_served("talk", stream_usage=StreamUsage.NEVER)
    answer = shop.chat(shop.customer(), stream=True, sandbox={"behave": "no_usage"})
    text = text_of(frames_of(answer.get_data()))
    (request,) = shop.provider.requests
    assert b"include_usage" not in request.body
    call = shop.only_call()
    assert call.is_estimated
    assert bill_of(call) == {
        "input": count_request({"messages": MESSAGES}),
        "output": count_text(text),
    }
    assert shop.alerts() == []
    shop.assert_at_rest()


def test_groqs_own_member_is_read_and_cut(shop: Shop, provider_of_frames: Callable[..., str]):
    own: dict[str, Any] = {"id": "req_canary"}
    usage = {"queue_time": 0.07, "prompt_tokens": 23, "completion_tokens": 19, "total_tokens": 42}
    frames = (
        frame(chunk(delta(role="assistant", content="")) | {"x_groq": own}),
        content("Hello"),
        frame(chunk(delta(finish="stop")) | {"x_groq": own | {"usage": usage}}),
        b"data: [DONE]\n\n",
    )
    base_url = provider_of_frames(*frames)
    shop.add_channel("groq", base_url, priority=9, preset="groq")
    body = shop.chat(shop.customer(), stream=True, max_tokens=100).get_data()
    assert text_of(frames_of(body)) == "Hello"
    assert bill_of(shop.only_call()) == {"input": 23, "output": 19}
    assert b"x_groq" not in body
    assert b"canary" not in body
    shop.assert_at_rest()


@pytest.mark.parametrize("asks", [False, True])
def test_a_provider_that_reports_unasked_is_never_asked(shop: Shop, asks: bool):
    """Mistral answers include_usage with 422; a client that asked gets its usage all the same."""
    shop.set_channel("main", preset="mistral")
    shop.set_served("talk", stream_usage=StreamUsage.ALWAYS)
    answer = shop.chat(
        shop.customer(),
        stream=True,
        **({"stream_options": {"include_usage": True}} if asks else {}),
        sandbox={"behave": "usage_unasked", "usage": GEMINI},
    )
    frames = frames_of(answer.get_data())
    (request,) = shop.provider.requests
    assert b"stream_options" not in request.body
    assert bill_of(shop.only_call()) == {"input": 20, "output": 8}
    told = [frame["usage"] for frame in frames if frame.get("usage")]
    assert [usage["completion_tokens"] for usage in told] == ([8] if asks else [])


def test_a_server_without_a_key_is_sent_none(shop: Shop):
    shop.add_channel("local", shop.provider.base_url, priority=9, preset="vllm", api_key="")
    shop.chat(shop.customer())
    first = shop.provider.requests[0]
    assert "authorization" not in first.headers
    assert shop.services.offers.offers()["talk"].routes[-1].api_key == ""
