"""The lane and the blueprint are one handler: the same request gives the same answer both ways."""

import json
import re
from typing import Any

import pytest
from flask import Flask

from app.gateway.protocols import PROTOCOLS
from tests.gateway.conftest import OpenShop
from tests.gateway.shop import (
    CHAT_PATH,
    EMBEDDINGS_PATH,
    IMAGES_PATH,
    MESSAGES,
    PLENTY_NANOS,
    Customer,
    Shop,
)

# What differs between two calls by nature: ids, moments, and the balance that goes down.
VOLATILE = (
    (re.compile(rb'"id":"[^"]*"'), b'"id":"-"'),
    (re.compile(rb'"created":\d+'), b'"created":0'),
)
VOLATILE_HEADERS = {"X-Request-Id", "X-Balance-Usd"}

Seen = tuple[int, list[tuple[str, str]], bytes]


def request_environ(path: str, **more: Any) -> dict[str, Any]:
    from werkzeug.test import EnvironBuilder

    builder = EnvironBuilder(path=path, method=more.pop("method", "POST"), **more)
    try:
        return builder.get_environ()
    finally:
        builder.close()


def through(app: Flask, environ: dict[str, Any]) -> Seen:
    """Status, headers and bytes as a server would get them, what varies by nature levelled."""
    seen: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        seen.update(status=status, headers=headers)

    iterable = app.wsgi_app(environ, start_response)
    try:
        body = b"".join(iterable)
    finally:
        close = getattr(iterable, "close", None)
        if close is not None:
            close()
    for pattern, level in VOLATILE:
        body = pattern.sub(level, body)
    names = [name for name, _ in seen["headers"]]
    assert names.count("X-Request-Id") == 1
    assert len(set(names)) == len(names)
    headers = sorted(pair for pair in seen["headers"] if pair[0] not in VOLATILE_HEADERS)
    headers = [(name, "-" if name == "Content-Length" else value) for name, value in headers]
    return seen["status"], headers, body


def both_ways(shop: Shop, path: str, **request: Any) -> tuple[Seen, Seen]:
    by_lane = through(shop.app, request_environ(path, **request))
    kept, shop.app.lane = shop.app.lane, {}
    try:
        by_blueprint = through(shop.app, request_environ(path, **request))
    finally:
        shop.app.lane = kept
    return by_lane, by_blueprint


CHAT = {"model": "talk", "messages": MESSAGES}
STREAM = {**CHAT, "stream": True}
SUCCESSES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT_PATH, CHAT),
    "mapped": (CHAT_PATH, {**CHAT, "model": "renamed"}),
    "stream": (CHAT_PATH, STREAM),
    "stream-usage": (CHAT_PATH, {**STREAM, "stream_options": {"include_usage": True}}),
    "stream-error": (CHAT_PATH, {**STREAM, "sandbox": {"behave": "truncate", "after": 2}}),
    "embeddings": (EMBEDDINGS_PATH, {"model": "embed", "input": "x", "dimensions": 8}),
    "images": (IMAGES_PATH, {"model": "draw", "prompt": "x", "size": "64x64"}),
}  # fmt: skip


@pytest.mark.parametrize(("path", "body"), SUCCESSES.values(), ids=SUCCESSES.keys())
def test_answer_is_byte_equal(shared_shop: Shop, path: str, body: dict[str, Any]):
    customer = shared_shop.customer()
    by_lane, by_blueprint = both_ways(shared_shop, path, json=body, headers=customer.headers)
    assert by_lane[0] == "200 OK"
    assert by_lane == by_blueprint
    shared_shop.assert_at_rest()


def fail(status: int) -> dict[str, Any]:
    return {**CHAT, "sandbox": {"behave": "status", "status": status}}


ERRORS: dict[str, tuple[int, dict[str, Any]]] = {
    "invalid": (400, {**CHAT, "n": 0}),
    "not-json": (400, {"data": b"{"}),
    "provider-400": (400, fail(400)),
    "unpaid": (402, {**CHAT, "model": "thinker", "n": 1_000_000}),
    "unknown-model": (404, {**CHAT, "model": "nope"}),
    "provider-413": (413, fail(413)),
    "provider-500": (502, fail(500)),
    "provider-429": (503, fail(429)),
    "no-channel": (503, {**CHAT, "model": "nowhere"}),
}


@pytest.mark.parametrize(("status", "body"), ERRORS.values(), ids=ERRORS.keys())
def test_error_is_byte_equal(shared_shop: Shop, status: int, body: dict[str, Any]):
    customer = shared_shop.customer()
    data = body["data"] if "data" in body else json.dumps(body)
    request = {"data": data, "content_type": "application/json", "headers": customer.headers}
    by_lane, by_blueprint = both_ways(shared_shop, CHAT_PATH, **request)
    assert by_lane[0].startswith(str(status))
    assert by_lane == by_blueprint


@pytest.mark.parametrize(
    ("headers", "content_type", "status"),
    [
        ({}, "application/json", "401"),
        ({"Authorization": "Bearer sk-x"}, "application/json", "401"),
        ("customer", "text/plain", "415"),
    ],
)
def test_refusal_of_the_head_is_byte_equal(
    shared_shop: Shop, headers: Any, content_type: str, status: str
):
    if headers == "customer":
        headers = shared_shop.customer().headers
    by_lane, by_blueprint = both_ways(
        shared_shop, CHAT_PATH, data="{}", content_type=content_type, headers=headers
    )
    assert by_lane[0].startswith(status)
    assert by_lane == by_blueprint


def test_time_out_and_busy_server_are_byte_equal(open_shop: OpenShop):
    shop = open_shop(UPSTREAM_FIRST_CONTENT_WHOLE_S=0.2, THREADS=17)
    customer = shop.customer()
    body = {**CHAT, "sandbox": {"behave": "never_answer", "seconds": 0.5}}
    by_lane, by_blueprint = both_ways(shop, CHAT_PATH, json=body, headers=customer.headers)
    assert by_lane[0].startswith("504")
    assert by_lane == by_blueprint
    slot = shop.services.gateway.slots.take(_caller(shop, customer))
    by_lane, by_blueprint = both_ways(shop, CHAT_PATH, json=CHAT, headers=customer.headers)
    slot.release()
    assert by_lane[0].startswith("503")
    assert by_lane == by_blueprint


def test_money_is_the_same_both_ways(shop: Shop):
    customer = shop.customer()
    both_ways(shop, CHAT_PATH, json=CHAT, headers=customer.headers)
    first, second = shop.calls()
    assert first.cost_nanos == second.cost_nanos > 0
    spent = PLENTY_NANOS - shop.balances(customer).paid_balance
    assert spent == first.cost_nanos + second.cost_nanos


def test_large_body_takes_either_way(shop: Shop):
    """Flask's own limit for forms has no say in /v1."""
    picture = "data:image/png;base64," + "A" * 3_000_000
    content = [{"type": "image_url", "image_url": {"url": picture}}]
    body = {"model": "talk", "messages": [{"role": "user", "content": content}], "max_tokens": 5}
    headers = shop.customer().headers
    by_lane, by_blueprint = both_ways(shop, CHAT_PATH, json=body, headers=headers)
    assert by_lane[0] == "200 OK"
    assert by_lane == by_blueprint


def test_every_protocol_is_in_the_lane_and_in_the_url_map(shared_shop: Shop):
    routes = {rule.rule: rule.methods for rule in shared_shop.app.url_map.iter_rules()}
    for protocol in PROTOCOLS:
        assert ("POST", protocol.path) in shared_shop.app.lane
        assert "POST" in routes[protocol.path]


def test_fault_of_our_own_is_a_plain_500_both_ways(shop: Shop):
    customer = shop.customer()
    shop.set_channel("main", base_url="https://no.such:99999/v1")  # no command lets this in
    by_lane, by_blueprint = both_ways(shop, CHAT_PATH, json=CHAT, headers=customer.headers)
    assert by_lane[0].startswith("500")
    assert by_lane == by_blueprint
    assert json.loads(by_lane[2])["error"]["code"] == "internal_error"


def test_database_that_is_out_is_503_both_ways(shop: Shop):
    customer = shop.customer()
    with shop.services.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE api_keys RENAME TO gone")
    by_lane, by_blueprint = both_ways(shop, CHAT_PATH, json=CHAT, headers=customer.headers)
    assert by_lane[0].startswith("503")
    assert by_lane == by_blueprint
    assert ("Retry-After", "2") in by_lane[1]
    assert b"api_keys" not in by_lane[2]


def _caller(shop: Shop, customer: Customer) -> Any:
    from app.gateway.inbound import Inbound

    environ = {"HTTP_AUTHORIZATION": f"Bearer {customer.secret}"}
    return shop.services.gateway.keys.authenticate(Inbound(environ))
