"""Usage as providers report it, and whether it is believed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.catalog.units import INPUT_UNITS, OUTPUT_UNITS, Unit
from app.domain.channels.presets import Dialect
from app.gateway.usage import NORMALISERS, Usage, Verdict, plausible, read_usage

CHAT = {
    "plain": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        {Unit.INPUT: 10, Unit.OUTPUT: 5},
    ),
    "OpenAI with every detail": (
        {
            "prompt_tokens": 1000,
            "completion_tokens": 500,
            "total_tokens": 1500,
            "prompt_tokens_details": {"cached_tokens": 600, "audio_tokens": 100},
            "completion_tokens_details": {
                "reasoning_tokens": 300,
                "audio_tokens": 50,
                "accepted_prediction_tokens": 10,
                "rejected_prediction_tokens": 0,
            },
        },
        {
            Unit.INPUT: 300,
            Unit.CACHED_INPUT: 600,
            Unit.AUDIO_INPUT: 100,
            Unit.OUTPUT: 150,
            Unit.REASONING: 300,
            Unit.AUDIO_OUTPUT: 50,
        },
    ),
    "details that are null": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": None,
            "completion_tokens_details": {"reasoning_tokens": None},
        },
        {Unit.INPUT: 10, Unit.OUTPUT: 5},
    ),
    "xAI adds reasoning to the total": (
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "prompt_tokens_details": {"text_tokens": 32, "cached_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 94},
        },
        {Unit.INPUT: 26, Unit.CACHED_INPUT: 6, Unit.OUTPUT: 9, Unit.REASONING: 94},
    ),
    "a proxy reports nothing but reasoning": (
        {
            "prompt_tokens": 21,
            "completion_tokens": 0,
            "total_tokens": 81,
            "completion_tokens_details": {"reasoning_tokens": 60},
        },
        {Unit.INPUT: 21, Unit.REASONING: 60},
    ),
    "xAI counts a cached picture twice": (
        {
            "prompt_tokens": 600,
            "completion_tokens": 1,
            "prompt_tokens_details": {
                "text_tokens": 100,
                "image_tokens": 500,
                "cached_tokens": 550,
            },
        },
        {Unit.CACHED_INPUT: 550, Unit.IMAGE_INPUT: 50, Unit.OUTPUT: 1},
    ),
    "OpenRouter writes the cache": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 70},
            "completion_tokens_details": {"image_tokens": 4},
            "cost": 0.01,
        },
        {
            Unit.INPUT: 10,
            Unit.CACHED_INPUT: 20,
            Unit.CACHE_WRITE: 70,
            Unit.OUTPUT: 1,
            Unit.IMAGE_OUTPUT: 4,
        },
    ),
    "Alibaba writes the cache for an hour": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_tokens_details": {
                "cache_creation_input_tokens": 70,
                "cache_creation": {"ephemeral_1h_input_tokens": 30},
            },
        },
        {Unit.INPUT: 30, Unit.CACHE_WRITE: 40, Unit.CACHE_WRITE_1H: 30, Unit.OUTPUT: 5},
    ),
    "DeepSeek's cache hits": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36,
        },
        {Unit.INPUT: 36, Unit.CACHED_INPUT: 64, Unit.OUTPUT: 5},
    ),
    "Moonshot's cached tokens": (
        {"prompt_tokens": 100, "completion_tokens": 5, "cached_tokens": 64},
        {Unit.INPUT: 36, Unit.CACHED_INPUT: 64, Unit.OUTPUT: 5},
    ),
    "cached audio is cached input": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "prompt_tokens_details": {
                "cached_tokens": 40,
                "audio_tokens": 50,
                "cached_tokens_details": {"audio_tokens": 30},
            },
        },
        {Unit.INPUT: 40, Unit.CACHED_INPUT: 40, Unit.AUDIO_INPUT: 20, Unit.OUTPUT: 5},
    ),
}

OTHERS = {
    "embeddings": ("openai_embeddings", {"prompt_tokens": 8, "total_tokens": 8}, {Unit.INPUT: 8}),
    "Voyage's embeddings": ("openai_embeddings", {"total_tokens": 8}, {Unit.INPUT: 8}),
    "images": (
        "openai_images",
        {
            "input_tokens": 50,
            "output_tokens": 4160,
            "total_tokens": 4210,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        },
        {Unit.INPUT: 10, Unit.IMAGE_INPUT: 40, Unit.IMAGE_OUTPUT: 4160},
    ),
    "images from the cache, with text": (
        "openai_images",
        {
            "input_tokens": 50,
            "output_tokens": 4200,
            "input_tokens_details": {
                "text_tokens": 10,
                "image_tokens": 40,
                "cached_tokens": 35,
                "cached_tokens_details": {"text_tokens": 5, "image_tokens": 30},
            },
            "output_tokens_details": {"image_tokens": 4160, "text_tokens": 40},
        },
        {
            Unit.INPUT: 5,
            Unit.CACHED_INPUT: 5,
            Unit.CACHED_IMAGE_INPUT: 30,
            Unit.IMAGE_INPUT: 10,
            Unit.OUTPUT: 40,
            Unit.IMAGE_OUTPUT: 4160,
        },
    ),
}


def chat(reported: dict[str, Any]) -> Usage:
    usage = read_usage("openai_chat", Dialect.PLAIN, reported)
    assert usage is not None
    return usage


@pytest.mark.parametrize("name", CHAT)
def test_chat_usage_becomes_disjoint_units(name: str):
    reported, units = CHAT[name]
    usage = chat(reported)
    assert usage.verdict is Verdict.PLAUSIBLE
    assert usage.units == units
    assert usage.raw == reported


@pytest.mark.parametrize("name", OTHERS)
def test_usage_of_other_dialects_becomes_disjoint_units(name: str):
    dialect, reported, units = OTHERS[name]
    usage = read_usage(dialect, Dialect.PLAIN, reported)
    assert usage is not None
    assert usage.units == units


@pytest.mark.parametrize("reported", [None, [], "usage", 5, True])
def test_no_usage_where_none_is_reported(reported: object):
    for protocol_dialect, rows in NORMALISERS.items():
        assert all(read_usage(protocol_dialect, dialect, reported) is None for dialect in rows)


@pytest.mark.parametrize("value", [True, -1, 1.0, "5", [1], {}])
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens", "total_tokens"])
def test_anything_but_a_json_integer_is_not_a_count(name: str, value: object):
    reported = {"prompt_tokens": 1, "completion_tokens": 1, name: value}
    assert chat(reported).verdict is Verdict.NOT_COUNTS


@pytest.mark.parametrize("details", [5, [], "none", {"cached_tokens": False}])
def test_details_that_are_no_counts_are_implausible(details: object):
    reported = {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": details}
    assert chat(reported).verdict is Verdict.NOT_COUNTS


@pytest.mark.parametrize(
    "more",
    [
        {"prompt_tokens_details": {"cached_tokens": 11}},
        {"prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 5}},
        {"prompt_tokens_details": {"audio_tokens": 6, "image_tokens": 5}},
        {
            "prompt_tokens_details": {
                "cached_tokens": 5,
                "cached_tokens_details": {"image_tokens": 1},
            }
        },
        {"prompt_tokens_details": {"cache_creation": {"ephemeral_1h_input_tokens": 1}}},
        {"completion_tokens_details": {"reasoning_tokens": 6}},
        {"completion_tokens_details": {"audio_tokens": 3, "image_tokens": 3}},
        {"total_tokens": 14},
    ],
)
def test_parts_above_their_whole_are_implausible(more: dict[str, Any]):
    reported = {"prompt_tokens": 10, "completion_tokens": 5, **more}
    assert chat(reported).verdict is Verdict.PARTS_ABOVE_WHOLE


def test_a_total_that_hides_thoughts_is_told_but_not_billed():
    usage = chat({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623})
    assert usage.units == {Unit.INPUT: 20, Unit.OUTPUT: 198}
    assert usage.unexplained_tokens == 405


@pytest.mark.parametrize(
    ("prompt", "completion", "carried", "verdict"),
    [
        (10, 5, True, Verdict.PLAUSIBLE),
        (100, 50, True, Verdict.PLAUSIBLE),
        (101, 50, True, Verdict.PROMPT_ABOVE_BOUND),
        (100, 51, True, Verdict.COMPLETION_ABOVE_BOUND),
        (10**30, 5, True, Verdict.PROMPT_ABOVE_BOUND),
        (0, 5, True, Verdict.ZERO_WITH_CONTENT),
        (0, 0, False, Verdict.ZERO_WITH_CONTENT),
        (10, 0, True, Verdict.ZERO_WITH_CONTENT),
        (10, 0, False, Verdict.PLAUSIBLE),
    ],
)
def test_usage_is_judged_against_the_call(
    prompt: int, completion: int, carried: bool, verdict: Verdict
):
    usage = chat({"prompt_tokens": prompt, "completion_tokens": completion})
    judged = plausible(
        usage, input_bound_tokens=100, output_bound_tokens=50, carried_content=carried
    )
    assert judged is verdict


def test_usage_that_contradicts_itself_stays_implausible_within_the_bounds():
    usage = chat({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 1})
    judged = plausible(usage, input_bound_tokens=100, output_bound_tokens=50, carried_content=True)
    assert judged is Verdict.PARTS_ABOVE_WHOLE


def test_reasoning_beside_the_completion_counts_against_the_output_bound():
    usage = chat(
        {
            "prompt_tokens": 1,
            "completion_tokens": 9,
            "total_tokens": 60,
            "completion_tokens_details": {"reasoning_tokens": 50},
        }
    )
    judged = plausible(usage, input_bound_tokens=10, output_bound_tokens=50, carried_content=True)
    assert judged is Verdict.COMPLETION_ABOVE_BOUND


COUNTS = st.integers(0, 50) | st.none()


@given(
    st.fixed_dictionaries(
        {
            "prompt_tokens": COUNTS,
            "completion_tokens": COUNTS,
            "total_tokens": COUNTS,
            "prompt_tokens_details": st.dictionaries(
                st.sampled_from(
                    ["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"]
                ),
                COUNTS,
            ),
            "completion_tokens_details": st.dictionaries(
                st.sampled_from(["reasoning_tokens", "audio_tokens", "image_tokens"]), COUNTS
            ),
        }
    )
)
def test_units_always_add_up_to_their_wholes(reported: dict[str, Any]):
    usage = chat(reported)
    inputs = sum(count for unit, count in usage.units.items() if unit in INPUT_UNITS)
    outputs = sum(count for unit, count in usage.units.items() if unit in OUTPUT_UNITS)
    assert (inputs, outputs) == (usage.prompt_tokens, usage.completion_tokens)
    assert all(count > 0 for count in usage.units.values())
    if usage.verdict is Verdict.PLAUSIBLE:
        assert usage.prompt_tokens == (reported["prompt_tokens"] or 0)
        assert usage.completion_tokens >= (reported["completion_tokens"] or 0)
