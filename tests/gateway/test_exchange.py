"""Every wait of an exchange ends."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.gateway.upstream import (
    ConnectTimeout,
    FirstContentTimeout,
    IdleTimeout,
    Target,
    TotalTimeout,
    UpstreamPool,
)
from tests.gateway.wire_client import CHUNKED, OK, PATIENT, SHORT_S, ask, local, took_s
from tests.gateway.wire_server import Wire, WireServer


@pytest.fixture
def pool() -> Iterator[UpstreamPool]:
    made = UpstreamPool()
    yield made
    made.close()


def test_server_that_never_accepts_is_a_connect_timeout(pool):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        began_s = time.monotonic()
        with pytest.raises(ConnectTimeout) as caught:
            ask(
                pool,
                Target("http", "127.0.0.1", port, allow_private=True),
                timeouts=replace(PATIENT, connect_s=SHORT_S),
            )
        assert took_s(began_s) < 1
        assert not caught.value.sent
        for filler in fillers:
            filler.close()


def test_tls_handshake_without_answer_is_a_connect_timeout(pool):
    with WireServer(Wire.hold) as server:
        target = replace(local(server), scheme="https")
        with pytest.raises(ConnectTimeout) as caught:
            ask(pool, target, timeouts=replace(PATIENT, connect_s=SHORT_S))
        assert not caught.value.sent


def test_slow_name_look_up_is_a_connect_timeout():
    def resolve(*_: Any, **__: Any) -> list[Any]:
        released.wait(5)
        return []

    released = threading.Event()
    pool = UpstreamPool(resolve=resolve)
    with pytest.raises(ConnectTimeout):
        ask(
            pool,
            Target("http", "provider.test", 80),
            timeouts=replace(PATIENT, connect_s=SHORT_S),
        )
    released.set()


def test_total_timeout_bounds_connecting(pool):
    with WireServer(Wire.hold) as server, pytest.raises(TotalTimeout) as caught:
        ask(
            pool,
            replace(local(server), scheme="https"),
            timeouts=replace(PATIENT, total_s=SHORT_S),
        )
    assert not caught.value.sent


def test_server_that_never_answers_is_a_first_content_timeout(pool):
    def silent(wire: Wire) -> None:
        wire.read_request()
        wire.hold()

    began_s = time.monotonic()
    with WireServer(silent) as server, pytest.raises(FirstContentTimeout) as caught:
        ask(pool, local(server), timeouts=replace(PATIENT, first_content_s=SHORT_S))
    assert SHORT_S * 0.9 < took_s(began_s) < 1
    assert caught.value.sent


def test_dripped_head_is_a_first_content_timeout(pool):
    def dripping(wire: Wire) -> None:
        wire.read_request()
        wire.drip(OK, pause_s=0.03)

    with WireServer(dripping) as server, pytest.raises(FirstContentTimeout):
        ask(pool, local(server), timeouts=replace(PATIENT, first_content_s=SHORT_S))


def _comments(wire: Wire) -> None:
    wire.read_request()
    wire.send(CHUNKED)
    for _ in range(100):
        wire.send(b"3\r\n:\n\n\r\n")
        wire.pause(0.03)


def test_comments_do_not_extend_the_first_content_timeout(pool):
    with WireServer(_comments) as server:
        exchange = ask(pool, local(server), timeouts=replace(PATIENT, first_content_s=SHORT_S))
        with pytest.raises(FirstContentTimeout):
            for _ in exchange.chunks():
                pass


def test_after_content_began_the_first_content_timeout_no_longer_runs(pool):
    timeouts = replace(PATIENT, first_content_s=SHORT_S, total_s=SHORT_S * 2)
    with WireServer(_comments) as server:
        exchange = ask(pool, local(server), timeouts=timeouts)
        exchange.content_began()
        with pytest.raises(TotalTimeout):
            for _ in exchange.chunks():
                pass


def test_stall_after_content_is_an_idle_timeout(pool):
    def stalling(wire: Wire) -> None:
        wire.read_request()
        wire.send(CHUNKED + b"2\r\nok\r\n")
        wire.hold()

    with WireServer(stalling) as server:
        exchange = ask(pool, local(server), timeouts=replace(PATIENT, idle_s=SHORT_S))
        began_s = time.monotonic()
        with pytest.raises(IdleTimeout) as caught:
            exchange.read_whole(100)
        assert took_s(began_s) < 1
        assert caught.value.sent


def test_dripped_body_is_bounded_by_the_total_timeout(pool):
    def dripping(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        wire.drip(b"x" * 100, pause_s=0.03)

    began_s = time.monotonic()
    with WireServer(dripping) as server:
        exchange = ask(pool, local(server), timeouts=replace(PATIENT, total_s=SHORT_S))
        with pytest.raises(TotalTimeout):
            exchange.read_whole(100)
    assert took_s(began_s) < 1


@pytest.mark.parametrize(
    ("timeouts", "error"),
    [
        (replace(PATIENT, first_content_s=SHORT_S), FirstContentTimeout),
        (replace(PATIENT, total_s=SHORT_S), TotalTimeout),
    ],
    ids=["first-content", "total"],
)
def test_server_that_does_not_read_the_body_is_bounded(pool, timeouts, error):
    def deaf(wire: Wire) -> None:
        wire.pause(2)

    began_s = time.monotonic()
    with WireServer(deaf) as server, pytest.raises(error) as caught:
        ask(pool, local(server), body=b"x" * 20_000_000, timeouts=timeouts)
    assert took_s(began_s) < 1
    assert caught.value.sent
