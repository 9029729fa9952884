"""Answers that arrive whole."""

import base64
import json
import struct
from typing import Any

import pytest

from app.gateway.answer import (
    UnreadableAnswer,
    embeddings_to_base64,
    names_other_model,
    read_answer,
)

PLAIN = (
    b'{"id": "chatcmpl-1",  "model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Xin ch\xc3\xa0o"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2},"system_fingerprint":"fp_1"}\n'
)


def answer_with(message: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": message}]}).encode()


def test_an_answer_without_the_providers_business_passes_as_the_same_bytes():
    assert read_answer(PLAIN).body is PLAIN


def test_cost_and_provider_are_removed_and_kept_as_facts():
    body = (
        b'{"id":"gen-1", "provider":"DeepInfra","model":"a/b","choices":[],'
        b'"usage":{"prompt_tokens":1, "cost":0.0012,"is_byok":false,"completion_tokens":2,'
        b'"cost_details":{"upstream":null},"cost_in_usd_ticks":7},"x_groq":{"id":"r"}}'
    )
    answer = read_answer(body)
    assert answer.body == (
        b'{"id":"gen-1","model":"a/b","choices":[],'
        b'"usage":{"prompt_tokens":1,"completion_tokens":2}}'
    )
    assert answer.provider_facts == {
        "provider": "DeepInfra",
        "x_groq": {"id": "r"},
        "cost": 0.0012,
        "is_byok": False,
        "cost_details": {"upstream": None},
        "cost_in_usd_ticks": 7,
    }


def test_cost_outside_of_usage_is_not_ours_to_remove():
    body = b'{"choices":[{"message":{"provider":"x","cost":1}}],"cost":2}'
    assert read_answer(body).body == body


def test_the_sold_name_replaces_whatever_the_provider_echoed():
    answer = read_answer(PLAIN, sold_model='smart "model"')
    assert answer.body == PLAIN.replace(b'"gpt-4o-2024-08-06"', b'"smart \\"model\\""')
    assert answer.model == "gpt-4o-2024-08-06"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'"text"',
        b"{",
        b"{}",
        b'{"choices":null}',
        b'{"choices":{}}',
        b'\xff{"choices":[]}',
        b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_malformed_answer_is_unreadable(body: bytes):
    with pytest.raises(UnreadableAnswer):
        read_answer(body)


def test_an_error_in_a_successful_answer_is_reported():
    answer = read_answer(b'{"error":{"code":502,"message":"overloaded"}}')
    assert answer.error == {"code": 502, "message": "overloaded"}


def test_an_error_in_every_choice_is_reported():
    assert read_answer(b'{"choices":[{"error":{"code":502}}]}').error == {"code": 502}


def test_an_error_in_some_choice_leaves_the_others_delivered():
    body = b'{"choices":[{"error":{"code":502}},{"message":{"content":"x"}}],"error":null}'
    assert read_answer(body).error is None


MESSAGES = {
    "plain": ({"content": "hello"}, "hello"),
    "reasoning under two names": (
        {"reasoning": "hm", "reasoning_content": "hm", "content": "yes"},
        "hmyes",
    ),
    "refusal": ({"content": None, "refusal": "no"}, "no"),
    "tool calls": (
        {
            "tool_calls": [
                {"function": {"name": "f", "arguments": "{}"}},
                {"custom": {"input": "q"}},
            ]
        },
        "f{}q",
    ),
    "old function call": ({"function_call": {"name": "f", "arguments": "{}"}}, "f{}"),
    "parts": (
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "a"}]},
                {"type": "text", "text": "b"},
            ]
        },
        "ab",
    ),
    "audio": ({"audio": {"data": "AAAA", "transcript": "said"}}, "said"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_delivered_text_is_all_text_of_the_answer(name: str):
    message, text = MESSAGES[name]
    answer = read_answer(answer_with(message))
    assert answer.delivered_text() == text
    assert answer.has_content


def test_text_completions_carry_their_text_in_the_choice():
    answer = read_answer(b'{"choices":[{"text":"a"},{"text":"b"}]}')
    assert answer.delivered_text() == "ab"
    assert answer.has_content


@pytest.mark.parametrize("message", [{}, {"role": "assistant", "content": ""}, None, 5, "x"])
def test_an_empty_message_is_no_content(message: Any):
    answer = read_answer(answer_with(message))
    assert not answer.has_content
    assert answer.delivered_text() == ""


def test_a_picture_without_text_is_content():
    assert read_answer(answer_with({"images": [{"type": "image_url"}]})).has_content


def test_images_and_embeddings_list_their_data():
    assert read_answer(b'{"data":[{"b64_json":"AA"}]}', list_member="data").has_content
    with pytest.raises(UnreadableAnswer):
        read_answer(b'{"choices":[]}', list_member="data")


@pytest.mark.parametrize(
    ("requested", "answered"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4", "gpt-4-0613"),
        ("gemini-2.0-flash", "models/gemini-2.0-flash-001"),
        ("claude-3-7-sonnet-latest", "claude-3-7-sonnet-20250219"),
        ("mistral-large-latest", "mistral-large-2411"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06"),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1"),
        ("Qwen/Qwen3-32B", "qwen3-32b"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
    ],
)
def test_a_dated_or_shortened_name_is_the_same_model(requested: str, answered: str):
    assert not names_other_model(requested, answered)


@pytest.mark.parametrize(
    ("requested", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o", "gpt-4o-mini-2024-07-18"),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-05-13"),
        ("deepseek-r1", "deepseek-v3"),
        ("gpt-5", ""),
    ],
)
def test_another_model_is_noticed(requested: str, answered: str):
    assert names_other_model(requested, answered)


def test_float_embeddings_become_little_endian_float32():
    body = (
        b'{"object":"list", "data":[{"object":"embedding","index":0,"embedding":[0.5,-1,1e-3]},'
        b'{"object":"embedding","index":1,"embedding":"AAAA"}],"usage":{"total_tokens": 3}}'
    )
    converted = embeddings_to_base64(body)
    first, second = json.loads(converted)["data"]
    assert base64.b64decode(first["embedding"]) == struct.pack("<3f", 0.5, -1, 1e-3)
    assert (first["index"], second["embedding"]) == (0, "AAAA")
    assert converted.startswith(b'{"object":"list", "data":[')
    assert converted.endswith(b'],"usage":{"total_tokens": 3}}')


def test_embeddings_in_base64_already_stay_untouched():
    body = b'{"data":[{"embedding":"AAAA"}]}'
    assert embeddings_to_base64(body) is body


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"data":{}}',
        b'{"data":[5]}',
        b'{"data":[{"embedding":["x"]}]}',
        b'{"data":[{"embedding":[1e300]}]}',
    ],
)
def test_embeddings_that_are_no_vectors_are_unreadable(body: bytes):
    with pytest.raises(UnreadableAnswer):
        embeddings_to_base64(body)
