"""Which connection a request goes over: kept, replaced, closed."""

import gc
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from app.gateway.http_connection import AnswerParser
from app.gateway.upstream import (
    ConnectionBroken,
    FirstContentTimeout,
    MalformedAnswer,
    Target,
    UpstreamPool,
    header_lines,
)
from tests.gateway.wire_client import CHUNKED, OK, OTHER, PATIENT, SHORT_S, ask, local, whole
from tests.gateway.wire_server import Wire, WireServer, answering, closing_after


@pytest.fixture
def pool() -> Iterator[UpstreamPool]:
    made = UpstreamPool()
    yield made
    made.close()


def test_whole_answer_leaves_connection_for_the_next_request(pool):
    with WireServer(answering(OK, OTHER)) as server:
        assert whole(pool, local(server)) == b"ok"
        assert whole(pool, local(server)) == b"other"
        assert server.connections == 1


def test_head_carries_our_lines_and_no_others(pool):
    with WireServer(answering(OK)) as server:
        whole(pool, local(server), body=b'{"a":1}')
        assert server.heads == [
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
            b"Accept-Encoding: identity\r\nContent-Length: 7\r\n"
            b"Authorization: Bearer sk-1" % server.port
        ]
        assert server.bodies == [b'{"a":1}']


def test_get_without_body_states_no_length(pool):
    with WireServer(answering(OK)) as server:
        whole(pool, local(server), method="GET", body=b"")
        assert b"Content-Length" not in server.heads[0]


def test_connection_is_free_as_soon_as_the_answer_has_arrived(pool):
    with WireServer(answering(OK, OTHER)) as server:
        first = ask(pool, local(server))
        assert whole(pool, local(server)) == b"other"
        assert first.read_whole(10) == b"ok"
        assert server.connections == 1


def test_last_returned_connection_is_taken_first(pool):
    def late(wire: Wire) -> None:
        wire.read_request()
        wire.send(CHUNKED)
        assert released.wait(3)
        wire.send(b"0\r\n\r\n")
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")(wire)

    released = threading.Event()
    with WireServer(late, answering(OK)) as server:
        slow = ask(pool, local(server))
        assert whole(pool, local(server)) == b"ok"
        released.set()
        assert slow.read_whole(10) == b""
        assert whole(pool, local(server)) == b"late"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        OK + b"x",
        CHUNKED + b"2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
    ],
    ids=["close", "http-1.0", "second-answer", "stray-byte", "after-last-chunk"],
)
def test_connection_is_not_kept_after_close_or_surplus_bytes(pool, answer):
    with WireServer(answering(answer, OTHER), answering(OTHER)) as server:
        assert whole(pool, local(server)) == b"ok"
        assert whole(pool, local(server)) == b"other"
        assert server.connections == 2


def test_connection_with_bytes_nobody_asked_for_is_not_used(pool):
    def talkative(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        wire.pause(0.05)
        wire.send(OK)
        sent.set()
        wire.hold()

    sent = threading.Event()
    with WireServer(talkative, answering(OTHER)) as server:
        assert whole(pool, local(server)) == b"ok"
        assert sent.wait(2)
        assert whole(pool, local(server)) == b"other"
        assert len(server.heads) == 2


def test_connection_too_long_idle_is_not_used():
    pool = UpstreamPool(idle_ttl_s=0.05)
    with WireServer(answering(OK, OK), answering(OTHER)) as server:
        assert whole(pool, local(server)) == b"ok"
        time.sleep(0.06)
        assert whole(pool, local(server)) == b"other"
    pool.close()


def test_sweep_closes_idle_connections_of_an_unused_target():
    def watched(wire: Wire) -> None:
        answering(OK)(wire)
        ended.set()

    ended = threading.Event()
    pool = UpstreamPool(idle_ttl_s=0.05)
    with WireServer(watched) as unused, WireServer(answering(OK)) as used:
        whole(pool, local(unused))
        time.sleep(0.06)
        whole(pool, local(used))
        assert ended.wait(2)
    pool.close()


def test_no_more_than_the_allowed_number_is_kept():
    pool = UpstreamPool(max_idle_per_target=1)
    held = CHUNKED + b"2\r\nok\r\n"
    rest = b"0\r\n\r\n"

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(held)
        assert released.wait(3)
        wire.send(rest)
        wire.hold()
        ended.release()

    released, ended = threading.Event(), threading.Semaphore(0)
    with WireServer(script, script) as server:
        exchanges = [ask(pool, local(server)) for _ in range(2)]
        released.set()
        assert [each.read_whole(10) for each in exchanges] == [b"ok", b"ok"]
        assert ended.acquire(timeout=2)
        assert not ended.acquire(timeout=0.05)
        pool.close()
        assert ended.acquire(timeout=2)


def test_closed_pool_keeps_nothing_given_back_later(pool):
    def watched(wire: Wire) -> None:
        wire.read_request()
        wire.send(CHUNKED)
        assert released.wait(3)
        wire.send(b"0\r\n\r\n")
        wire.hold()
        ended.set()

    released, ended = threading.Event(), threading.Event()
    with WireServer(watched) as server:
        exchange = ask(pool, local(server))
        pool.close()
        released.set()
        assert exchange.read_whole(10) == b""
        assert ended.wait(2)


def test_answer_given_up_closes_its_connection(pool):
    def endless(wire: Wire) -> None:
        wire.read_request()
        wire.send(CHUNKED + b"2\r\nok\r\n")
        wire.hold()
        ended.set()

    ended = threading.Event()
    with WireServer(endless) as server:
        with ask(pool, local(server)) as exchange:
            assert next(exchange.chunks()) == b"ok"
        assert ended.wait(2)


def test_threads_get_their_own_answers(pool):
    def echo(wire: Wire) -> None:
        while True:
            body = wire.read_request()
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def work(number: int) -> None:
        for turn in range(25):
            body = b"%d-%d" % (number, turn)
            assert whole(pool, target, body=body) == body
        finished.append(number)

    finished: list[int] = []
    with WireServer(*[echo] * 8) as server:
        target = local(server)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(finished) == list(range(8))
        assert server.connections <= 8


def test_exchange_leaves_nothing_to_the_garbage_collector(pool):
    gc.collect()
    gc.disable()
    try:
        with WireServer(answering(OK, CHUNKED + b"2\r\nok\r\n"), answering(b"garbage")) as server:
            whole(pool, local(server))
            ask(pool, local(server)).close()
            with suppress(MalformedAnswer):
                whole(pool, local(server))
        assert len(server.heads) == 3
        assert not [each for each in gc.get_objects() if isinstance(each, AnswerParser)]
    finally:
        gc.enable()


def test_connection_closed_while_idle_is_seen_before_sending(pool):
    with WireServer(closing_after(OK), answering(OTHER)) as server:
        assert whole(pool, local(server)) == b"ok"
        time.sleep(0.05)
        assert whole(pool, local(server)) == b"other"
        assert len(server.heads) == 2


def _end(wire: Wire) -> None:
    wire.socket.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("ending", [_end, Wire.reset], ids=["end", "reset"])
def test_kept_connection_that_ends_before_a_byte_is_replaced_once(pool, ending):
    def ends_on_second(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        wire.read_request()
        ending(wire)

    with WireServer(ends_on_second, answering(OTHER)) as server:
        assert whole(pool, local(server)) == b"ok"
        assert whole(pool, local(server)) == b"other"
        assert len(server.heads) == 3


def test_stale_connection_is_replaced_only_once(pool):
    def ends_on_second(wire: Wire) -> None:
        answering_once(wire)
        wire.read_request()

    def ends_at_once(wire: Wire) -> None:
        wire.read_request()

    def answering_once(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)

    with WireServer(ends_on_second, ends_at_once, answering(OTHER)) as server:
        assert whole(pool, local(server)) == b"ok"
        with pytest.raises(ConnectionBroken) as caught:
            whole(pool, local(server))
        assert caught.value.sent
        assert server.connections == 2


@pytest.mark.parametrize("ending", [_end, Wire.reset], ids=["end", "reset"])
def test_fresh_connection_that_ends_is_not_retried(pool, ending):
    def ends(wire: Wire) -> None:
        wire.read_request()
        ending(wire)

    with WireServer(ends, answering(OK)) as server:
        with pytest.raises(ConnectionBroken) as caught:
            whole(pool, local(server))
        assert type(caught.value) is ConnectionBroken
        assert caught.value.sent
        assert server.connections == 1


def test_kept_connection_that_ends_after_a_byte_is_not_retried(pool):
    with WireServer(closing_after(OK, b"H"), answering(OK)) as server:
        assert whole(pool, local(server)) == b"ok"
        with pytest.raises(ConnectionBroken):
            whole(pool, local(server))
        assert server.connections == 1


def test_silence_on_a_kept_connection_is_not_retried(pool):
    with WireServer(answering(OK), answering(OK)) as server:
        assert whole(pool, local(server)) == b"ok"
        with pytest.raises(FirstContentTimeout):
            whole(pool, local(server), timeouts=replace(PATIENT, first_content_s=SHORT_S))
        assert server.connections == 1


@pytest.mark.parametrize("header", [(b"X", b"a\r\nY: b"), (b"X Y", b"a"), (b"Host", b"a")])
def test_header_that_would_change_the_request_is_refused(header):
    with pytest.raises(ValueError, match="header"):
        header_lines([header])


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "v1", "/é", ""])
def test_path_that_would_change_the_request_is_refused(pool, path):
    with pytest.raises(ValueError, match="path"):
        pool.send(
            Target("https", "provider.test", 443),
            method="POST",
            path=path,
            headers=b"",
            body=b"",
            timeouts=PATIENT,
        )
