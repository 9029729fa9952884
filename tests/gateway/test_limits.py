"""Places, bodies and running calls: what is refused at once, and that nothing is left behind."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.domain.accounts.models import KeyScope
from app.domain.billing.models import CallState
from app.gateway.authentication import Caller
from app.gateway.errors import ServerBusy, TooManyUploads
from app.gateway.limits import RESERVED_THREADS, BodyBudget, Slots, Uploads
from tests.gateway.conftest import OpenShop
from tests.gateway.shop import (
    CHAT_PATH,
    MESSAGES,
    Customer,
    Shop,
    hang_up,
    read_until,
    send_raw,
    wait_until,
)
from tests.running_product import running_product

SLOW = {"stream": True, "sandbox": {"behave": "stall", "after": 1, "seconds": 0.8}}


@contextmanager
def occupied(shop: Shop, base_url: str, *customers: Customer) -> Iterator[None]:
    """Within the block each of these customers has a stream running."""
    connections = []
    for customer in customers:
        connections.append(send_raw(base_url, customer, **SLOW))
        read_until(connections[-1], b"data: ")
    assert shop.services.gateway.slots.taken == len(customers)
    yield
    for connection in connections:
        hang_up(connection)


def test_without_a_place_a_call_is_503_at_once_and_pages_answer(open_shop: OpenShop):
    shop = open_shop(THREADS=RESERVED_THREADS + 1)
    customer = shop.customer()
    with running_product(shop.app) as base_url:
        with occupied(shop, base_url, customer):
            began_s = time.monotonic()
            status, headers, body = _post(base_url, customer)
            assert time.monotonic() - began_s < 0.5
            assert (status, body["error"]["code"]) == (503, "server_busy")
            assert headers["Retry-After"] == "1"
            assert _get(base_url, customer, "/v1/models") == 200
        assert wait_until(lambda: shop.services.gateway.slots.taken == 0)
        assert _post(base_url, customer)[0] == 200
    assert len(shop.calls()) == 2
    shop.assert_at_rest()


def test_trial_keys_together_get_a_quarter(open_shop: OpenShop):
    shop = open_shop(THREADS=RESERVED_THREADS + 8)
    trials = [shop.trial_customer() for _ in range(3)]
    payer = shop.customer()
    with running_product(shop.app) as base_url:
        with occupied(shop, base_url, *trials[:2]):
            status, headers, body = _post(base_url, trials[2])
            assert (status, body["error"]["code"]) == (503, "server_busy")
            assert headers["Retry-After"]
            assert _post(base_url, payer)[0] == 200
        assert wait_until(lambda: shop.services.gateway.slots.taken == 0)
        assert _post(base_url, trials[2])[0] == 200
    shop.assert_at_rest()


class TestSlots:
    def test_every_place_is_given_out_once_and_back_once(self):
        slots = Slots(RESERVED_THREADS + 3)
        taken = [slots.take(_caller(KeyScope.FULL)) for _ in range(3)]
        with pytest.raises(ServerBusy):
            slots.take(_caller(KeyScope.FULL))
        for slot in taken:
            slot.release()
            slot.release()
        assert slots.taken == 0

    def test_trial_place_counts_as_a_place(self):
        slots = Slots(RESERVED_THREADS + 4)
        slots.take(_caller(KeyScope.TRIAL))
        with pytest.raises(ServerBusy):
            slots.take(_caller(KeyScope.TRIAL))
        assert [slots.take(_caller(KeyScope.FULL)) for _ in range(3)]
        with pytest.raises(ServerBusy):
            slots.take(_caller(KeyScope.FULL))

    @pytest.mark.parametrize("threads", [1, RESERVED_THREADS, RESERVED_THREADS + 1])
    def test_there_is_always_one_place(self, threads: int):
        Slots(threads).take(_caller(KeyScope.TRIAL)).release()


def test_place_comes_back_after_every_kind_of_end(shop: Shop):
    customer = shop.customer()
    for members in (
        {},
        {"n": 0},
        {"model": "nope"},
        {"max_tokens": 10**9},
        {"stream": True},
        {"sandbox": {"behave": "status", "status": 500}},
        {"stream": True, "sandbox": {"behave": "truncate", "after": 1}},
        {"stream": True, "sandbox": {"behave": "error_after_200"}},
    ):
        shop.chat(customer, **members).get_data()
        assert shop.services.gateway.slots.taken == 0, members
    shop.post(customer, raw=b"{")
    shop.post(customer, raw=b"{}", headers={"Content-Type": "text/plain"})
    assert shop.services.gateway.slots.taken == 0
    assert shop.services.gateway.bodies._left_bytes == 512 * 1024 * 1024
    shop.assert_at_rest()


class TestBody:
    def test_too_many_bytes_in_flight_is_503(self, shop: Shop):
        shop.services.gateway.bodies = BodyBudget(1_000)
        customer = shop.customer()
        answer = shop.chat(customer, messages=[{"role": "user", "content": "x" * 2_000}])
        assert (answer.status_code, answer.json["error"]["code"]) == (503, "server_busy")
        assert answer.headers["Retry-After"]
        assert shop.chat(customer).status_code == 200
        shop.assert_at_rest()

    @pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
    def test_body_above_the_limit_is_413(self, open_shop: OpenShop, is_chunked: bool):
        shop = open_shop(MAX_BODY_BYTES=10_000)
        customer = shop.customer()
        body = json.dumps({"model": "talk", "messages": "x" * 20_000}).encode()
        with running_product(shop.app) as base_url:
            pieces = iter([body[:9_000], body[9_000:]]) if is_chunked else body
            status, headers, answer = _post(base_url, customer, body=pieces)
            assert (status, answer["error"]["code"]) == (413, "payload_too_large")
            assert headers["X-Request-Id"]
        assert shop.calls() == []
        shop.assert_at_rest()

    def test_chunked_body_is_read_whole(self, open_shop: OpenShop):
        shop = open_shop()
        body = json.dumps({"model": "talk", "messages": MESSAGES, "max_tokens": 5}).encode()
        with running_product(shop.app) as base_url:
            pieces = iter([body[:10], body[10:]])
            assert _post(base_url, shop.customer(), body=pieces)[0] == 200
        assert shop.provider.requests[-1].body == body

    def test_body_that_breaks_off_reserves_nothing(self, shop: Shop):
        customer = shop.customer()
        with running_product(shop.app) as base_url:
            host, port = base_url.removeprefix("http://").split(":")
            connection = socket.create_connection((host, int(port)), timeout=5)
            head = f"POST {CHAT_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            head += f"Authorization: Bearer {customer.secret}\r\nContent-Length: 500\r\n\r\n{{"
            connection.sendall(head.encode())
            hang_up(connection)
            assert _post(base_url, customer)[0] == 200
        assert len(shop.calls()) == 1
        shop.assert_at_rest()


class TestRunningCalls:
    def test_key_with_a_concurrency_limit_is_429_above_it(self, shop: Shop):
        customer = shop.customer(max_running=1)
        first = shop.chat(customer, stream=True)
        next(iter(first.response))
        answer = shop.chat(customer)
        assert (answer.status_code, answer.json["error"]["type"]) == (429, "rate_limit_error")
        assert answer.headers["Retry-After"]
        first.close()
        assert shop.chat(customer).status_code == 200
        shop.assert_at_rest()

    def test_failed_calls_count_no_longer(self, shop: Shop):
        customer = shop.customer(max_running=1)
        for _ in range(3):
            answer = shop.chat(customer, sandbox={"behave": "status", "status": 500})
            assert answer.status_code == 502
        shop.assert_at_rest()


def test_draining_process_takes_no_new_call(shop: Shop):
    shop.services.gateway.is_draining = True
    answer = shop.chat(shop.customer())
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "server_busy")
    assert answer.headers["Retry-After"]
    assert shop.calls() == []


def test_running_stream_is_known_while_it_runs(shop: Shop):
    """What the heartbeat stores of it, in case the process dies."""
    response = shop.chat(shop.customer(), stream=True, sandbox={"frames": 8, "delay_s": 0.005})
    arriving = iter(response.response)
    for _ in range(4):
        next(arriving)
    (running,) = shop.services.gateway.running.values()
    call = shop.only_call()
    assert running.call_id == call.id
    assert call.state is CallState.PENDING
    assert running.delivered_frames >= 1
    assert running.local_input_tokens() > 0
    response.close()
    assert not shop.services.gateway.running
    shop.assert_at_rest()


def _caller(scope: KeyScope) -> Caller:
    return Caller(key_id=1, user_id=1, scope=scope, cap_id=None)


class TestUploads:
    def test_one_user_may_send_a_quarter_of_the_places_at_once_and_others_go_on(self):
        uploads = Uploads(8)
        uploads.begin(1)
        uploads.begin(1)
        with pytest.raises(TooManyUploads):
            uploads.begin(1)
        uploads.begin(2)
        uploads.end(1)
        uploads.begin(1)
        for user_id in (1, 1, 2):
            uploads.end(user_id)
        assert len(uploads) == 0

    def test_a_body_that_does_not_come_keeps_no_other_user_out(self, open_shop: OpenShop):
        shop = open_shop(THREADS=RESERVED_THREADS + 4)
        staller, other = shop.customer(), shop.customer()
        body = StalledBody()
        statuses: list[str] = []
        thread = threading.Thread(target=lambda: statuses.append(_stream_in(shop, staller, body)))
        thread.start()
        assert body.is_asked.wait(5)
        refused = shop.chat(staller)
        assert (refused.status_code, refused.json["error"]["code"]) == (429, "too_many_uploads")
        assert refused.headers["Retry-After"] == "1"
        assert shop.chat(other).status_code == 200
        body.is_over.set()
        thread.join()
        assert statuses == ["400 Bad Request"]
        assert shop.chat(staller).status_code == 200
        assert len(shop.services.gateway.uploads) == 0
        shop.assert_at_rest()


class StalledBody:
    """A body that its client begins and then, for a while, does not go on with."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()
        self.is_over = threading.Event()

    def read(self, size: int) -> bytes:
        self.is_asked.set()
        assert self.is_over.wait(10)
        return b""


def _stream_in(shop: Shop, customer: Customer, body: StalledBody) -> str:
    """The status of a call whose body the server hands over as it comes."""
    environ = EnvironBuilder(CHAT_PATH, method="POST", headers=customer.headers).get_environ()
    environ |= {"wsgi.input": body, "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": "100"}
    return run_wsgi_app(shop.app, environ)[1]


def _post(base_url: str, customer: Customer, body: Any = None) -> tuple[int, Any, Any]:
    connection = http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=5)
    if body is None:
        body = json.dumps({"model": "talk", "messages": MESSAGES, "max_tokens": 5}).encode()
    headers = customer.headers | {"Content-Type": "application/json"}
    connection.request("POST", CHAT_PATH, body=body, headers=headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, response.headers, answer


def _get(base_url: str, customer: Customer, path: str) -> int:
    connection = http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=5)
    connection.request("GET", path, headers=customer.headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status
