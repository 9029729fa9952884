"""What a server may send, and what we make of it."""

import threading
from collections.abc import Iterator

import pytest

from app.gateway.upstream import (
    AnswerTooLarge,
    ConnectionBroken,
    MalformedAnswer,
    UnexpectedEncoding,
    UpstreamPool,
)
from tests.gateway.wire_client import CHUNKED, OK, OTHER, ask, local, whole
from tests.gateway.wire_server import Wire, WireServer, answering, closing_after

UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


@pytest.fixture
def pool() -> Iterator[UpstreamPool]:
    made = UpstreamPool()
    yield made
    made.close()


@pytest.mark.parametrize("size_bytes", [0, 15_000, 100_000, 3_000_000])
def test_request_body_arrives_whole(pool, size_bytes):
    body = bytes(position % 251 for position in range(1000)) * (size_bytes // 1000)
    with WireServer(answering(OK)) as server:
        assert whole(pool, local(server), body=body) == b"ok"
        assert server.bodies == [body]


def test_chunks_come_as_they_arrive(pool):
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(CHUNKED + b"2\r\nab\r\n1\r\nc\r\n")
        assert read.wait(3)
        wire.send(b"2;name=value\r\nde\r\n0\r\nTrailer: x\r\n\r\n")
        wire.hold()

    read = threading.Event()
    with WireServer(script) as server, ask(pool, local(server)) as exchange:
        chunks = exchange.chunks()
        assert next(chunks) == b"abc"
        read.set()
        assert list(chunks) == [b"de"]
        assert "trailer" not in exchange.headers


def test_body_without_length_ends_with_the_connection(pool):
    with WireServer(closing_after(UNTIL_CLOSE + b"all of it"), answering(OK)) as server:
        assert whole(pool, local(server)) == b"all of it"
        assert whole(pool, local(server)) == b"ok"


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_body_keep_the_connection(pool, status):
    answer = b"HTTP/1.1 %d X\r\nETag: 1\r\n\r\n" % status
    with WireServer(answering(answer, OK)) as server:
        with ask(pool, local(server)) as exchange:
            assert exchange.status == status
            assert exchange.read_whole(0) == b""
        assert whole(pool, local(server)) == b"ok"
        assert server.connections == 1


def test_informational_answers_are_skipped(pool):
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(hints)
        wire.pause(0.02)
        answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"
        wire.send(answer)
        answering(OTHER)(wire)

    with WireServer(script) as server:
        with ask(pool, local(server)) as exchange:
            assert (exchange.status, exchange.headers) == (201, {"content-length": "2"})
            assert exchange.read_whole(2) == b"ok"
        assert whole(pool, local(server)) == b"other"
        assert server.connections == 1


def test_redirect_is_an_answer_like_any_other(pool):
    answer = b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with WireServer(answering(answer)) as server, ask(pool, local(server)) as exchange:
        assert exchange.status == 307
        assert exchange.read_whole(10) == b""
        assert server.connections == 1


def test_cookie_is_not_sent_back(pool):
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok"
    with WireServer(answering(answer, OK)) as server:
        whole(pool, local(server))
        whole(pool, local(server))
        assert b"cookie" not in server.heads[1].lower()


def test_repeated_headers_are_joined_but_not_a_content_type(pool):
    answer = (
        b"HTTP/1.1 200 OK\r\nVary: a\r\nCONTENT-TYPE: text/plain\r\nvary: b\r\n"
        b"Content-Type: text/html\r\nContent-Length: 0\r\n\r\n"
    )
    with WireServer(answering(answer)) as server, ask(pool, local(server)) as exchange:
        assert exchange.headers == {
            "vary": "a, b",
            "content-type": "text/plain",
            "content-length": "0",
        }


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhel",
        CHUNKED.replace(b"chunked", b"Chunked") + b"5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nConte",
    ],
    ids=["length", "between-chunks", "inside-chunk", "capital-letter", "inside-head"],
)
def test_end_inside_an_answer_is_a_broken_connection(pool, answer):
    with WireServer(closing_after(answer)) as server, pytest.raises(ConnectionBroken) as caught:
        whole(pool, local(server))
    assert caught.value.sent


def test_answer_to_a_request_cut_short_is_still_read(pool):
    def refusing(wire: Wire) -> None:
        """Answer after the head and close on the rest, which resets the connection."""
        wire.read_head()
        wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nlong")
        wire.pause(0.05)

    with WireServer(refusing, answering(OK)) as server:
        with ask(pool, local(server), body=b"x" * 20_000_000) as exchange:
            assert exchange.status == 413
            assert exchange.read_whole(10) == b"long"
        assert whole(pool, local(server)) == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"zz\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000 + b"\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
        CHUNKED + b"2\r\nok\r\n0\r\nX: " + b"x" * 200_000,
        CHUNKED + b"2;" + b"x" * 200_000,
    ],
    ids=[
        "not-http",
        "no-status",
        "low-status",
        "two-lengths",
        "negative-length",
        "length-and-chunked",
        "chunk-size",
        "upgrade",
        "large-head",
        "endless-header",
        "endless-informational",
        "endless-trailer",
        "endless-extension",
    ],
)
def test_malformed_answer_is_refused_in_bounded_memory(pool, answer):
    with WireServer(answering(answer)) as server, pytest.raises(MalformedAnswer) as caught:
        whole(pool, local(server))
    assert caught.value.sent


@pytest.mark.parametrize(
    "line", [b"Content-Encoding: gzip", b"content-encoding: BR", b"Transfer-Encoding: gzip"]
)
def test_compressed_answer_is_refused(pool, line):
    answer = b"HTTP/1.1 200 OK\r\n%b\r\n\r\n\x1f\x8b" % line
    with WireServer(answering(answer)) as server, pytest.raises(UnexpectedEncoding):
        ask(pool, local(server))


def test_identity_is_not_a_compression(pool):
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 2\r\n\r\nok"
    with WireServer(answering(answer)) as server:
        assert whole(pool, local(server)) == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n",
        CHUNKED + b"b\r\n0123456789a\r\n",
        UNTIL_CLOSE + b"0123456789a",
    ],
    ids=["stated", "chunked", "until-close"],
)
def test_answer_above_the_limit_is_refused(pool, answer):
    with WireServer(answering(answer)) as server:
        exchange = ask(pool, local(server))
        with pytest.raises(AnswerTooLarge):
            exchange.read_whole(10)
