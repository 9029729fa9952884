"""Frames as bytes: where they end, which must be read, how one is edited."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.frames import (
    FrameSplitter,
    FrameTooLarge,
    payload_of,
    rewriter,
    says_more_than_content,
    split_frames,
    with_payload,
)


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


@pytest.mark.parametrize("blank", [b"\n\n", b"\r\n\r\n", b"\r\n\n", b"\n\r\n"])
def test_a_frame_comes_out_when_its_blank_line_is_here(blank: bytes):
    splitter = FrameSplitter()
    frame = b"data: x" + blank
    assert [splitter.feed(frame[at : at + 1]) for at in range(len(frame))] == (
        [b""] * (len(frame) - 1) + [frame]
    )
    assert splitter.feed(frame) == frame
    assert splitter.tail == b""


def test_a_carriage_return_that_came_last_may_be_half_a_line_end():
    splitter = FrameSplitter()
    assert splitter.feed(b"data: x\r\r") == b""
    assert splitter.feed(b"data: y\r") == b"data: x\r\r"
    assert splitter.tail == b"data: y\r"


def test_one_line_end_ends_no_frame():
    splitter = FrameSplitter()
    assert splitter.feed(b"event: a\r\ndata: x\r\n") == b""
    assert splitter.feed(b"data: y\n") == b""


def test_only_the_unfinished_tail_is_held_back():
    splitter = FrameSplitter()
    assert splitter.feed(b"data: 1\n\ndata: 2\n\ndata: \xe1\xba") == b"data: 1\n\ndata: 2\n\n"
    assert splitter.feed(b"\xbf\n\n") == "data: ế\n\n".encode()


@given(
    st.lists(st.sampled_from([b"\n", b"\r", b"data: x", "ế".encode()]), max_size=30),
    st.lists(st.integers(0, 1000), max_size=8),
)
def test_where_the_bytes_were_cut_changes_no_frame(pieces: list[bytes], cuts: list[int]):
    data = b"".join(pieces)
    whole = FrameSplitter()
    expected = split_frames(whole.feed(data))
    splitter = FrameSplitter()
    frames = [frame for part in split_at(data, cuts) for frame in split_frames(splitter.feed(part))]
    assert frames == expected
    assert splitter.tail == whole.tail
    assert b"".join(frames) + splitter.tail == data


def test_a_frame_of_exactly_the_cap_passes():
    frame = b"data: xx\n\n"
    assert FrameSplitter(cap_bytes=len(frame)).feed(frame * 3) == frame * 3


@pytest.mark.parametrize("ending", [b"\n\n", b""])
def test_a_frame_above_the_cap_is_an_error_that_keeps_the_frames_before(ending: bytes):
    splitter = FrameSplitter(cap_bytes=10)
    with pytest.raises(FrameTooLarge) as caught:
        splitter.feed(b"data: x\n\ndata: " + b"x" * 20 + ending)
    assert caught.value.complete == b"data: x\n\n"


def test_a_line_of_10_mb_is_an_error_in_bounded_memory():
    splitter = FrameSplitter()
    fed_bytes = 0
    with pytest.raises(FrameTooLarge):
        while fed_bytes < 10_000_000:
            fed_bytes += len(splitter.feed(b"x" * 65536) or b"x" * 65536)
            assert len(splitter.tail) <= 1 << 20
    assert fed_bytes <= 1 << 20
    assert splitter.tail == b""


@pytest.mark.parametrize(
    ("frame", "payload"),
    [
        (b'data: {"a":1}\n\n', b'{"a":1}'),
        (b'data:{"a":1}\n\n', b'{"a":1}'),
        (b'data: {"a":1}\r\n\r\n', b'{"a":1}'),
        (b'event: x\r\ndata: {"a":1}\r\n\r\n', b'{"a":1}'),
        (b'\ndata: {"a":1}\n\n', b'{"a":1}'),
        (b'data: {"a":\rdata: 1}\r\r', b'{"a":\n 1}'),
        (b"data: [DONE]\n\n", b"[DONE]"),
        (b": comment\n\n", None),
        (b"\n\n", None),
        (b"data:\n\n", None),
        (b"retry: 10\n\n", None),
    ],
)
def test_payload_is_the_data_of_a_frame(frame: bytes, payload: bytes | None):
    assert payload_of(frame) == payload


@pytest.mark.parametrize(
    "frame",
    [
        b'{"usage":{"prompt_tokens":1}}',
        b'{"usage" : \t{}}',
        b'{"error":{"code":1}}',
        b'{"error": "text"}',
        b'{"finish_reason": "stop"}',
        b"data: [DONE]\n\n",
    ],
)
def test_a_frame_that_can_say_more_is_read(frame: bytes):
    assert says_more_than_content(frame)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"usage":null,"error":null,"finish_reason":null}',
        b'{"usage": null, "error" : null, "finish_reason": null}',
        rb'{"content":"\"usage\":{\"error\":{\"finish_reason\":\"stop\""}',
        b'{"content":"usage"}',
    ],
)
def test_content_is_passed_unread(frame: bytes):
    assert not says_more_than_content(frame)


@pytest.mark.parametrize(
    ("frame", "rewritten"),
    [
        (b'data: {"id":"1","model":"up","x":1}\n\n', b'data: {"id":"1","model":"sold","x":1}\n\n'),
        (b'data: {"model" : "u\\"p"}\n\n', b'data: {"model":"sold"}\n\n'),
        (b'data: {"model":"a","b":{"model":"c"}}', b'data: {"model":"sold","b":{"model":"c"}}'),
        (rb'{"content":"\"model\":\"x\""}', rb'{"content":"\"model\":\"x\""}'),
        (b'{"model":null}', b'{"model":null}'),
    ],
)
def test_the_first_model_becomes_the_sold_name(frame: bytes, rewritten: bytes):
    rewrite = rewriter(sold_model="sold")
    assert rewrite is not None
    assert rewrite(frame) == rewritten


def test_the_sold_name_is_escaped():
    rewrite = rewriter(sold_model='a"\\1')
    assert rewrite is not None
    assert rewrite(b'{"model":"x"}') == rb'{"model":"a\"\\1"}'


@pytest.mark.parametrize(
    ("frame", "rewritten"),
    [
        (b'data: {"id":"1","provider":"X","model":"m"}', b'data: {"id":"1","model":"m"}'),
        (b'data: {"provider": "a\\"b", "model":"m"}', b'data: {"model":"m"}'),
        (b'data: {"model":"m", "provider":null}\n\n', b'data: {"model":"m"}\n\n'),
        (b'data: {"provider":1.5e3}\n\n', b"data: {}\n\n"),
        (b'data: {"a":1,"provider":{"b":"}"}}\n\n', b'data: {"a":1}\n\n'),
        (b'data: {"content":"provider"}\n\n', b'data: {"content":"provider"}\n\n'),
        (
            b'data: {"content":"provider","provider":"X"}\n\n',
            b'data: {"content":"provider"}\n\n',
        ),
        (rb'{"content":"\"provider\":1"}', rb'{"content":"\"provider\":1"}'),
        (b'data: {"provider":{"broken"\n\n', b'data: {"provider":{"broken"\n\n'),
    ],
)
def test_the_named_member_is_cut(frame: bytes, rewritten: bytes):
    rewrite = rewriter(cut_member="provider")
    assert rewrite is not None
    assert rewrite(frame) == rewritten


def test_both_edits_are_made_where_both_are_asked():
    rewrite = rewriter(sold_model="s", cut_member="provider")
    assert rewrite is not None
    assert rewrite(b'{"provider":"X","model":"m"}') == b'{"model":"s"}'
    assert rewriter() is None


@pytest.mark.parametrize(
    ("frame", "edited"),
    [
        (b'event: x\ndata: {"a":1}\nid: 7\n\n', b'event: x\ndata: {"b":2}\nid: 7\n\n'),
        (b'event: x\ndata: {"a":\ndata: 1}\n\n', b'event: x\ndata: {"b":2}\n\n'),
    ],
)
def test_a_new_payload_leaves_the_other_lines(frame: bytes, edited: bytes):
    assert with_payload(frame, b'{"b":2}') == edited
