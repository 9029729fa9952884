"""Usage in the shapes that each provider's documents and clients show, read by its own row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.catalog.units import INPUT_UNITS, OUTPUT_UNITS, Unit
from app.domain.channels.presets import Dialect
from app.gateway.meter import Meter
from app.gateway.usage import NORMALISERS, Usage, Verdict, read_usage, usage_in
from tests.gateway.usage_shapes import CHAT, EMBEDDINGS, SHAPES, Shape


def read(shape: Shape) -> Usage | None:
    return read_usage(shape.protocol, shape.dialect, shape.reported)


@pytest.mark.parametrize("name", SHAPES)
def test_each_dialect_is_read_as_its_provider_means_it(name: str):
    shape = SHAPES[name]
    usage = read(shape)
    if shape.units is None:
        assert usage is None
        return
    assert usage is not None
    assert usage.verdict is Verdict.PLAUSIBLE
    assert usage.units == shape.units
    assert usage.unexplained_tokens == shape.unexplained_tokens


@pytest.mark.parametrize("name", SHAPES)
def test_members_that_nobody_knows_change_nothing(name: str):
    shape = SHAPES[name]
    more = shape.reported | {"tomorrow": {"x": [1]}, "cost": "free"}
    told = read(shape)
    assert (told is None) == (shape.units is None)
    if told is not None:
        again = read(shape._replace(reported=more))
        assert again is not None
        assert again.units == told.units


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize(
    ("reported", "verdict"),
    [
        ({"prompt_tokens": -1, "completion_tokens": 1}, Verdict.NOT_COUNTS),
        ({"prompt_tokens": 1, "completion_tokens": 1.5}, Verdict.NOT_COUNTS),
        ({"prompt_tokens": "1", "completion_tokens": 1}, Verdict.NOT_COUNTS),
        (
            {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 9},
            Verdict.PARTS_ABOVE_WHOLE,
        ),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 6},
            },
            Verdict.PARTS_ABOVE_WHOLE,
        ),
    ],
)
def test_no_dialect_believes_what_cannot_be(
    dialect: Dialect, reported: dict[str, Any], verdict: Verdict
):
    usage = read_usage(CHAT, dialect, reported)
    assert usage is not None
    assert usage.verdict is verdict
    assert usage.units == {}


@pytest.mark.parametrize(
    "reported",
    [
        {"input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 1}},
        {"input_tokens": 5, "output_tokens": 5, "total_tokens": 9},
    ],
)
def test_anthropics_own_names_must_add_up(reported: dict[str, Any]):
    usage = read_usage(CHAT, Dialect.ANTHROPIC, reported)
    assert usage is not None
    assert usage.verdict is Verdict.PARTS_ABOVE_WHOLE


# Where frames of a stream carry usage

# https://github.com/vercel/ai/issues/1651
GROQ_FRAME = {
    "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}],
    "x_groq": {
        "id": "req_01hy8ppkajfqk987jv2vx88m9r",
        "usage": {"queue_time": 0.07535312, "prompt_tokens": 23, "completion_tokens": 19},
    },
}
# https://github.com/northes/go-moonshot/issues/17
MOONSHOT_FRAME = {
    "choices": [
        {
            "index": 0,
            "delta": {},
            "finish_reason": "stop",
            "usage": {"prompt_tokens": 19, "completion_tokens": 13, "total_tokens": 32},
        }
    ]
}
# https://github.com/ggml-org/llama.cpp/pull/15827
LLAMA_FRAME = {
    "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    "timings": {
        "cache_n": 236,
        "prompt_n": 1,
        "prompt_ms": 30.958,
        "predicted_n": 35,
        "predicted_per_second": 52.94494935437416,
    },
}


def units_of(dialect: Dialect, chunk: dict[str, Any], *, choices: int = 1) -> Any:
    """The units that a meter learns from one frame, None where it learns none."""
    meter = Meter(choices=choices, dialect=dialect)
    meter.observe(chunk, b"")
    usage = read_usage(CHAT, dialect, meter.usage)
    return None if usage is None else usage.units


@pytest.mark.parametrize(
    ("dialect", "chunk", "units"),
    [
        (Dialect.GROQ, GROQ_FRAME, {Unit.INPUT: 23, Unit.OUTPUT: 19}),
        (Dialect.MOONSHOT, MOONSHOT_FRAME, {Unit.INPUT: 19, Unit.OUTPUT: 13}),
        (Dialect.LLAMA_CPP, LLAMA_FRAME, {Unit.INPUT: 1, Unit.CACHED_INPUT: 236, Unit.OUTPUT: 35}),
    ],
)
def test_usage_is_found_where_the_provider_puts_it(
    dialect: Dialect, chunk: dict[str, Any], units: dict[Unit, int]
):
    assert units_of(dialect, chunk) == units
    assert units_of(Dialect.OPENAI, chunk) is None
    assert units_of(dialect, chunk, choices=2) is None


def test_usage_proper_goes_before_what_stands_elsewhere():
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    for dialect, chunk in ((Dialect.GROQ, GROQ_FRAME), (Dialect.LLAMA_CPP, LLAMA_FRAME)):
        assert usage_in(dialect, chunk | {"usage": usage}) == usage


@pytest.mark.parametrize("nothing", [None, [], 5, "x", {"usage": None}, {"usage": 5}, {}])
def test_odd_members_are_no_usage(nothing: object):
    chunks = ({"x_groq": nothing}, {"choices": nothing}, {"choices": [nothing]})
    for chunk in (*chunks, {"timings": nothing}, {"usage": nothing}):
        for dialect in Dialect:
            found = usage_in(dialect, chunk)
            assert found is None or found == nothing or dialect is Dialect.LLAMA_CPP


@pytest.mark.parametrize("tokens", [True, -1, 1.5, "7", None, {}])
def test_timings_that_are_no_counts_are_no_usage(tokens: object):
    chunk = {"timings": {"prompt_n": tokens, "predicted_n": 5}}
    assert usage_in(Dialect.LLAMA_CPP, chunk) is None


COUNTS = st.integers(-1, 60) | st.none() | st.booleans()
DETAILS = st.none() | st.dictionaries(
    st.sampled_from(
        (
            *("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"),
            *("text_tokens", "reasoning_tokens", "cache_creation_input_tokens"),
        )
    ),
    COUNTS,
)
NAMES = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens"),
    *("cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens"),
    *("cache_read_input_tokens", "cache_creation_input_tokens"),
)
REPORTED = st.builds(
    lambda counts, parts: counts | parts,
    st.dictionaries(st.sampled_from(NAMES), COUNTS),
    st.dictionaries(
        st.sampled_from(
            (
                *("prompt_tokens_details", "completion_tokens_details"),
                *("input_tokens_details", "output_tokens_details"),
            )
        ),
        DETAILS,
    ),
)


@given(st.sampled_from(Dialect), st.sampled_from(sorted(NORMALISERS)), REPORTED)
def test_units_are_disjoint_and_add_up_whatever_is_reported(
    dialect: Dialect, protocol: str, reported: dict[str, Any]
):
    usage = read_usage(protocol, dialect, reported)
    if usage is None:
        return
    inputs = sum(tokens for unit, tokens in usage.units.items() if unit in INPUT_UNITS)
    outputs = sum(tokens for unit, tokens in usage.units.items() if unit in OUTPUT_UNITS)
    assert (inputs, outputs) == (usage.prompt_tokens, usage.completion_tokens)
    assert all(tokens > 0 for tokens in usage.units.values())
    assert usage.unexplained_tokens >= 0
    total = reported.get("total_tokens")
    if usage.verdict is Verdict.PLAUSIBLE and total is not None and protocol != EMBEDDINGS:
        assert usage.prompt_tokens + usage.completion_tokens + usage.unexplained_tokens == total
