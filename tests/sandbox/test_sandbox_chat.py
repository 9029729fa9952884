"""POST /v1/chat/completions, read by the official SDK."""

import json
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from pydantic import BaseModel

MESSAGES = [{"role": "user", "content": "Xin chào thế giới"}]
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "unit": {"enum": ["celsius", "kelvin"]},
        "days": {"type": "integer", "minimum": 3},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 2},
    },
    "required": ["city", "unit", "days", "tags"],
    "$defs": {"tag": {"type": "string", "minLength": 9}},
}
TOOLS = [
    {"type": "function", "function": {"name": "ping"}},
    {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}},
]


def ask(sdk: OpenAI, **members: Any):
    return sdk.chat.completions.create(model="any-model", **{"messages": MESSAGES, **members})


def test_answer_says_that_no_model_was_asked_and_echoes(sdk):
    completion = ask(sdk)
    said = completion.choices[0].message.content
    assert said == "Sandbox answer: no real model was asked. You said: Xin chào thế giới"
    assert completion.model == "any-model"
    assert completion.choices[0].finish_reason == "stop"


def test_usage_counts_a_token_for_four_bytes(sdk):
    usage = ask(sdk, messages=[{"role": "user", "content": "x" * 41}]).usage
    said_bytes = len("Sandbox answer: no real model was asked. You said: ") + 41
    assert usage.prompt_tokens == 11
    assert usage.completion_tokens == -(-said_bytes // 4)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details.cached_tokens == 0


def test_picture_counts_85_tokens_whatever_its_base64_weighs(sdk):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9000}}
    text = {"type": "text", "text": "What is it?"}
    completion = ask(sdk, messages=[{"role": "user", "content": [text, picture]}])
    assert completion.usage.prompt_tokens == 3 + 85
    assert completion.choices[0].message.content.endswith("You said: What is it?")


def test_stream_brings_the_same_text_and_ends_with_usage(sdk):
    whole = ask(sdk)
    chunks = list(ask(sdk, stream=True, stream_options={"include_usage": True}))
    pieces = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_stream_that_did_not_ask_gets_no_usage(sdk):
    chunks = list(ask(sdk, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_n_choices_are_all_given_and_all_counted(sdk):
    one = ask(sdk)
    three = ask(sdk, n=3)
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    assert three.usage.completion_tokens == 3 * one.usage.completion_tokens
    ends = [c.index for k in ask(sdk, n=3, stream=True) for c in k.choices if c.finish_reason]
    assert ends == [0, 1, 2]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_output_limit_cuts_the_answer(sdk, name):
    completion = ask(sdk, **{name: 5})
    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.content == "Sandbox answer: no r"
    assert completion.usage.completion_tokens == 5


def test_tool_is_called_with_arguments_that_fit_its_schema(sdk):
    choice = {"type": "function", "function": {"name": "weather"}}
    answer = ask(sdk, tools=TOOLS, tool_choice=choice).choices[0]
    call = answer.message.tool_calls[0]
    assert answer.finish_reason == "tool_calls"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {
        "city": "sandbox",
        "unit": "celsius",
        "days": 3,
        "tags": ["sandboxxx", "sandboxxx"],
    }


def test_streamed_tool_call_adds_up_to_the_same_arguments(sdk):
    choice = {"type": "function", "function": {"name": "weather"}}
    with sdk.chat.completions.stream(
        model="m", messages=MESSAGES, tools=TOOLS, tool_choice=choice
    ) as stream:
        final = stream.get_final_completion().choices[0]
    arguments = json.loads(final.message.tool_calls[0].function.arguments)
    assert final.finish_reason == "tool_calls"
    assert arguments["days"] == 3


def test_first_tool_is_called_and_its_result_ends_the_conversation(sdk):
    call = ask(sdk, tools=TOOLS).choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("ping", "{}")
    result = {"role": "tool", "tool_call_id": call.id, "content": "pong"}
    answer = ask(sdk, tools=TOOLS, messages=[*MESSAGES, result]).choices[0]
    assert answer.finish_reason == "stop"
    assert answer.message.content.endswith("You said: pong")


@pytest.mark.parametrize("choice", [{"function": "weather"}, {}, "auto", "required"])
def test_tool_choice_that_names_none_takes_the_first(sdk, choice):
    calls = ask(sdk, tools=TOOLS, tool_choice=choice).choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["ping"]


def test_tool_choice_none_gets_text(sdk):
    assert ask(sdk, tools=TOOLS, tool_choice="none").choices[0].finish_reason == "stop"


def test_json_object_is_an_object(sdk):
    said = ask(sdk, response_format={"type": "json_object"}).choices[0].message.content
    assert json.loads(said)["answer"].startswith("Sandbox answer")


def test_json_schema_is_parsed_by_the_sdk_into_its_model(sdk):
    class Person(BaseModel):
        name: str
        age: int
        nickname: str | None
        friends: list["Person"]

    completion = sdk.chat.completions.parse(
        model="m", messages=MESSAGES, response_format=Person, extra_body={"sandbox": {"frames": 3}}
    )
    assert completion.choices[0].message.parsed.name == "sandbox"


def test_logprobs_are_given_when_asked(sdk):
    tokens = ask(sdk, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert "".join(token.token for token in tokens).endswith("Xin chào thế giới")
    assert len(tokens[0].top_logprobs) == 2
    assert ask(sdk).choices[0].logprobs is None


def test_size_and_shape_follow_the_wish(sdk):
    wish = {"tokens": 500, "frames": 50}
    chunks = list(
        ask(
            sdk,
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"sandbox": wish},
        )
    )
    pieces = [c.delta.content for chunk in chunks for c in chunk.choices if c.delta.content]
    assert len(pieces) == 50
    assert sum(len(piece.encode()) for piece in pieces) == 2000
    assert chunks[-1].usage.completion_tokens == 500


def test_usage_of_the_wish_is_reported_word_for_word(sdk):
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, "odd": {"x": 1}}
    assert (
        ask(sdk, extra_body={"sandbox": {"usage": usage}}).usage.model_dump(exclude_none=True)
        == usage
    )


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"content": "no role"}]}, "messages[0]"),
        ({"n": 0}, "n"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"stream": True, "stream_options": "usage"}, "stream_options"),
        ({"extra_body": {"sandbox": {"behave": "nicely"}}}, "sandbox.behave"),
        ({"extra_body": {"sandbox": {"secconds": 1}}}, "sandbox"),
        ({"extra_body": {"sandbox": {"seconds": -1}}}, "sandbox.seconds"),
    ],
)
def test_bad_member_is_named(sdk, members, param):
    with pytest.raises(BadRequestError) as caught:
        ask(sdk, **members)
    assert caught.value.param == param
