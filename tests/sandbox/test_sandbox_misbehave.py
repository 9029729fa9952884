"""Every misbehaviour, observed at the wire."""

import json
import time
import zlib

import pytest

from app.sandbox.misbehave import TABLE, Behave
from tests.sandbox.wire_client import chat_request

TEXT = "Sandbox answer: no real model was asked. You said: Hello there, how are you today?"
CHAT = "/v1/chat/completions"
NO_USAGE_ASKED = {"stream_options": None}


def is_usage(frame) -> bool:
    return frame["choices"] == [] and bool(frame.get("usage"))


def test_every_behaviour_has_a_row_that_says_what_it_does():
    assert list(TABLE) == list(Behave)
    assert all(row.about for row in TABLE.values())


def test_nothing_asked_is_a_whole_stream(chat):
    answer = chat([])
    assert "".join(answer.content) == TEXT
    assert answer.is_whole
    assert answer.has_done
    assert is_usage(answer.frames[-1])


@pytest.mark.parametrize(
    ("after", "early"), [(0, 0), (3, len(["role", "Sandbox", " answer:", " no"]))]
)
def test_stall_is_silent_behind_so_many_frames_and_goes_on(dial, after, early):
    wish = {"behave": "stall", "after": after, "seconds": 0.25}
    started = time.monotonic()
    with dial(CHAT, chat_request(stream=True, sandbox=wish)) as connection:
        connection.settimeout(0.12)
        received = bytearray()
        with pytest.raises(TimeoutError):
            while True:
                received += connection.recv(65_536)
        assert received.count(b'"content":"') == early
        connection.settimeout(5)
        while data := connection.recv(65_536):
            received += data
    assert time.monotonic() - started >= 0.25
    assert received.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_whole_answer_stalls_half_way(dial):
    wish = {"behave": "stall", "after": 1, "seconds": 0.25}
    with dial(CHAT, chat_request(sandbox=wish)) as connection:
        connection.settimeout(0.12)
        received = bytearray()
        with pytest.raises(TimeoutError):
            while True:
                received += connection.recv(65_536)
        connection.settimeout(5)
        assert b"Content-Length" in received
        assert b'"usage"' not in received
        while data := connection.recv(65_536):
            received += data
    assert received.endswith(b"}")


def test_never_answer_closes_without_a_byte(chat, whole_chat):
    for call in (chat, whole_chat):
        started = time.monotonic()
        assert call("never_answer", seconds=0.1).head == b""
        assert time.monotonic() - started >= 0.1


def test_linger_sends_everything_and_stays_open(dial):
    wish = {"behave": "linger", "seconds": 0.3}
    with dial(CHAT, chat_request(stream=True, sandbox=wish)) as connection:
        connection.settimeout(0.15)
        received = bytearray()
        with pytest.raises(TimeoutError):
            while True:
                received += connection.recv(65_536)
    assert received.endswith(b"data: [DONE]\n\n\r\n")


def test_drip_sends_single_bytes(chat, whole_chat):
    answer = chat("drip", delay_s=0.0001, members={"max_tokens": 1})
    assert {len(write) for write in answer.writes} == {1}
    assert answer.content == ["Sand"]
    assert whole_chat(["drip", "no_content_length"], delay_s=0.0001).document["choices"]


@pytest.mark.parametrize("after", [1, 4])
def test_break_closes_behind_so_many_frames(chat, after):
    answer = chat("break", after=after)
    assert len(answer.content) == after
    assert not answer.is_whole


def test_break_of_a_whole_answer_is_half_its_length(whole_chat):
    answer = whole_chat("break", after=1)
    assert 0 < len(answer.raw_body) < int(answer.headers["content-length"])
    assert whole_chat("break").head == b""


@pytest.mark.parametrize("after", [0, 2])
def test_truncate_ends_cleanly_without_finish_and_done(chat, after):
    answer = chat("truncate", after=after)
    assert len(answer.content) == after
    assert answer.is_whole
    assert not answer.has_done
    assert b'"finish_reason":"' not in answer.body


def test_truncated_whole_answer_is_no_json(whole_chat):
    answer = whole_chat("truncate")
    assert answer.is_whole
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)


def test_no_done_has_all_but_done(chat):
    answer = chat("no_done")
    assert "".join(answer.content) == TEXT
    assert not answer.has_done
    assert answer.frames[-2]["choices"][0]["finish_reason"] == "stop"


def test_no_usage_has_none_streamed_or_not(chat, whole_chat):
    assert b'"usage"' not in chat("no_usage").body
    assert b'"usage"' not in whole_chat("no_usage").body
    assert chat("no_usage").has_done


def test_usage_comes_unasked(chat):
    assert not is_usage(chat([], members=NO_USAGE_ASKED).frames[-1])
    assert is_usage(chat("usage_unasked", members=NO_USAGE_ASKED).frames[-1])


def test_usage_in_every_chunk_runs_up_to_the_whole(chat):
    frames = chat("usage_in_every_chunk", frames=10, tokens=40).frames
    counts = [frame["usage"]["completion_tokens"] for frame in frames]
    assert counts == [*range(11), 40, 40]
    assert frames[-1] == {**frames[-2], "choices": []}


def test_usage_rides_with_the_finish(chat):
    last = chat("usage_with_finish", tokens=7).frames[-1]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["completion_tokens"] == 7


def test_usage_twice_is_half_then_whole(chat):
    frames = [frame for frame in chat("usage_twice", tokens=40).frames if is_usage(frame)]
    assert [frame["usage"]["completion_tokens"] for frame in frames] == [20, 40]


def test_usage_zero_is_zero_everywhere(chat, whole_chat):
    for usage in (
        chat("usage_zero").frames[-1]["usage"],
        whole_chat("usage_zero").document["usage"],
    ):
        assert usage["prompt_tokens"] == usage["completion_tokens"] == usage["total_tokens"] == 0


@pytest.mark.parametrize(
    ("variant", "tokens"),
    [
        ("", -41),
        ("huge", 10**12 + 40),
        ("beyond_64_bits", 10**30 + 40),
        ("strings", "40"),
        ("floats", 40.5),
        ("booleans", True),
        ("nulls", None),
    ],
)
def test_absurd_usage_is_absurd(chat, variant, tokens):
    usage = chat("absurd_usage", variant=variant, tokens=40).frames[-1]["usage"]
    assert usage["completion_tokens"] == tokens
    assert type(usage["completion_tokens"]) is type(tokens)


def test_absurd_usage_has_parts_above_their_whole_or_no_shape(whole_chat):
    usage = whole_chat("absurd_usage", variant="parts").document["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] > usage["prompt_tokens"]
    assert whole_chat("absurd_usage", variant="empty").document["usage"] == {}
    assert isinstance(whole_chat("absurd_usage", variant="list").document["usage"], list)
    assert whole_chat("absurd_usage", variant="odd").status == 400


def test_usage_of_pictures_is_spoiled_too(post):
    request = {"model": "m", "prompt": "x", "size": "16x16"}
    spoiled = post("/v1/images/generations", request | {"sandbox": {"behave": "absurd_usage"}})
    assert spoiled.document["usage"]["output_tokens"] == -2


def test_status_brings_its_error_and_retry_after(chat):
    answer = chat("status", status=429, retry_after=3, message="Slow down", code="slow")
    assert answer.status == 429
    assert answer.headers["retry-after"] == "3"
    error = {"message": "Slow down", "type": "requests", "param": None, "code": "slow"}
    assert answer.document == {"error": error}


def test_status_brings_any_body(chat):
    page = chat("status", status=502, body="<h1>Bad gateway</h1>")
    assert (page.body, page.headers["content-type"]) == (
        b"<h1>Bad gateway</h1>",
        "text/html; charset=utf-8",
    )
    assert chat("status", status=599, body=[1]).document == [1]


def test_status_works_on_every_path(post):
    wish = {"sandbox": {"behave": "status", "status": 500}}
    assert post("/v1/embeddings", {"model": "m", "input": "x"} | wish).status == 500
    assert post("/v1/images/generations", {"model": "m", "prompt": "x"} | wish).status == 500


def test_redirect_points_where_it_was_told(chat):
    answer = chat("redirect", location="http://127.0.0.1:1/trap", status=307)
    assert (answer.status, answer.headers["location"]) == (307, "http://127.0.0.1:1/trap")
    assert chat("redirect").status == 302


def test_location_cannot_smuggle_a_header(chat):
    assert chat("redirect", location="http://x/\r\nX-Evil: 1").status == 400


def test_stream_options_are_rejected_only_where_sent(chat, whole_chat):
    rejected = chat("reject_stream_options")
    assert rejected.status == 400
    assert rejected.document["error"]["param"] == "stream_options.include_usage"
    assert whole_chat("reject_stream_options").status == 200


def test_error_after_200_is_the_only_frame(chat, whole_chat):
    answer = chat("error_after_200", message="Overloaded", status=503)
    assert answer.status == 200
    assert [frame["error"]["message"] for frame in answer.frames] == ["Overloaded"]
    assert not answer.has_done
    assert whole_chat("error_after_200").document.keys() == {"error"}


def test_error_after_200_may_have_any_body(chat, whole_chat):
    body = {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "no balance"}}
    assert chat("error_after_200", body=body).frames == [body]
    assert whole_chat("error_after_200", body=body).document == body


@pytest.mark.parametrize("variant", ["", "openrouter"])
def test_error_mid_stream_ends_it(chat, variant):
    answer = chat("error_mid_stream", after=3, variant=variant)
    assert answer.content == ["Sandbox", " answer:", " no"]
    assert answer.frames[-1]["error"]["message"] == "The sandbox was asked to fail."
    assert ("choices" in answer.frames[-1]) == (variant == "openrouter")
    assert answer.is_whole
    assert not answer.has_done


def test_another_model_is_named_in_every_frame(chat, whole_chat):
    frames = chat("another_model", model="cheap-1").frames
    assert {frame["model"] for frame in frames} == {"cheap-1"}
    assert whole_chat("another_model").document["model"] == "sandbox-other-model"


def test_extra_members_of_routers_are_there(chat, whole_chat):
    frames = chat("extra_members").frames
    assert all(frame["provider"] == "Sandbox Cloud" for frame in frames)
    assert frames[0]["x_groq"] == {"id": "req_sandbox"}
    assert frames[-1]["x_groq"]["usage"]["total_tokens"] == frames[-1]["usage"]["total_tokens"]
    assert whole_chat("extra_members").document["usage"]["cost"] == 0.000123


@pytest.mark.parametrize(("variant", "completion"), [("", 45), ("beside", 40)])
def test_reasoning_comes_first_and_is_counted(chat, whole_chat, variant, completion):
    frames = chat("reasoning", variant=variant, count=5, tokens=40, frames=3).frames
    thoughts = ["reasoning_content" in frame["choices"][0]["delta"] for frame in frames[:-1]]
    assert thoughts == [False] + [True] * 5 + [False] * 4
    usage = frames[-1]["usage"]
    assert usage["completion_tokens"] == completion
    assert usage["total_tokens"] == usage["prompt_tokens"] + 45
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 5
    message = whole_chat("reasoning").document["choices"][0]["message"]
    assert message["reasoning_content"].startswith("Sandbox reasoning.")


def test_reasoning_finds_its_place_in_a_stream_that_starts_late_or_never(chat):
    late = chat(["stall", "reasoning"], seconds=0.01).frames
    assert late[1]["choices"][0]["delta"] == {"reasoning_content": "Sandbox reasoning. "}
    assert chat(["truncate", "reasoning"]).frames == []


def test_comments_come_before_the_first_data(chat, whole_chat):
    answer = chat("comments", count=2, seconds=0.01)
    assert answer.body.startswith(b": SANDBOX PROCESSING\n\n" * 2 + b"data: {")
    assert answer.writes[0] == b": SANDBOX PROCESSING\n\n"
    blanks = whole_chat("comments", count=2, seconds=0.01)
    assert blanks.body.startswith(b"         \n" * 2 + b"{")
    assert blanks.document["choices"]


def test_azure_frame_without_choices_comes_first(chat):
    first, second, *_ = chat("empty_choices").frames
    assert first["choices"] == []
    assert first["prompt_filter_results"]
    assert "usage" not in first
    assert second["choices"]


def test_lines_end_in_crlf(chat):
    body = chat("crlf").body
    assert body.endswith(b"data: [DONE]\r\n\r\n")
    assert body.count(b"\n") == body.count(b"\r\n")


def test_huge_line_never_ends(chat, whole_chat):
    answer = chat("huge_line", after=1)
    assert len(answer.body.splitlines()[-1]) > 10_000_000
    assert answer.body.count(b"Sandbox") == 1
    assert len(whole_chat("huge_line", size_bytes=100_000).body) > 100_000


def test_split_character_is_cut_but_whole(chat):
    answer = chat("split_character", delay_s=0.001, frames=2)
    cut = [write for write in answer.writes if not is_utf8(write)]
    assert len(cut) == 4
    assert "".join(answer.content).endswith("today? ✓ 世")


def test_half_character_makes_one_frame_invalid(chat, whole_chat):
    invalid = [write for write in chat("half_character", after=2).writes if not is_utf8(write)]
    assert len(invalid) == 1
    assert b'" no \xe2\x9c\x93 \xe4\xb8"' in invalid[0]
    assert not is_utf8(whole_chat("half_character").body)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_recut_ignores_frames(chat):
    answer = chat("recut", size_bytes=11)
    assert {len(write) for write in answer.writes[:-1]} == {11}
    assert "".join(answer.content) == TEXT
    assert len(chat("recut", size_bytes=1_000_000).writes) == 1


def test_gzip_comes_unasked_and_frame_by_frame(chat, whole_chat):
    answer = chat("gzip", frames=5)
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.writes) > 5
    assert zlib.decompress(answer.body, 31).endswith(b"data: [DONE]\n\n")
    assert json.loads(zlib.decompress(whole_chat("gzip").body, 31))["choices"]


def test_gzip_bomb_is_small_until_unpacked(chat, whole_chat):
    for call in (chat, whole_chat):
        answer = call("gzip_bomb", size_bytes=20_000_000)
        assert len(answer.body) < 50_000
        assert len(zlib.decompress(answer.body, 31)) >= 20_000_000


def test_content_length_is_missing(whole_chat):
    chunked = whole_chat("no_content_length")
    assert "content-length" not in chunked.headers
    assert chunked.document["choices"]
    closed = whole_chat("no_content_length", variant="close")
    assert not {"content-length", "transfer-encoding"} & closed.headers.keys()
    assert closed.document["choices"]


def test_content_type_is_wrong(chat):
    answer = chat("wrong_content_type")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.has_done


def test_several_misbehaviours_add_up(chat):
    answer = chat(["no_usage", "crlf", "comments", "no_done"], count=1, seconds=0.01)
    assert answer.body.startswith(b": SANDBOX PROCESSING\r\n\r\n")
    assert b'"usage"' not in answer.body
    assert not answer.has_done


def test_delay_paces_the_frames(chat):
    started = time.monotonic()
    assert len(chat([], frames=5, delay_s=0.03).content) == 5
    assert time.monotonic() - started >= 0.15
