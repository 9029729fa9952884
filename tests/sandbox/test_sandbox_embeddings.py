"""POST /v1/embeddings, read by the official SDK."""

import math
from typing import Any

import pytest
from openai import BadRequestError


def embed(sdk, value, **members: Any):
    return sdk.embeddings.create(model="any-model", input=value, **members)


def test_vector_is_a_unit_vector_that_depends_on_the_input_alone(sdk):
    first, again, other = embed(sdk, ["cat", "cat", "dog"]).data
    assert len(first.embedding) == 1536
    assert math.isclose(math.hypot(*first.embedding), 1, rel_tol=1e-5)
    assert first.embedding == again.embedding != other.embedding
    assert [first.index, again.index, other.index] == [0, 1, 2]


def test_base64_and_floats_are_the_same_numbers(sdk):
    from_base64 = embed(sdk, "cat").data[0].embedding  # the SDK asks for base64 by itself
    from_floats = embed(sdk, "cat", encoding_format="float").data[0].embedding
    assert from_base64 == pytest.approx(from_floats, abs=1e-7)


def test_dimensions_are_respected(sdk):
    assert len(embed(sdk, "cat", dimensions=8).data[0].embedding) == 8


@pytest.mark.parametrize(
    ("value", "vectors", "tokens"),
    [("12345", 1, 2), (["12345", "1"], 2, 3), ([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3)],
)
def test_every_form_of_input_is_taken_and_counted(sdk, value, vectors, tokens):
    answer = embed(sdk, value)
    assert len(answer.data) == vectors
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == tokens


@pytest.mark.parametrize("value", ["", [], [""], [1.5], [[]], ["a", 1]])
def test_input_without_meaning_is_refused(sdk, value):
    with pytest.raises(BadRequestError) as caught:
        embed(sdk, value)
    assert caught.value.param == "input"


def test_floats_come_where_base64_was_asked(post):
    request = {"model": "m", "input": "cat", "encoding_format": "base64", "dimensions": 4}
    asked = post("/v1/embeddings", request).document["data"][0]["embedding"]
    given = post("/v1/embeddings", request | {"sandbox": {"behave": "floats"}}).document
    assert isinstance(asked, str)
    assert len(given["data"][0]["embedding"]) == 4
