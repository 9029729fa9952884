"""A provider's stream through meter and relay."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.frames import DONE_FRAME, error_event
from app.gateway.stream import FailureKind, Relay, RelayRules
from tests.gateway.chat_frames import chunk, content, delta, frame

USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


ROLE = frame(chunk(delta(role="assistant", content="")))
HELLO = content("Hel") + content("lo")
STOP = frame(chunk(delta(finish="stop")))
BARE_USAGE = frame(chunk(usage=USAGE))
COMMENT = b": OPENROUTER PROCESSING\n\n"


def relay_of(*frames: bytes, **rules: Any) -> tuple[Relay, bytes]:
    relay = Relay(RelayRules(**rules))
    passed = b"".join(relay.feed(piece) for piece in frames)
    return relay, passed


def usage_in(data: bytes) -> list[Any]:
    payloads = [line[6:] for line in data.split(b"\n\n") if line.startswith(b"data: {")]
    return [usage for payload in payloads if (usage := json.loads(payload).get("usage"))]


def test_content_passes_byte_for_byte_at_once():
    relay = Relay(RelayRules())
    for piece in (ROLE, content("Xin chào"), content("2"), STOP):
        assert relay.feed(piece) == piece
    assert not relay.is_at_end


def test_half_a_frame_waits_for_its_other_half():
    relay, _ = relay_of(ROLE)
    hello = content("ế")
    assert relay.feed(hello[:40]) == b""
    assert relay.feed(hello[40:] + ROLE[:9]) == hello


def test_a_client_that_did_not_ask_gets_no_bare_usage_frame():
    relay, passed = relay_of(ROLE, HELLO, STOP, BARE_USAGE, DONE_FRAME)
    assert passed == ROLE + HELLO + STOP
    assert relay.finish(cost_usd="0.1") == DONE_FRAME
    assert relay.meter.usage == USAGE


def test_a_client_that_asked_gets_the_providers_usage_with_our_cost():
    relay, passed = relay_of(ROLE, HELLO, STOP, BARE_USAGE, DONE_FRAME, wants_usage=True)
    assert passed == ROLE + HELLO + STOP
    assert relay.held == [BARE_USAGE]
    with_cost = BARE_USAGE.replace(b'"total_tokens":9', b'"total_tokens":9,"cost_usd":"0.000012"')
    assert relay.finish(cost_usd="0.000012") == with_cost + DONE_FRAME


def test_a_client_that_asked_gets_our_usage_where_the_provider_sent_none():
    relay, _ = relay_of(ROLE, HELLO, STOP, DONE_FRAME, wants_usage=True, sold_model="sold")
    own = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    sent = relay.finish(cost_usd="0.5", own_usage=own)
    assert sent == (
        b'data: {"id":"c1","object":"chat.completion.chunk","created":5,"model":"sold",'
        b'"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,'
        b'"cost_usd":"0.5"}}\n\n' + DONE_FRAME
    )


def test_usage_that_was_not_believed_is_replaced_by_ours():
    relay, _ = relay_of(HELLO, STOP, BARE_USAGE, DONE_FRAME, wants_usage=True)
    sent = relay.finish(cost_usd="0.5", own_usage={"prompt_tokens": 1})
    assert usage_in(sent) == [{"prompt_tokens": 1, "cost_usd": "0.5"}]


def test_usage_that_names_a_count_twice_still_ends_well():
    twice = BARE_USAGE.replace(b'"total_tokens":9', b'"total_tokens":8,"total_tokens":9')
    relay, _ = relay_of(HELLO, STOP, twice, DONE_FRAME, wants_usage=True)
    assert usage_in(relay.finish(cost_usd="1")) == [{**USAGE, "cost_usd": "1"}]


def test_usage_beside_the_last_finish_reason_waits_and_passes_with_its_frame():
    last = frame(chunk(delta(finish="stop", content="!"), usage=USAGE))
    relay, passed = relay_of(HELLO, last, DONE_FRAME)
    assert (passed, relay.may_settle) == (HELLO, True)
    assert relay.finish(cost_usd="0.5") == last + DONE_FRAME

    relay, _ = relay_of(HELLO, last, DONE_FRAME, wants_usage=True)
    sent = relay.finish(cost_usd="0.5")
    assert usage_in(sent) == [{**USAGE, "cost_usd": "0.5"}]
    assert b'"content":"!"' in sent


def test_usage_in_each_chunk_is_read_and_passes_and_the_last_counts():
    first = content("a", usage={**USAGE, "completion_tokens": 1})
    second = content("b", usage=USAGE)
    relay, passed = relay_of(first, second, STOP, DONE_FRAME)
    assert passed == first + second + STOP
    assert relay.meter.usage == USAGE


def test_usage_sent_twice_replaces_and_never_adds():
    early = frame(chunk(usage={**USAGE, "completion_tokens": 1}))
    relay, _ = relay_of(HELLO, STOP, early, BARE_USAGE, DONE_FRAME, wants_usage=True)
    assert relay.meter.usage == USAGE
    assert usage_in(relay.finish(cost_usd="1")) == [{**USAGE, "cost_usd": "1"}]


def test_null_usage_does_not_replace_usage():
    relay, _ = relay_of(HELLO, STOP, BARE_USAGE, frame(chunk(usage=None)), DONE_FRAME)
    assert relay.meter.usage == USAGE


def test_usage_after_the_finish_with_an_empty_delta_is_the_last_frame():
    trailing = frame(chunk(delta(role="assistant", content=""), usage=USAGE))
    relay, passed = relay_of(HELLO, STOP, trailing, DONE_FRAME, wants_usage=True)
    assert passed == HELLO + STOP
    assert usage_in(relay.finish(cost_usd="1")) == [{**USAGE, "cost_usd": "1"}]


def test_frames_pass_again_when_content_goes_on_after_a_usage_frame():
    relay, passed = relay_of(HELLO, BARE_USAGE, COMMENT, content("!"), STOP, wants_usage=True)
    assert passed == HELLO + BARE_USAGE + COMMENT + content("!") + STOP
    assert not relay.is_holding


def test_the_providers_business_is_cut_from_usage_frames_and_kept_as_facts():
    cost = {"cost": 0.2, "is_byok": False, "cost_details": {}, "cost_in_usd_ticks": 4}
    last = frame(chunk(usage={**USAGE, **cost}, provider="X", x_groq={"id": "r"}))
    relay, _ = relay_of(HELLO, STOP, last, DONE_FRAME, wants_usage=True)
    assert relay.held == [BARE_USAGE]
    assert relay.provider_facts == {**cost, "provider": "X", "x_groq": {"id": "r"}}


def test_own_usage_built_from_an_earlier_frame_carries_no_cost_of_ours():
    relay, _ = relay_of(content("a", usage={**USAGE, "cost": 1}), STOP, wants_usage=True)
    relay.end()
    assert usage_in(relay.finish(cost_usd="1")) == [{**USAGE, "cost_usd": "1"}]


def test_azures_first_frame_with_empty_choices_passes():
    first = frame({"choices": [], "prompt_filter_results": [{"prompt_index": 0}], "usage": None})
    relay, passed = relay_of(first, HELLO)
    assert passed == first + HELLO
    assert relay.meter.content_frames == 2


def test_comments_pass_but_are_no_content():
    relay, passed = relay_of(COMMENT, b"\n\n")
    assert (passed, relay.has_data, relay.meter.has_content) == (b"", False, False)
    assert relay.feed(ROLE) == COMMENT + b"\n\n" + ROLE
    assert relay.has_data
    assert not relay.meter.has_content
    assert relay.feed(COMMENT + HELLO) == COMMENT + HELLO
    assert relay.meter.content_frames == 2


def test_comments_before_the_first_data_are_kept_within_bounds():
    relay, _ = relay_of(*[b": wait\n\n" * 1000] * 100)
    assert len(relay.feed(HELLO)) < 100_000


@pytest.mark.parametrize(
    "error",
    [
        frame({"error": {"code": 429, "message": "busy"}}),
        b'event: error\ndata: {"error": {"code": 429, "message": "busy"}}\n\n',
        frame(chunk({"index": 0, "error": {"code": 429, "message": "busy"}})),
    ],
)
def test_an_error_before_the_first_data_is_reported_and_not_passed(error: bytes):
    relay, passed = relay_of(COMMENT, error, HELLO)
    assert passed == b""
    assert relay.error_before_content
    assert relay.failure is not None
    assert relay.failure.error == {"code": 429, "message": "busy"}


def test_an_error_after_content_ends_the_stream_after_what_came_before():
    relay, passed = relay_of(HELLO + frame({"error": {"code": 500}}) + HELLO)
    assert passed == HELLO
    assert relay.failure is not None
    assert relay.failure.kind is FailureKind.PROVIDER_ERROR
    assert not relay.error_before_content
    assert relay.is_at_end
    assert relay.meter.content_frames == 2


def test_a_finish_reason_of_error_is_an_error():
    relay, _ = relay_of(HELLO, frame(chunk(delta(finish="error"))))
    assert relay.failure is not None
    assert not relay.meter.is_whole


def test_null_errors_are_no_error():
    relay, passed = relay_of(content("a", error=None), content("b", error=None))
    assert passed == content("a", error=None) + content("b", error=None)
    assert relay.failure is None


def test_a_broken_stream_ends_with_our_error_and_no_done():
    relay, _ = relay_of(HELLO, BARE_USAGE, COMMENT, wants_usage=True)
    relay.end()
    assert not relay.meter.is_whole
    assert relay.fail(b'{"code":"x"}') == COMMENT + b'data: {"error":{"code":"x"}}\n\n'
    assert error_event(b"{}") == b'data: {"error":{}}\n\n'


@pytest.mark.parametrize("first", [b"data: <html>\n\n", b"data: 5\n\n", b'data: {"a":\n\n'])
def test_a_first_frame_that_is_no_object_fails_over(first: bytes):
    relay, passed = relay_of(first)
    assert passed == b""
    assert relay.error_before_content
    assert relay.failure is not None
    assert relay.failure.kind is FailureKind.UNREADABLE


def test_a_frame_above_the_cap_fails_after_the_frames_before_it():
    relay, passed = relay_of(HELLO + b"data: " + b"x" * 3000, frame_cap_bytes=2000)
    assert passed == HELLO
    assert relay.failure is not None
    assert relay.failure.kind is FailureKind.FRAME_TOO_LARGE


def test_a_line_of_10_mb_ends_the_relay():
    relay, passed = relay_of(HELLO, *[b"x" * 65536] * 160)
    assert passed == HELLO
    assert relay.failure is not None


WHOLE = {
    "done came": (1, [HELLO, DONE_FRAME], True),
    "finished without done": (1, [HELLO, STOP], True),
    "neither": (1, [HELLO], False),
    "finish_reason null": (1, [HELLO, frame(chunk(delta(content="x", finish=None)))], False),
    "finish_reason empty": (1, [HELLO, frame(chunk(delta(content="x", finish="")))], False),
    "two of three choices": (
        3,
        [HELLO, STOP, frame(chunk(delta(2, finish="length"))), STOP],
        False,
    ),
    "three of three choices": (
        3,
        [HELLO, STOP, frame(chunk(delta(1, finish="stop"), delta(2, finish="length")))],
        True,
    ),
    "content that quotes a finish": (1, [content('"finish_reason":"stop"')], False),
    "done as content": (1, [HELLO, content("[DONE]")], False),
    "done without its blank line": (1, [HELLO, b"data: [DONE]"], True),
    "done after CRLF": (1, [b"data: [DONE]\r\n\r\n"], True),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_is_whole_when_done_came_or_every_choice_finished(name: str):
    choices, frames, whole = WHOLE[name]
    relay, _ = relay_of(*frames, choices=choices)
    relay.end()
    assert relay.meter.is_whole is whole


def test_a_last_frame_without_its_blank_line_is_completed():
    relay, _ = relay_of(HELLO, STOP[:-1])
    assert relay.end() == STOP
    assert relay.meter.is_whole


def test_half_a_frame_at_the_end_is_not_passed():
    relay, _ = relay_of(HELLO, STOP[:50])
    assert relay.end() == b""
    assert relay.is_at_end


def test_nothing_passes_after_done():
    relay, passed = relay_of(HELLO, DONE_FRAME + HELLO, HELLO, b"x" * 2_000_000)
    assert passed == HELLO
    assert relay.failure is None


def test_a_provider_that_talks_on_after_the_end_is_not_kept_without_bound():
    relay, passed = relay_of(HELLO, STOP, BARE_USAGE, *[COMMENT] * 1000, frame_cap_bytes=2000)
    assert passed == HELLO + STOP
    assert relay.is_at_end
    assert sum(map(len, relay.held)) < 3000


def test_content_that_quotes_usage_is_content():
    quoted = content('"usage":{"prompt_tokens":1},"error":{"a":1}')
    relay, passed = relay_of(HELLO, quoted)
    assert passed == HELLO + quoted
    assert relay.meter.usage is None
    assert relay.failure is None


def test_usage_below_the_top_level_is_not_read():
    nested = content("x", x_groq={"id": "r", "usage": USAGE})
    relay, passed = relay_of(HELLO, nested)
    assert passed == HELLO + nested
    assert relay.meter.usage is None


def test_every_frame_shows_the_sold_name_and_not_the_cut_member():
    frames = [ROLE, HELLO, STOP, BARE_USAGE, DONE_FRAME]
    named = [piece.replace(b'"id":', b'"provider":"X","id":') for piece in frames]
    relay, passed = relay_of(*named, sold_model="sold", cut_member="provider", wants_usage=True)
    sent = passed + relay.finish(cost_usd="1")
    assert b"provider" not in sent
    assert b'"up"' not in sent
    assert sent.count(b'"model":"sold"') == 5


def test_half_an_escaped_character_passes_as_it_came():
    half = content("\ud83d")
    relay, passed = relay_of(half, half)
    assert passed == half + half
    assert relay.failure is None


FRAMES = [
    ROLE,
    HELLO,
    content("ế 😀"),
    content("\u1ebf").replace(b"\\u1ebf", "ế".encode()),
    content("x", usage=None),
    content("y", usage=USAGE),
    content('"usage":{[DONE]'),
    frame(chunk(delta(0, finish="stop"))),
    frame(chunk(delta(1, finish="length", content="z"), usage={**USAGE, "cost": 1})),
    BARE_USAGE,
    COMMENT,
    b"\n",
    b"event: x\ndata: {}\n\n",
    b'data: {"choices":\ndata: []}\n\n',
    frame({"choices": [], "prompt_filter_results": []}),
    frame({"error": {"code": 1}}),
    content("q").replace(b"\n", b"\r\n"),
    content("r").replace(b"\n", b"\r"),
    DONE_FRAME,
    b"data: half",
]


@given(
    frames=st.lists(st.sampled_from(FRAMES), max_size=14),
    cuts=st.lists(st.integers(0, 5000), max_size=10),
    wants_usage=st.booleans(),
    sold_model=st.sampled_from([None, "sold"]),
    kept_cap_bytes=st.sampled_from([300, 1 << 20]),
)
def test_where_the_bytes_were_cut_changes_nothing(
    frames: list[bytes],
    cuts: list[int],
    wants_usage: bool,
    sold_model: str | None,
    kept_cap_bytes: int,
):
    rules = RelayRules(
        choices=2, wants_usage=wants_usage, sold_model=sold_model, kept_cap_bytes=kept_cap_bytes
    )
    data = b"".join(frames)
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    parts = [data[start:end] for start, end in pairwise(ends)]
    assert outcome(rules, parts) == outcome(rules, [data])


def outcome(rules: RelayRules, parts: list[bytes]) -> tuple[Any, ...]:
    relay = Relay(rules)
    passed = []
    for part in parts:
        passed.append(relay.feed(part))
        passed[-1].decode()
    passed.append(relay.end())
    meter = relay.meter
    return (
        b"".join(passed),
        relay.finish(cost_usd="1"),
        relay.fail(b"{}"),
        relay.failure,
        relay.provider_facts,
        (meter.content_frames, meter.frames_not_kept, meter.usage, meter.finished),
        (meter.is_whole, meter.delivered_text(), relay.may_settle, relay.has_data),
    )
