"""When a channel fails: who is asked next, who is not, and what the caller learns of it."""

import json
import socket
from typing import Any

import pytest
from sqlalchemy import select, update

from app.domain.billing.models import CallState
from app.domain.channels.models import ChannelModel, UnservedHour
from tests.gateway.conftest import OpenShop
from tests.gateway.failing_provider import (
    CANARY,
    Failing,
    answer_bytes,
    assert_nothing_leaks,
    url_of,
)
from tests.gateway.shop import MAX_OUTPUT_TOKENS, PROVIDER_KEY, Shop, wait_until
from tests.gateway.wire_client import closed_port
from tests.gateway.wire_server import Wire, answering
from tests.sandbox_server import RunningSandbox

SLOW_S = 0.3


def never_answering(wire: Wire) -> None:
    wire.read_request()
    wire.hold()


MOVES_ON: dict[str, bytes] = {
    **{
        f"status-{status}": answer_bytes(status)
        for status in (401, 402, 403, 404, 429, 500, 503, 529)
    },
    "redirect-302": answer_bytes(302, "Location: http://127.0.0.1:9/v1"),
    "redirect-307": answer_bytes(307, "Location: http://127.0.0.1:9/v1"),
    "not-http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "half-a-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half-a-body": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{",
    "gzip": answer_bytes(200, "Content-Encoding: gzip", body=b"\x1f\x8b\x08\x00"),
    "html": answer_bytes(200, "Content-Type: text/html", body=b"<html>login</html>"),
    "list": answer_bytes(200, body=b"[]"),
    "empty": answer_bytes(200, body=b""),
    "no-choices": answer_bytes(200, body=b'{"id":"x"}'),
    "error-in-200": answer_bytes(200, body=b'{"error":{"message":"x"}}'),
    "status-204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "huge-head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 60_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("answer", MOVES_ON.values(), ids=MOVES_ON.keys())
def test_failing_channel_is_followed_by_the_next(
    shop: Shop, failing: Failing, answer: bytes, is_streamed: bool
):
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(answer)

    server = failing(script)
    bad = shop.add_channel("bad", url_of(server), priority=9)
    response = shop.chat(shop.customer(), stream=is_streamed)
    assert response.status_code == 200
    assert b"Sandbox" in response.get_data()
    assert len(server.heads) == 1
    assert len(shop.provider.requests) == 1
    call = shop.only_call()
    attempts = json.loads(call.attempts)
    assert [attempt["channel_id"] for attempt in attempts] == [bad, call.channel_id]
    assert attempts[0]["outcome"] != attempts[1]["outcome"] == "ok"
    assert call.state is CallState.POSTED
    assert call.status == 200
    assert_nothing_leaks(response, server)
    shop.assert_at_rest()


def test_connection_refused_moves_on(shop: Shop):
    shop.add_channel("closed", f"http://127.0.0.1:{closed_port()}/v1", priority=9)
    assert shop.chat(shop.customer()).status_code == 200
    assert json.loads(shop.only_call().attempts)[0]["outcome"] == "ConnectFailed"


def test_channel_that_never_accepts_moves_on(open_shop: OpenShop):
    shop = open_shop(UPSTREAM_CONNECT_S=SLOW_S)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        shop.add_channel("full", f"http://127.0.0.1:{port}/v1", priority=9)
        assert shop.chat(shop.customer()).status_code == 200
        for filler in fillers:
            filler.close()
    assert json.loads(shop.only_call().attempts)[0]["outcome"] == "ConnectTimeout"


def test_private_address_of_a_public_channel_is_never_dialled(shop: Shop, failing: Failing):
    server = failing(answering(answer_bytes(200)))
    shop.add_channel("public", f"https://127.0.0.1:{server.port}", priority=9, allow_private=False)
    assert shop.chat(shop.customer()).status_code == 200
    assert server.connections == 0
    assert json.loads(shop.only_call().attempts)[0]["outcome"] == "AddressNotAllowed"


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("wish", "outcome"),
    [
        ({"behave": "error_after_200"}, "error_in"),
        ({"behave": "gzip_bomb"}, "UnexpectedEncoding"),
        ({"behave": "truncate", "after": 0}, None),
    ],
    ids=lambda value: value["behave"] if isinstance(value, dict) else "",
)
def test_misbehaviour_before_content_is_tried_on_every_channel(
    shop: Shop,
    shared_provider: RunningSandbox,
    wish: dict[str, Any],
    outcome: str | None,
    is_streamed: bool,
):
    shop.add_channel("second", shared_provider.base_url, priority=-1)
    response = shop.chat(shop.customer(), stream=is_streamed, sandbox=wish)
    assert response.status_code == 502
    assert len(shop.provider.requests) == 2
    call = shop.only_call()
    outcomes = [attempt["outcome"] for attempt in json.loads(call.attempts)]
    assert len(outcomes) == 2
    if outcome is not None:
        assert all(found.startswith(outcome) for found in outcomes)
    assert (call.state, call.cost_nanos) == (CallState.VOIDED, 0)
    shop.assert_at_rest()


def test_remote_url_goes_to_public_channels_only(shop: Shop):
    """A server on a private network would fetch it from inside."""
    shop.add_channel("public", "https://127.0.0.1:9", priority=-1, allow_private=False)
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    response = shop.chat(shop.customer(), messages=[{"role": "user", "content": [part]}])
    assert response.status_code == 503
    assert not shop.provider.requests
    (attempt,) = json.loads(shop.only_call().attempts)
    assert attempt["outcome"] == "AddressNotAllowed"
    shop.assert_at_rest()


def test_output_limit_is_sent_as_each_channel_needs_it(
    shop: Shop, failing: Failing, shared_provider: RunningSandbox
):
    """One hold covers every channel asked; the number we chose goes where nothing else bounds."""
    server = failing(answering(answer_bytes(500)))
    lax = shop.add_channel("lax", url_of(server), priority=9)
    with shop.session() as session:
        session.execute(
            update(ChannelModel)
            .where(ChannelModel.channel_id == lax)
            .values(enforces_limit=False, limit_field="max_completion_tokens")
        )
    assert shop.chat(shop.customer()).status_code == 200
    assert json.loads(server.bodies[0])["max_completion_tokens"] == MAX_OUTPUT_TOKENS
    second = json.loads(shop.provider.requests[-1].body)
    assert {"max_tokens", "max_completion_tokens"}.isdisjoint(second)
    shop.assert_at_rest()


def test_redirect_is_not_followed_and_the_key_stays(shop: Shop, failing: Failing):
    target = failing(answering(answer_bytes(200)))
    location = f"Location: http://127.0.0.1:{target.port}/v1/chat/completions"
    server = failing(answering(answer_bytes(307, location)))
    shop.add_channel("redirects", url_of(server), priority=9)
    assert shop.chat(shop.customer()).status_code == 200
    assert target.connections == 0


def test_at_most_three_channels_are_asked(shop: Shop, failing: Failing):
    servers = [failing(answering(answer_bytes(500))) for _ in range(4)]
    for number, server in enumerate(servers):
        shop.add_channel(f"bad{number}", url_of(server), priority=9 - number)
    response = shop.chat(shop.customer())
    assert response.status_code == 502
    assert response.json["error"]["code"] == "upstream_error"
    assert response.headers["X-Should-Retry"] == "false"
    assert [len(server.heads) for server in servers] == [1, 1, 1, 0]
    assert not shop.provider.requests
    call = shop.only_call()
    assert len(json.loads(call.attempts)) == 3
    assert (call.state, call.status, call.reason) == (CallState.VOIDED, 502, "upstream_error")
    assert_nothing_leaks(response, *servers)
    shop.assert_at_rest()


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("status", "ours"), [(400, 400), (413, 413), (422, 400)])
def test_callers_own_fault_is_not_retried(
    shop: Shop, failing: Failing, status: int, ours: int, is_streamed: bool
):
    server = failing(answering(answer_bytes(status)))
    shop.add_channel("strict", url_of(server), priority=9)
    response = shop.chat(shop.customer(), stream=is_streamed)
    assert response.status_code == ours
    assert response.json["error"]["type"] == "invalid_request_error"
    assert "Retry-After" not in response.headers
    assert not shop.provider.requests
    assert_nothing_leaks(response, server)
    call = shop.only_call()
    assert (call.state, call.cost_nanos, call.status) == (CallState.VOIDED, 0, ours)
    shop.assert_at_rest()


@pytest.mark.parametrize("status", [400, 422])
def test_huge_or_broken_refusal_is_still_the_callers_fault(
    shop: Shop, failing: Failing, status: int
):
    head = f"HTTP/1.1 {status} X\r\nContent-Length: 900000\r\n\r\n".encode()

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(head + b"x" * 1_000)

    server = failing(script)
    shop.add_channel("strict", url_of(server), priority=9)
    assert shop.chat(shop.customer(), stream=True).status_code == 400
    assert not shop.provider.requests
    shop.assert_at_rest()


STATUSES = (
    (401, 503, "upstream_unavailable"),
    (402, 503, "upstream_unavailable"),
    (403, 503, "upstream_unavailable"),
    (404, 502, "upstream_error"),
    (408, 503, "upstream_unavailable"),
    (429, 503, "upstream_unavailable"),
    (500, 502, "upstream_error"),
    (503, 503, "upstream_unavailable"),
    (529, 503, "upstream_unavailable"),
)


@pytest.mark.parametrize(("status", "ours", "code"), STATUSES)
def test_exhausted_attempts_tell_what_kind_of_failure_it_was(
    shop: Shop, status: int, ours: int, code: str
):
    wish = {"behave": "status", "status": status, "message": f"{CANARY} {PROVIDER_KEY}"}
    response = shop.chat(shop.customer(), sandbox=wish)
    assert (response.status_code, response.json["error"]["code"]) == (ours, code)
    assert response.json["error"]["type"] == "server_error"
    assert response.headers["X-Should-Retry"] == "false"
    assert int(response.headers["Retry-After"]) in range(1, 61)
    assert_nothing_leaks(response)
    call = shop.only_call()
    assert (call.state, call.cost_nanos, call.status) == (CallState.VOIDED, 0, ours)
    shop.assert_at_rest()


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("7", "7"), ("0", "1"), ("-5", "5"), ("100000", "60"), ("9" * 30, "60"),
     ("Wed, 21 Oct 2015 07:28:00 GMT", "1"), ("soon", "5"), ("1.5", "2"), ("²", "5"),
        ("9" * 6_000, "60")],
)  # fmt: skip
def test_retry_after_is_bounded(shop: Shop, failing: Failing, sent: str, shown: str):
    raw = answer_bytes(429, "Retry-After: {}").decode("latin-1").replace("{}", sent, 1)

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(raw.encode("latin-1"))

    shop.add_channel("busy", url_of(failing(script)), priority=9)
    shop.set_channel("main", is_enabled=False)
    response = shop.chat(shop.customer())
    assert (response.status_code, response.headers["Retry-After"]) == (503, shown)


class TestTimeOut:
    @pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
    def test_is_not_retried_once_the_request_was_sent(
        self, open_shop: OpenShop, failing: Failing, is_streamed: bool
    ):
        shop = self._slow_shop(open_shop, failing)
        response = shop.chat(shop.customer(), stream=is_streamed)
        assert (response.status_code, response.json["error"]["code"]) == (504, "upstream_timeout")
        assert response.headers["X-Should-Retry"] == "false"
        assert not shop.provider.requests
        call = shop.only_call()
        assert (call.state, call.cost_nanos, call.status) == (CallState.VOIDED, 0, 504)
        shop.assert_at_rest()

    @pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
    def test_is_retried_where_the_channel_allows_it(
        self, open_shop: OpenShop, failing: Failing, is_streamed: bool
    ):
        shop = self._slow_shop(open_shop, failing)
        shop.set_served("talk", retry_after_timeout=True)
        response = shop.chat(shop.customer(), stream=is_streamed)
        assert response.status_code == 200
        response.get_data()
        assert len(shop.provider.requests) == 1
        shop.assert_at_rest()

    def _slow_shop(self, open_shop: OpenShop, failing: Failing) -> Shop:
        shop = open_shop(
            UPSTREAM_FIRST_CONTENT_STREAM_S=SLOW_S, UPSTREAM_FIRST_CONTENT_WHOLE_S=SLOW_S
        )
        shop.add_channel("slow", url_of(failing(never_answering)), priority=9)
        return shop


def test_stream_that_has_begun_is_never_retried(shop: Shop, shared_provider: RunningSandbox):
    shop.add_channel("second", shared_provider.base_url, priority=-1)
    response = shop.chat(
        shop.customer(), stream=True, sandbox={"behave": "error_mid_stream", "after": 1}
    )
    assert response.status_code == 200
    assert b'"error"' in response.get_data()
    assert len(shop.provider.requests) == 1
    shop.assert_at_rest()


def test_weight_decides_within_a_priority_and_priority_before_it(
    shop: Shop, shared_provider: RunningSandbox
):
    """The heavier of two equals is asked first more often; the lower priority never is."""
    heavy = shop.add_channel("heavy", shared_provider.base_url, priority=5, weight=50)
    light = shop.add_channel("light", shared_provider.base_url, priority=5, weight=1)
    customer = shop.customer()
    for _ in range(40):
        assert shop.chat(customer, max_tokens=5).status_code == 200
    asked = [call.channel_id for call in shop.calls()]
    assert set(asked) <= {heavy, light}
    assert asked.count(heavy) > asked.count(light)


def test_channel_that_was_disabled_is_not_asked(shop: Shop, failing: Failing):
    server = failing(answering(answer_bytes(200)))
    shop.add_channel("off", url_of(server), priority=9)
    customer = shop.customer()
    shop.set_channel("off", is_enabled=False)
    assert shop.chat(customer).status_code == 200
    assert server.connections == 0


def test_all_channels_disabled_is_503_at_once(shop: Shop):
    shop.set_channel("main", is_enabled=False)
    response = shop.chat(shop.customer())
    assert (response.status_code, response.json["error"]["code"]) == (503, "upstream_unavailable")
    assert int(response.headers["Retry-After"]) in range(1, 61)
    assert shop.calls() == []


def test_kept_connection_that_the_provider_closed_is_replaced_without_a_second_charge(
    shop: Shop, failing: Failing
):
    ok = answer_bytes(
        200,
        body=b'{"model":"talk","choices":[{"message":{"content":"a"}}],'
        b'"usage":{"prompt_tokens":1,"completion_tokens":1}}',
    )

    def closing(wire: Wire) -> None:
        wire.read_request()
        wire.send(ok)

    server = failing(closing, closing)
    shop.add_channel("closing", url_of(server), priority=9)
    customer = shop.customer()
    for _ in range(2):
        assert shop.chat(customer).status_code == 200
    assert len(server.heads) == 2
    assert [call.cost_nanos for call in shop.calls()] == [3_000, 3_000]
    assert wait_until(lambda: not shop.services.gateway.running)
    shop.assert_at_rest()


def test_channel_whose_key_cannot_be_opened_leaves_the_others_alone(shop: Shop):
    customer = shop.customer()
    shop.add_channel("second", shop.provider.base_url, priority=-1)
    shop.set_channel("main", sealed_key="sealed by nobody")
    assert shop.chat(customer).status_code == 200
    shop.assert_at_rest()


def test_calls_that_no_channel_can_take_are_counted_by_model_and_hour(shop: Shop):
    customer = shop.customer()
    shop.set_channel("main", is_enabled=False)
    for _ in range(3):
        answer = shop.chat(customer)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    with shop.session() as session:
        counted = session.execute(select(UnservedHour.calls, UnservedHour.hour)).one()
    assert counted.calls == 3
    assert counted.hour.timestamp() % 3600 == 0
    assert shop.calls() == []
    shop.assert_at_rest()
