import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadRequest
from app.domain.billing.request_shape import (
    ConflictingOutputLimits,
    InvalidCount,
    RequestShape,
    measure_request,
)
from app.domain.catalog.kinds import ModelKind

BASE64 = "QUJD" * 100
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}"}}
REMOTE_PICTURE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
SOUND = {"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}}
FILE = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{BASE64}"}}
TEXT = {"type": "text", "text": "see https://a.example"}

NAMES = st.sampled_from(
    ["messages", "content", "type", "image_url", "input_audio", "file", "url", "input", "n", "text"]
)
SCALARS = st.sampled_from(
    [None, True, 0, 3, 2.5, "", "text", "image_url", "http://a.example", "data:;base64," + BASE64]
)
HOSTILE = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=12,
    ),
)


def measure(members, kind=ModelKind.CHAT) -> RequestShape:
    return measure_request(members, kind=kind, body_bytes=len(json.dumps(members)))


def chat(*parts: object):
    return measure({"messages": [{"role": "user", "content": list(parts)}]})


def test_plain_text_is_its_bytes_and_nothing_else():
    shape = measure_request(
        {"messages": [{"role": "user", "content": "hi"}]}, kind=ModelKind.CHAT, body_bytes=70
    )
    assert shape == RequestShape(kind=ModelKind.CHAT, text_bytes=70)


def test_payloads_are_taken_off_the_text_and_counted_as_what_they_are():
    shape = chat(TEXT, PICTURE, REMOTE_PICTURE, SOUND, FILE)
    assert (shape.pictures, shape.sounds, shape.unknown_parts) == (2, 1, 1)
    body = json.dumps(
        {"messages": [{"role": "user", "content": [TEXT, PICTURE, REMOTE_PICTURE, SOUND, FILE]}]}
    )
    assert shape.text_bytes == len(body) - 3 * len(BASE64)


def test_raw_base64_of_a_file_is_a_payload_and_other_strings_of_it_are_not():
    raw = {"type": "file", "file": {"file_data": BASE64, "filename": "n" * 100}}
    body = json.dumps({"messages": [{"role": "user", "content": [raw]}]})
    assert chat(raw).text_bytes == len(body) - len(BASE64)


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ({"type": "image_url", "image_url": "https://a.example/b.png"}, (1, 0, 0)),
        ({"type": "image", "source": {"type": "base64", "data": BASE64}}, (1, 0, 0)),
        ({"image_url": {"url": "x"}}, (1, 0, 0)),
        ({"type": "text", "text": "a", "image_url": {"url": "x"}}, (1, 0, 0)),
        ({"type": "image_url", "image_url": {}, "video_url": {}}, (1, 0, 1)),
        ({"type": "not_invented_yet", "foo": 1}, (0, 0, 1)),
        ({"type": "not_invented_yet", "image_url": {}}, (1, 0, 1)),
        ({"type": ["text"]}, (0, 0, 1)),
        ({}, (0, 0, 1)),
        ({"text": "a"}, (0, 0, 0)),
        ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, (0, 0, 0)),
        ({"type": "tool_result", "content": [PICTURE, TEXT, SOUND]}, (1, 1, 0)),
        ("text", (0, 0, 0)),
        (None, (0, 0, 0)),
        (7, (0, 0, 0)),
        ([[PICTURE]], (1, 0, 0)),
    ],
)
def test_a_part_is_judged_by_type_and_members(part, found):
    shape = chat(part)
    assert (shape.pictures, shape.sounds, shape.unknown_parts) == found


@pytest.mark.parametrize(
    "part",
    [
        REMOTE_PICTURE,
        {"type": "image_url", "image_url": "https://a.example/b.png"},
        {"type": "image_url", "image_url": {"url": "/etc/passwd"}},
        {"type": "image_url", "image_url": {"url": "DATA:image/png;base64,AA"}},
        {"type": "file", "file": {"file_data": "http://a.example/a.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "file:///a.wav" + "a" * 99}},
        {"type": "not_invented_yet", "where": {"link": ["//a.example/x"]}},
        {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
        {"type": "text", "text": "a", "video_url": {"url": "https://a.example/b.mp4"}},
    ],
)
def test_a_content_url_other_than_data_is_told(part):
    assert chat(part).has_remote_url


@pytest.mark.parametrize("part", [TEXT, PICTURE, SOUND, FILE, "https://a.example"])
def test_inline_content_and_urls_within_text_are_not_remote(part):
    assert not chat(part).has_remote_url


def test_base64_hidden_in_text_stays_text():
    hidden = {"type": "text", "text": f"data:image/png;base64,{BASE64}"}
    assert chat(hidden).text_bytes > len(BASE64)


def test_pictures_beside_the_content_of_a_message_are_found():
    shape = measure({"messages": [{"role": "assistant", "images": [PICTURE, PICTURE]}, "x", 5]})
    assert shape.pictures == 2


def test_pictures_of_an_image_request_are_found():
    members = {"prompt": "a cat", "image": ["https://a.example/1.png", "data:image/png;base64,AA"]}
    shape = measure(members, ModelKind.IMAGE_GENERATION)
    assert (shape.pictures, shape.has_remote_url) == (2, True)


@pytest.mark.parametrize("name", ["n", "best_of", "max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("value", [True, False, 0, -1, 1.0, 2.5, "3", [], {}, 10**10, 10**400])
def test_counts_must_be_whole_numbers_above_zero(name, value):
    with pytest.raises(InvalidCount) as refused:
        measure_request({name: value}, kind=ModelKind.CHAT, body_bytes=10)
    assert refused.value.field == name


def test_null_is_as_good_as_absent():
    shape = measure({"n": None, "max_tokens": None, "max_completion_tokens": 5, "best_of": None})
    assert (shape.n, shape.best_of, shape.output_limit, shape.answers) == (1, 1, 5, 1)


def test_both_limits_must_agree():
    assert measure({"max_tokens": 5, "max_completion_tokens": 5}).output_limit == 5
    with pytest.raises(ConflictingOutputLimits):
        measure({"max_tokens": 5, "max_completion_tokens": 6})


def test_the_larger_of_n_and_best_of_counts():
    assert measure({"n": 2, "best_of": 5}).answers == 5


@pytest.mark.parametrize(
    ("value", "prompts"),
    [
        ("text", 1),
        (["a", "b", "c"], 3),
        ([1, 2, 3], 1),
        ([[1, 2], [3]], 2),
        ([], 1),
        ([True, False], 2),
        (None, 1),
        (7, 1),
        ({}, 1),
    ],
)
def test_inputs_of_an_embeddings_call_are_counted(value, prompts):
    assert measure({"input": value}, ModelKind.EMBEDDING).prompts == prompts


def test_size_and_quality_are_kept_and_auto_is_open():
    shape = measure(
        {"n": 3, "size": "1024x1024", "quality": "auto", "partial_images": 2},
        ModelKind.IMAGE_GENERATION,
    )
    assert (shape.n, shape.picture_size, shape.picture_quality) == (3, "1024x1024", None)
    assert shape.partial_pictures == 2
    assert measure({"size": 5}, ModelKind.IMAGE_GENERATION).picture_size is None


@given(HOSTILE, st.sampled_from(ModelKind))
def test_no_body_makes_it_raise_anything_but_a_refusal(members, kind):
    body_bytes = len(json.dumps(members))
    try:
        shape = measure_request(members, kind=kind, body_bytes=body_bytes)
    except BadRequest:
        return
    assert 0 <= shape.text_bytes <= body_bytes


def test_deep_nesting_is_walked_without_recursion():
    deep = PICTURE
    for _ in range(5000):
        deep = [deep]
    members = {"messages": [{"role": "user", "content": deep}]}
    shape = measure_request(members, kind=ModelKind.CHAT, body_bytes=20_000)
    assert shape.pictures == 1
