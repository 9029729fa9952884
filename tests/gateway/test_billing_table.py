"""What is billed: the published table, row by row, the books proved after each.

The provider is the sandbox, or a bare socket where a row needs frames that no provider should send.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.domain.billing.models import Call, CallState
from app.domain.billing.tokens import count_request, count_text
from tests.gateway.chat_frames import chunk, content, delta, frame
from tests.gateway.conftest import OpenShop
from tests.gateway.shop import (
    INPUT_NANOS,
    MESSAGES,
    OUTPUT_NANOS,
    Customer,
    Shop,
    hang_up,
    send_raw,
    wait_until,
)
from tests.gateway.wire_client import closed_port
from tests.gateway.wire_server import Script, Wire, WireServer
from tests.running_product import running_product

SHORT_S = 0.2
SETTINGS = {
    "UPSTREAM_IDLE_S": SHORT_S,
    "UPSTREAM_FIRST_CONTENT_STREAM_S": SHORT_S,
    "UPSTREAM_FIRST_CONTENT_WHOLE_S": SHORT_S,
}
PROMPT_TOKENS = count_request({"messages": MESSAGES})
DELIVERED = "Sandbox answer: no"

ROLE = frame(chunk(delta(role="assistant", content="")))
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def cost_of(units: dict[str, int]) -> int:
    return units.get("input", 0) * INPUT_NANOS + units.get("output", 0) * OUTPUT_NANOS


def assert_bill(call: Call, *, units: dict[str, int], is_estimated: bool) -> None:
    assert call.state is CallState.POSTED
    assert json.loads(call.units) == units
    assert call.cost_nanos == cost_of(units)
    assert call.is_estimated is is_estimated
    assert call.written_off_nanos == 0


def assert_free(call: Call) -> None:
    assert call.state is CallState.VOIDED
    assert (call.cost_nanos, call.trial_cost_nanos, call.written_off_nanos) == (0, 0, 0)
    assert call.units is None
    assert call.reason


def assert_spent(shop: Shop, customer: Customer, cost_nanos: int) -> None:
    """The wallet went down by exactly the bill, nothing is held, and the ledger agrees."""
    after = shop.balances(customer)
    assert after.trial_balance + after.paid_balance == 5_000_000_000 - cost_nanos
    assert (after.trial_held, after.paid_held) == (0, 0)
    shop.assert_at_rest()


@pytest.fixture
def wire() -> Iterator[Callable[[Script], str]]:
    """A provider of one script; returns its base URL."""
    servers: list[WireServer] = []

    def start(script: Script) -> str:
        server = WireServer(script)
        server.__enter__()
        servers.append(server)
        return f"http://127.0.0.1:{server.port}/v1"

    yield start
    for server in servers:
        server.__exit__(None, None, None)


def only_wire(shop: Shop, base_url: str) -> None:
    shop.add_channel("wire", base_url, priority=9)
    shop.set_channel("main", is_enabled=False)


class TestRefusedUnreachableOrFailedBeforeContent:
    """Nothing, no hold left."""

    def test_refused_by_us(self, shop: Shop):
        customer = shop.customer()
        assert shop.chat(customer, n=0).status_code == 400
        assert shop.chat(customer, model="nope").status_code == 404
        assert shop.calls() == []
        assert_spent(shop, customer, 0)

    def test_upstream_unreachable(self, shop: Shop):
        only_wire(shop, f"http://127.0.0.1:{closed_port()}/v1")
        customer = shop.customer()
        assert shop.chat(customer).status_code == 503
        assert_free(shop.only_call())
        assert_spent(shop, customer, 0)

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        "wish",
        [
            {"behave": "status", "status": 400},
            {"behave": "status", "status": 500},
            {"behave": "status", "status": 429},
            {"behave": "redirect"},
            {"behave": "error_after_200"},
            {"behave": "gzip"},
        ],
        ids=lambda wish: f"{wish['behave']}-{wish.get('status', '')}",
    )
    def test_upstream_error(self, shop: Shop, wish: Any, stream: bool):
        customer = shop.customer()
        assert shop.chat(customer, stream=stream, sandbox=wish).status_code >= 400
        assert_free(shop.only_call())
        assert_spent(shop, customer, 0)


class TestUsageReported:
    """That usage."""

    @pytest.mark.parametrize("stream", [False, True])
    def test_answer(self, shop: Shop, stream: bool):
        customer = shop.customer()
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        shop.chat(customer, stream=stream, sandbox={"usage": usage}).get_data()
        call = shop.only_call()
        assert_bill(call, units={"input": 11, "output": 7}, is_estimated=False)
        assert_spent(shop, customer, 25_000)

    @pytest.mark.parametrize(
        "behave", ["usage_in_every_chunk", "usage_with_finish", "usage_twice", "usage_unasked"]
    )
    def test_last_usage_of_a_stream_replaces_earlier_ones(self, shop: Shop, behave: str):
        customer = shop.customer()
        usage = {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20}
        wish = {"behave": behave, "usage": usage}
        shop.chat(customer, stream=True, sandbox=wish).get_data()
        assert_bill(shop.only_call(), units={"input": 12, "output": 8}, is_estimated=False)
        assert_spent(shop, customer, 28_000)

    def test_second_usage_may_come_a_moment_after_the_first(
        self, shop: Shop, wire: Callable[[Script], str]
    ):
        def script(wire: Wire) -> None:
            wire.read_request()
            wire.send(STREAM_HEAD + content("hello") + frame(chunk(delta(finish="stop"))))
            for tokens in (1, 5):
                usage = {"prompt_tokens": 9, "completion_tokens": tokens}
                wire.send(frame(chunk(usage=usage)))
                wire.pause(0.05)
            wire.send(b"data: [DONE]\n\n")

        only_wire(shop, wire(script))
        customer = shop.customer()
        shop.chat(customer, stream=True).get_data()
        assert_bill(shop.only_call(), units={"input": 9, "output": 5}, is_estimated=False)
        assert_spent(shop, customer, 19_000)

    @pytest.mark.parametrize(("variant", "output"), [("", 3), ("beside", 3)])
    def test_reasoning_is_billed_once(self, shop: Shop, variant: str, output: int):
        customer = shop.customer()
        wish = {"behave": "reasoning", "count": output, "variant": variant}
        shop.chat(customer, stream=True, sandbox=wish).get_data()
        call = shop.only_call()
        units = json.loads(call.units)
        assert units["reasoning"] == output
        assert call.cost_nanos == units["input"] * INPUT_NANOS + OUTPUT_NANOS * (
            units["output"] + output
        )
        assert_spent(shop, customer, call.cost_nanos)


class TestNoUsage:
    """Local count of prompt and delivered text, marked estimated, at most the hold."""

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("limit", [{}, {"max_tokens": 3}])
    def test_answer(self, shop: Shop, stream: bool, limit: dict[str, int]):
        customer = shop.customer()
        response = shop.chat(customer, stream=stream, sandbox={"behave": "no_usage"}, **limit)
        said = _said(response, stream=stream)
        call = shop.only_call()
        output = min(count_text(said), limit.get("max_tokens", 10_000))
        assert_bill(call, units={"input": PROMPT_TOKENS, "output": output}, is_estimated=True)
        assert call.cost_nanos <= call.held_paid_nanos
        assert_spent(shop, customer, call.cost_nanos)

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        "variant", ["negative", "huge", "beyond_64_bits", "strings", "floats", "booleans", "nulls",
                    "parts", "empty"],
    )  # fmt: skip
    def test_implausible_usage_is_none_and_alarmed(self, shop: Shop, variant: str, stream: bool):
        customer = shop.customer()
        wish = {"behave": "absurd_usage", "variant": variant}
        response = shop.chat(customer, stream=stream, sandbox=wish)
        said = _said(response, stream=stream)
        units = {"input": PROMPT_TOKENS, "output": count_text(said)}
        assert_bill(shop.only_call(), units=units, is_estimated=True)
        assert shop.alerts() == ["implausible_usage"]
        assert_spent(shop, customer, cost_of(units))

    def test_long_stream_counts_what_it_does_not_keep_by_the_frame(self, shop: Shop):
        customer = shop.customer()
        # 4,000 frames of some 300 bytes are more than the mebibyte that is kept.
        wish = {"behave": "no_usage", "frames": 4_000}
        shop.chat(customer, stream=True, sandbox=wish).get_data()
        call = shop.only_call()
        assert call.is_estimated
        assert 500 < json.loads(call.units)["output"] <= 4_096
        assert call.cost_nanos <= call.held_paid_nanos
        assert_spent(shop, customer, call.cost_nanos)


def stalling(wire: Wire) -> None:
    wire.read_request()
    wire.send(STREAM_HEAD + ROLE)
    wire.hold()


def truncating(wire: Wire) -> None:
    wire.read_request()
    wire.send(STREAM_HEAD + ROLE)


def breaking(wire: Wire) -> None:
    wire.read_request()
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire.send(chunked + b"%x\r\n%b\r\n" % (len(ROLE), ROLE))
    wire.reset()


def erring(wire: Wire) -> None:
    wire.read_request()
    wire.send(STREAM_HEAD + ROLE + frame({"error": {"message": "overloaded"}}))


class TestNoContent:
    """Nothing: upstream stalls, breaks, truncates, or our first-content time-out."""

    @pytest.mark.parametrize("script", [stalling, truncating, breaking, erring])
    def test_only_a_role_came(
        self, open_shop: OpenShop, wire: Callable[[Script], str], script: Script
    ):
        shop = open_shop(**SETTINGS)
        only_wire(shop, wire(script))
        customer = shop.customer()
        response = shop.chat(customer, stream=True)
        assert response.status_code == 200
        error = json.loads(response.get_data().split(b"data: ")[-1])["error"]
        assert "not charged" in error["message"]
        assert_free(shop.only_call())
        assert_spent(shop, customer, 0)

    @pytest.mark.parametrize("script", [stalling, truncating, breaking, erring])
    def test_only_a_role_came_and_the_client_is_gone(
        self, open_shop: OpenShop, wire: Callable[[Script], str], script: Script
    ):
        """A drained stream that the provider breaks off is billed as if the client had stayed."""
        shop = open_shop(**SETTINGS)
        only_wire(shop, wire(script))
        customer = shop.customer()
        leave_after(shop.chat(customer, stream=True), pieces=1)
        assert_free(shop.only_call())
        assert_spent(shop, customer, 0)

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("behave", ["never_answer", "stall"])
    def test_first_content_time_out(self, open_shop: OpenShop, behave: str, stream: bool):
        shop = open_shop(**SETTINGS)
        customer = shop.customer()
        wish = {"behave": behave, "seconds": 0.6}
        assert shop.chat(customer, stream=stream, sandbox=wish).status_code == 504
        assert_free(shop.only_call())
        assert_spent(shop, customer, 0)

    @pytest.mark.parametrize(
        ("wish", "status"),
        [
            ({"behave": "break", "after": 1}, 502),
            ({"behave": "truncate"}, 502),
            ({"behave": "stall", "after": 1, "seconds": 0.6}, 504),
        ],
        ids=lambda value: value["behave"] if isinstance(value, dict) else "",
    )
    def test_half_an_answer_that_was_to_come_whole(
        self, open_shop: OpenShop, wish: Any, status: int
    ):
        shop = open_shop(**SETTINGS)
        customer = shop.customer()
        assert shop.chat(customer, sandbox=wish).status_code == status
        assert_free(shop.only_call())
        assert_spent(shop, customer, 0)


class TestBrokenAfterContent:
    """Input and delivered output, estimated; error text never."""

    @pytest.mark.parametrize(
        "wish",
        [
            {"behave": "stall", "after": 3, "seconds": 0.6},
            {"behave": "break", "after": 3},
            {"behave": "truncate", "after": 3},
            {"behave": "error_mid_stream", "after": 3, "message": "many words that cost nothing"},
            {
                "behave": "error_mid_stream",
                "after": 3,
                "variant": "openrouter",
                "message": "many words that cost nothing",
            },
            {"behave": "huge_line", "after": 3},
        ],
        ids=lambda wish: wish["behave"],
    )
    def test_stream(self, open_shop: OpenShop, wish: Any):
        shop = open_shop(**SETTINGS)
        customer = shop.customer()
        shop.chat(customer, stream=True, sandbox=wish).get_data()
        units = {"input": PROMPT_TOKENS, "output": count_text(DELIVERED)}
        assert_bill(shop.only_call(), units=units, is_estimated=True)
        assert_spent(shop, customer, cost_of(units))

    def test_our_total_time_out(self, open_shop: OpenShop):
        shop = open_shop(UPSTREAM_TOTAL_S=0.5)
        customer = shop.customer()
        wish = {"frames": 50, "delay_s": 0.05}
        response = shop.chat(customer, stream=True, sandbox=wish)
        said = _said(response, stream=True)
        assert said
        units = {"input": PROMPT_TOKENS, "output": count_text(said)}
        call = shop.only_call()
        assert_bill(call, units=units, is_estimated=True)
        assert call.reason == "upstream_timeout"
        assert_spent(shop, customer, cost_of(units))

    def test_usage_that_came_before_the_break_is_not_billed_for_the_whole(
        self, open_shop: OpenShop
    ):
        """Running totals are no receipt: what was delivered is counted by us."""
        shop = open_shop(**SETTINGS)
        customer = shop.customer()
        wish = {"behave": ["usage_in_every_chunk", "truncate"], "after": 3}
        shop.chat(customer, stream=True, sandbox=wish).get_data()
        units = {"input": PROMPT_TOKENS, "output": count_text(DELIVERED)}
        assert_bill(shop.only_call(), units=units, is_estimated=True)
        assert_spent(shop, customer, cost_of(units))


def test_client_gone_from_a_call_that_is_not_streamed_pays_its_usage(shop: Shop):
    """The body was handed upstream; providers bill it in full."""
    customer = shop.customer()
    with running_product(shop.app) as base_url:
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        connection = send_raw(base_url, customer, sandbox={"usage": usage, "delay_s": 0.3})
        assert wait_until(lambda: bool(shop.provider.requests))
        hang_up(connection)
        assert wait_until(lambda: shop.only_call().state is not CallState.PENDING)
        assert_bill(shop.only_call(), units={"input": 9, "output": 4}, is_estimated=False)
        assert_spent(shop, customer, 17_000)


@dataclass(frozen=True)
class Leaving:
    """When the client leaves, under which rules, and how it is billed."""

    pieces: int
    is_estimated: bool
    settings: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)


LEAVING = {
    "drained-at-once": Leaving(pieces=0, is_estimated=False),
    "drained-after-the-first": Leaving(pieces=1, is_estimated=False),
    "drained-mid-stream": Leaving(pieces=6, is_estimated=False),
    "cancelled-at-once": Leaving(0, True, columns={"cancel_stops_billing": True}),
    "cancelled-mid-stream": Leaving(6, True, columns={"cancel_stops_billing": True}),
    "no-drain-place": Leaving(6, True, settings={"DRAIN_STREAMS": 0}),
}


class TestClientGoneFromAStream:
    """Drain and bill the real usage; or, where cancelling stops the bill, what was delivered."""

    @pytest.mark.parametrize("row", LEAVING.values(), ids=LEAVING.keys())
    def test_leaves(self, open_shop: OpenShop, row: Leaving):
        shop = open_shop(**row.settings)
        if row.columns:
            shop.set_served("talk", **row.columns)
        customer = shop.customer()
        usage = {"prompt_tokens": 9, "completion_tokens": 40, "total_tokens": 49}
        wish = {"usage": usage, "frames": 20, "delay_s": 0.01}
        response = shop.chat(customer, stream=True, sandbox=wish)
        leave_after(response, pieces=row.pieces)
        call = shop.only_call()
        assert call.reason == "client_left"
        if row.is_estimated:
            units = json.loads(call.units)
            assert units["input"] == PROMPT_TOKENS
            assert units.get("output", 0) <= count_text("x" * 200)
            assert_bill(call, units=units, is_estimated=True)
            assert wait_until(lambda: len(shop.provider.hangups) == 1)
        else:
            assert_bill(call, units={"input": 9, "output": 40}, is_estimated=False)
            assert not shop.provider.hangups
        assert_spent(shop, customer, call.cost_nanos)

    @pytest.mark.parametrize("cancel_stops_billing", [False, True])
    def test_leaves_when_every_choice_has_finished(
        self, open_shop: OpenShop, cancel_stops_billing: bool
    ):
        """Then it is a whole answer, with the usage that is still to come."""
        shop = open_shop()
        shop.set_served("talk", cancel_stops_billing=cancel_stops_billing)
        customer = shop.customer()
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        wish = {"behave": "recut", "size_bytes": 400, "delay_s": 0.005, "usage": usage}
        response = shop.chat(customer, stream=True, sandbox=wish)
        pieces = iter(response.response)
        while b'"finish_reason":"stop"' not in next(pieces):
            pass
        response.close()
        assert_bill(shop.only_call(), units={"input": 9, "output": 4}, is_estimated=False)
        assert_spent(shop, customer, 17_000)

    def test_drained_stream_that_breaks_is_billed_what_was_delivered(self, open_shop: OpenShop):
        shop = open_shop(**SETTINGS)
        customer = shop.customer()
        wish = {"behave": "stall", "after": 3, "seconds": 0.6}
        leave_after(shop.chat(customer, stream=True, sandbox=wish), pieces=1)
        units = {"input": PROMPT_TOKENS, "output": count_text(DELIVERED)}
        assert_bill(shop.only_call(), units=units, is_estimated=True)
        assert_spent(shop, customer, cost_of(units))

    def test_reader_that_left_after_the_end_changes_nothing(self, shop: Shop):
        customer = shop.customer()
        response = shop.chat(customer, stream=True)
        for piece in response.response:
            if b"[DONE]" in piece:
                break
        response.close()
        call = shop.only_call()
        assert (call.state, call.is_estimated, call.reason) == (CallState.POSTED, False, None)
        assert_spent(shop, customer, call.cost_nanos)


@pytest.mark.parametrize("stream", [False, True])
def test_retried_call_pays_only_the_attempt_that_answered(
    shop: Shop, wire: Callable[[Script], str], stream: bool
):
    """The first channel even reported usage beside its error."""

    def script(wire: Wire) -> None:
        wire.read_request()
        usage = {"prompt_tokens": 900, "completion_tokens": 900}
        body = json.dumps({"error": {"message": "x"}, "usage": usage}).encode()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    shop.add_channel("wire", wire(script), priority=9)
    customer = shop.customer()
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    shop.chat(customer, stream=stream, sandbox={"usage": usage}).get_data()
    call = shop.only_call()
    assert_bill(call, units={"input": 9, "output": 4}, is_estimated=False)
    assert len(json.loads(call.attempts)) == 2
    assert_spent(shop, customer, 17_000)


def test_content_of_every_choice_counts_in_an_estimate(shop: Shop, wire: Callable[[Script], str]):
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(STREAM_HEAD + content("one two three") + content("four five", 1))

    only_wire(shop, wire(script))
    customer = shop.customer()
    shop.chat(customer, stream=True, n=2).get_data()
    output = count_text("one two three" + "four five")
    units = {"input": PROMPT_TOKENS, "output": output}
    assert_bill(shop.only_call(), units=units, is_estimated=True)
    assert_spent(shop, customer, cost_of(units))


def leave_after(response: TestResponse, *, pieces: int) -> None:
    """Read so many pieces of a stream, then go."""
    arriving = iter(response.response)
    for _ in range(pieces):
        next(arriving)
    response.close()


def _said(response: TestResponse, *, stream: bool) -> str:
    if not stream:
        text: str = response.json["choices"][0]["message"]["content"]
        return text
    lines = (line[6:] for line in response.get_data(as_text=True).splitlines() if line)
    frames = [json.loads(line) for line in lines if line != "[DONE]"]
    return "".join(
        choice["delta"].get("content") or ""
        for each in frames
        for choice in each.get("choices", ())
    )
