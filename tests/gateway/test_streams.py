"""Streams: what is asked of the provider, what the client gets, how every kind of end is told."""

import json
import threading
import time
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.core.money import format_usd
from app.domain.billing.models import CallState
from app.domain.channels.models import ChannelModel, StreamUsage
from tests.gateway.conftest import OpenShop
from tests.gateway.shop import (
    INPUT_NANOS,
    MESSAGES,
    OUTPUT_NANOS,
    Customer,
    Shop,
    frames_of,
    text_of,
    wait_until,
)

ANSWER = "Sandbox answer: no real model was asked. You said: Hello there, how are you today?"
ASKING = {"include_usage": True}
DONE = b"data: [DONE]\n\n"


def stream(shop: Shop, customer: Customer | None = None, **members: Any) -> TestResponse:
    response = shop.chat(customer or shop.customer(), stream=True, **members)
    response.get_data()
    return response


def sent(shop: Shop) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in shop.provider.requests]


def usages_in(response: TestResponse) -> list[dict[str, Any]]:
    return [frame["usage"] for frame in frames_of(response.data) if frame.get("usage")]


def error_in(response: TestResponse) -> dict[str, Any]:
    """The error event; it must be the last frame and nothing may follow it."""
    assert b"[DONE]" not in response.data
    error: dict[str, Any] = frames_of(response.data)[-1]["error"]
    return error


class TestAskingForUsage:
    @pytest.mark.parametrize(
        ("stream_usage", "options", "arrives"),
        [
            (StreamUsage.ASK, None, {"include_usage": True}),
            (StreamUsage.ASK, {"include_usage": True}, {"include_usage": True}),
            (StreamUsage.ASK, {"include_usage": False}, {"include_usage": True}),
            (StreamUsage.ASK, {"later": 1}, {"later": 1, "include_usage": True}),
            (StreamUsage.ALWAYS, None, None),
            (StreamUsage.ALWAYS, {"include_usage": True}, None),
            (StreamUsage.NEVER, None, None),
            (StreamUsage.NEVER, {"later": 1}, {"later": 1}),
            (StreamUsage.NEVER, {"include_usage": True}, None),
            (StreamUsage.NEVER, {"include_usage": True, "later": 1}, {"later": 1}),
        ],
    )
    def test_stream_options_that_arrive(
        self, shop: Shop, stream_usage: StreamUsage, options: Any, arrives: Any
    ):
        shop.set_served("talk", stream_usage=stream_usage)
        members = {} if options is None else {"stream_options": options}
        assert stream(shop, **members).status_code == 200
        (body,) = sent(shop)
        assert body.get("stream_options") == arrives
        shop.assert_at_rest()

    def test_nothing_is_injected_where_the_answer_is_whole(self, shop: Shop):
        shop.chat(shop.customer())
        assert "stream_options" not in sent(shop)[0]

    @pytest.mark.parametrize("options", [None, ASKING, {"later": 1}])
    def test_refusal_of_include_usage_is_retried_once_without_and_stored(
        self, shop: Shop, options: Any
    ):
        customer = shop.customer()
        members = {} if options is None else {"stream_options": options}
        wish = {"behave": "reject_stream_options"}
        if options == {"later": 1}:
            # A member of the client's own stays, so this provider refuses the second try as well.
            assert stream(shop, customer, sandbox=wish, **members).status_code == 400
            assert self._learned(shop) is StreamUsage.ASK
            return
        response = stream(shop, customer, sandbox=wish, **members)
        assert response.data.endswith(DONE)
        assert [("stream_options" in body) for body in sent(shop)] == [True, False]
        assert self._learned(shop) is StreamUsage.NEVER
        assert shop.only_call().is_estimated
        shop.provider.clear()
        assert wait_until(lambda: self._second_is_direct(shop, customer, members, wish))
        shop.assert_at_rest()

    def test_refusal_that_a_client_provoked_is_not_taken_for_a_fact(self, shop: Shop):
        wish = {"behave": "status", "status": 400, "message": "stream_options is odd"}
        assert stream(shop, sandbox=wish).status_code == 400
        assert len(sent(shop)) == 2
        assert self._learned(shop) is StreamUsage.ASK
        shop.assert_at_rest()

    def _learned(self, shop: Shop) -> StreamUsage:
        with shop.session() as session:
            (first,) = set(
                session.scalars(select(ChannelModel.stream_usage).where(ChannelModel.model_id == 1))
            )
            return first

    def _second_is_direct(
        self, shop: Shop, customer: Customer, members: dict[str, Any], wish: dict[str, Any]
    ) -> bool:
        """The fact is in force within a second, in this process too."""
        shop.provider.clear()
        stream(shop, customer, sandbox=wish, **members)
        return ["stream_options" in body for body in sent(shop)] == [False]


class TestUsageFrame:
    def test_client_that_did_not_ask_gets_none_and_is_billed_the_usage(self, shop: Shop):
        response = stream(shop)
        assert usages_in(response) == []
        assert all(frame["choices"] for frame in frames_of(response.data))
        assert response.data.endswith(DONE)
        call = shop.only_call()
        units = json.loads(call.units)
        assert call.cost_nanos == units["input"] * INPUT_NANOS + units["output"] * OUTPUT_NANOS
        assert (call.is_estimated, call.state) == (False, CallState.POSTED)
        shop.assert_at_rest()

    def test_client_that_asked_gets_it_once_with_the_cost(self, shop: Shop):
        response = stream(shop, stream_options=ASKING)
        (usage,) = usages_in(response)
        assert usage["cost_usd"] == format_usd(shop.only_call().cost_nanos)
        last = frames_of(response.data)[-1]
        assert (last["choices"], last["usage"]) == ([], usage)
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]

    @pytest.mark.parametrize(
        "behave", ["no_usage", "usage_zero", "absurd_usage", "usage_with_finish", "usage_twice"]
    )
    def test_client_that_asked_gets_what_was_billed_whatever_the_provider_said(
        self, shop: Shop, behave: str
    ):
        response = stream(shop, stream_options=ASKING, sandbox={"behave": behave})
        usage = usages_in(response)[-1]
        call = shop.only_call()
        assert usage["cost_usd"] == format_usd(call.cost_nanos)
        units = json.loads(call.units)
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (
            units["input"],
            units["output"],
        )
        assert call.is_estimated == (behave in ("no_usage", "usage_zero", "absurd_usage"))
        assert response.data.endswith(DONE)
        shop.assert_at_rest()

    def test_providers_price_is_not_shown(self, shop: Shop):
        response = stream(shop, stream_options=ASKING, sandbox={"behave": "extra_members"})
        (usage,) = usages_in(response)
        assert {"cost", "is_byok", "cost_details", "cost_in_usd_ticks"}.isdisjoint(usage)

    def test_named_member_is_cut_from_every_frame(self, shop: Shop):
        shop.set_served("talk", cut_member="provider")
        response = stream(shop, sandbox={"behave": "extra_members"})
        assert not any("provider" in frame for frame in frames_of(response.data))
        assert text_of(frames_of(response.data)) == ANSWER

    def test_sold_name_stands_in_every_frame(self, shop: Shop):
        response = stream(shop, model="renamed", stream_options=ASKING)
        assert {frame["model"] for frame in frames_of(response.data)} == {"renamed"}
        assert b"upstream-secret-name" not in response.data


WHOLE = (
    {},
    {"behave": "no_done"},
    {"behave": "linger", "seconds": 0.1},
    {"behave": "no_usage"},
    {"behave": "usage_unasked"},
    {"behave": "usage_in_every_chunk"},
    {"behave": "usage_with_finish"},
    {"behave": "usage_twice"},
    {"behave": "comments", "count": 3, "seconds": 0.01},
    {"behave": "empty_choices"},
    {"behave": "crlf"},
    {"behave": ["crlf", "recut"], "size_bytes": 7},
    {"behave": "recut", "size_bytes": 1},
    {"behave": "no_content_length", "variant": "close"},
    {"behave": "wrong_content_type"},
    {"behave": "extra_members"},
)


@pytest.mark.parametrize("options", [None, ASKING], ids=["silent", "asking"])
@pytest.mark.parametrize("wish", WHOLE, ids=lambda wish: str(wish.get("behave", "plain")))
def test_whole_stream_says_everything_and_ends_with_done(shop: Shop, wish: Any, options: Any):
    members = {} if options is None else {"stream_options": options}
    response = stream(shop, sandbox=wish, **members)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["X-Request-Id"].startswith("req_")
    frames = frames_of(response.data)
    assert text_of(frames) == ANSWER
    assert response.data.count(b"[DONE]") == 1
    assert response.data.endswith(DONE)
    call = shop.only_call()
    receipts = [usage["cost_usd"] for usage in usages_in(response) if "cost_usd" in usage]
    assert receipts == ([] if options is None else [format_usd(call.cost_nanos)])
    if options is None:
        assert not any(frame.get("usage") and not frame["choices"] for frame in frames)
    assert (call.state, call.reason, call.status) == (CallState.POSTED, None, 200)
    assert call.is_estimated == (wish.get("behave") == "no_usage")
    assert call.first_content_ms is not None
    shop.assert_at_rest()


@pytest.mark.slow
def test_dripping_stream_arrives_whole(shop: Shop):
    """A byte at a time."""
    response = stream(shop, sandbox={"behave": "drip", "delay_s": 0.0001})
    assert text_of(frames_of(response.data)) == ANSWER
    assert response.data.endswith(DONE)
    shop.assert_at_rest()


def test_split_character_arrives_whole(shop: Shop):
    response = stream(shop, sandbox={"behave": "split_character", "delay_s": 0.001})
    assert "世" in text_of(frames_of(response.data))
    assert response.data.endswith(DONE)


def test_half_a_character_from_the_provider_does_not_hurt_the_call(shop: Shop):
    response = stream(shop, sandbox={"behave": "half_character", "after": 2})
    assert response.status_code == 200
    assert shop.only_call().state is CallState.POSTED
    shop.assert_at_rest()


def test_choices_are_all_waited_for(shop: Shop):
    response = stream(shop, n=3, stream_options=ASKING)
    frames = frames_of(response.data)
    finished = {
        choice["index"]
        for frame in frames
        for choice in frame["choices"]
        if choice["finish_reason"]
    }
    assert finished == {0, 1, 2}
    assert len(usages_in(response)) == 1
    shop.assert_at_rest()


def test_tool_call_streams(shop: Shop):
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    response = stream(shop, tools=[tool])
    deltas = [choice["delta"] for frame in frames_of(response.data) for choice in frame["choices"]]
    assert [delta["tool_calls"] for delta in deltas if "tool_calls" in delta]
    assert response.data.endswith(DONE)


def test_provider_that_stays_silent_after_usage_is_not_waited_for(shop: Shop):
    """Neither [DONE] nor the end come: usage and every finish are here, so nothing is missing."""
    began_s = time.monotonic()
    response = stream(
        shop, stream_options=ASKING, sandbox={"behave": ["no_done", "linger"], "seconds": 2}
    )
    assert time.monotonic() - began_s < 1
    assert response.data.endswith(DONE)
    assert not shop.only_call().is_estimated
    shop.assert_at_rest()


def test_lingering_provider_does_not_delay_the_end(shop: Shop):
    began_s = time.monotonic()
    stream(shop, sandbox={"behave": "linger", "seconds": 3})
    assert time.monotonic() - began_s < 2.5


def test_settlement_is_committed_before_the_end_is_sent(shop: Shop):
    response = shop.chat(shop.customer(), stream=True, stream_options=ASKING)
    states = []
    for piece in response.response:
        if b'"finish_reason":"stop"' in piece or b"[DONE]" in piece:
            states.append((b"[DONE]" in piece, shop.only_call().state))
    assert states[-1] == (True, CallState.POSTED)
    response.close()


def test_frames_are_passed_on_as_they_come(shop: Shop):
    response = shop.chat(shop.customer(), stream=True, sandbox={"frames": 4, "delay_s": 0.15})
    arrivals = [time.monotonic() for piece in response.response if piece]
    response.close()
    assert len(arrivals) >= 5
    assert arrivals[-1] - arrivals[0] > 0.3


BROKEN = (
    ({"behave": "truncate", "after": 3}, "upstream_truncated"),
    ({"behave": "break", "after": 3}, "upstream_broken"),
    ({"behave": "error_mid_stream", "after": 3}, "provider_error"),
    ({"behave": "error_mid_stream", "after": 3, "variant": "openrouter"}, "provider_error"),
    ({"behave": "huge_line", "after": 3}, "frame_too_large"),
    ({"behave": "stall", "after": 3, "seconds": 2}, "upstream_timeout"),
)


@pytest.mark.parametrize("options", [None, ASKING], ids=["silent", "asking"])
@pytest.mark.parametrize(
    ("wish", "reason"), BROKEN, ids=lambda value: value["behave"] if isinstance(value, dict) else ""
)
def test_stream_that_breaks_off_ends_with_an_error_event(
    open_shop: OpenShop, wish: Any, reason: str, options: Any
):
    shop = open_shop(UPSTREAM_IDLE_S=0.2)
    members = {} if options is None else {"stream_options": options}
    began_s = time.monotonic()
    response = stream(shop, sandbox={**wish, "message": "canary-words"}, **members)
    assert time.monotonic() - began_s < 2.5
    assert response.status_code == 200
    error = error_in(response)
    assert error["code"] == (
        "upstream_timeout" if reason == "upstream_timeout" else "upstream_error"
    )
    assert "charged" in error["message"]
    assert b"canary-words" not in response.data
    assert text_of(frames_of(response.data)) == "Sandbox answer: no"
    call = shop.only_call()
    assert (call.state, call.is_estimated, call.reason) == (CallState.POSTED, True, reason)
    assert 0 < call.cost_nanos < call.held_paid_nanos
    shop.assert_at_rest()


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"behave": "truncate", "after": 0}, 502),
        ({"behave": "break", "after": 0}, 502),
        ({"behave": "error_after_200", "message": "canary-words"}, 502),
        ({"behave": "huge_line", "after": 0}, 502),
        ({"behave": "stall", "after": 0, "seconds": 1}, 504),
        ({"behave": "never_answer", "seconds": 1}, 504),
        ({"behave": "comments", "count": 40, "seconds": 0.05}, 504),
        ({"behave": ["drip"], "delay_s": 0.05}, 504),
    ],
    ids=lambda value: str(value.get("behave")) if isinstance(value, dict) else "",
)
def test_failure_before_the_first_frame_is_an_error_and_free(
    open_shop: OpenShop, wish: Any, status: int
):
    shop = open_shop(UPSTREAM_FIRST_CONTENT_STREAM_S=0.3)
    response = stream(shop, sandbox=wish)
    assert response.status_code == status
    assert response.headers["X-Should-Retry"] == "false"
    assert b"canary-words" not in response.data
    call = shop.only_call()
    assert (call.state, call.cost_nanos) == (CallState.VOIDED, 0)
    shop.assert_at_rest()


@pytest.mark.slow
def test_dripping_provider_is_stopped_by_the_total_time_out(open_shop: OpenShop):
    shop = open_shop(UPSTREAM_TOTAL_S=1, UPSTREAM_IDLE_S=0.3)
    began_s = time.monotonic()
    response = stream(shop, sandbox={"behave": "drip", "delay_s": 0.001})
    assert time.monotonic() - began_s < 2.5
    assert error_in(response)["code"] == "upstream_timeout"
    shop.assert_at_rest()


def test_huge_line_is_refused_in_bounded_memory(shop: Shop):
    import tracemalloc

    tracemalloc.start()
    try:
        response = stream(
            shop, sandbox={"behave": "huge_line", "after": 2, "size_bytes": 50_000_000}
        )
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error_in(response)["code"] == "upstream_error"
    assert peak_bytes < 30_000_000  # the sandbox runs in this process too


def test_time_out_after_every_choice_has_finished_is_a_whole_answer(open_shop: OpenShop):
    shop = open_shop(UPSTREAM_IDLE_S=0.2)
    shop.set_served("talk", stream_usage=StreamUsage.NEVER)
    response = stream(
        shop, stream_options=ASKING, sandbox={"behave": ["no_done", "linger"], "seconds": 1}
    )
    assert response.data.endswith(DONE)
    call = shop.only_call()
    assert (call.reason, call.is_estimated) == (None, True)
    assert len(usages_in(response)) == 1
    shop.assert_at_rest()


def test_streams_do_not_pile_up_threads(shop: Shop):
    customer = shop.customer()
    stream(shop, customer)
    before = threading.active_count()
    for _ in range(5):
        stream(shop, customer, messages=MESSAGES)
    assert threading.active_count() <= before
