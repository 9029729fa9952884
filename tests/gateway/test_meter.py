"""What the meter counts and keeps of a stream."""

from app.gateway.meter import Meter
from app.gateway.stream import Relay, RelayRules
from tests.gateway.chat_frames import chunk, content, delta, frame


def meter_of(*frames: bytes, **rules: int) -> Meter:
    relay = Relay(RelayRules(**rules))
    for piece in frames:
        relay.feed(piece)
    return relay.meter


def test_tool_calls_and_reasoning_are_content_and_text():
    call = {"index": 0, "function": {"name": "f", "arguments": '{"a"'}}
    more = {"index": 0, "function": {"arguments": ":1}"}}
    frames = [
        frame(chunk(delta(role="assistant", content=""))),
        frame(chunk(delta(reasoning_content="hm"))),
        frame(chunk(delta(tool_calls=[call]))),
        frame(chunk(delta(tool_calls=[more]))),
        frame(chunk(delta(finish="tool_calls"))),
    ]
    meter = meter_of(*frames)
    assert meter.content_frames == 3
    assert meter.delivered_text() == 'hmf{"a":1}'


def test_text_of_several_choices_is_gathered_by_choice():
    frames = [content("a", 0), content("x", 1), content("p", 2), content("b", 0), content("y", 1)]
    meter = meter_of(*frames, choices=3)
    assert meter.delivered_text() == "abxyp"


def test_text_completions_and_logprobs_are_read():
    meter = meter_of(
        frame({"choices": [{"index": 0, "text": "one", "finish_reason": None}]}),
        frame(chunk({**delta(content=" two"), "logprobs": {"content": [{"token": " two"}]}})),
    )
    assert meter.delivered_text() == "one two"


def test_a_character_cut_between_its_escapes_is_put_together():
    halves = content("😀")
    first, second = halves.replace(b"\\ude00", b""), halves.replace(b"\\ud83d", b"")
    meter = meter_of(first, second, content("\ud83d"))
    assert meter.delivered_text() == "😀\N{REPLACEMENT CHARACTER}"


def test_frames_that_did_not_fit_are_counted():
    meter = meter_of(
        content("a"),
        content("b") + content("c"),
        content("d"),
        kept_cap_bytes=2 * len(content("a")),
    )
    assert meter.content_frames == 4
    assert meter.frames_not_kept == 2
    assert meter.delivered_text() == "ab"
