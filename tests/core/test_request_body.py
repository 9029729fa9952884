import io

import pytest

from app.core.errors import AppError, BadRequest, PayloadTooLarge, UnsupportedMediaType
from app.core.request_body import (
    PIECE_BYTES,
    ClientLeft,
    EncodedBody,
    InvalidContentLength,
    read_body,
    require_json,
)


class Dripping(io.BytesIO):
    """A stream that gives at most `step` bytes a read, as sockets do, and notes what was asked."""

    def __init__(self, content, step) -> None:
        super().__init__(content)
        self.step = step
        self.asked = []

    def read(self, size=-1, /):
        assert size > 0, "an unbounded read could wait for ever"
        self.asked.append(size)
        return super().read(min(size, self.step))


class Broken:
    def read(self, size, /):
        raise ConnectionResetError("peer went away")


class Untouched:
    def read(self, size, /):
        raise AssertionError("must not be read")


def environ(content=b"", **variables: object):
    stream = content if hasattr(content, "read") else io.BytesIO(content)
    return {"wsgi.input": stream} | variables


def chunked(content):
    return environ(content, HTTP_TRANSFER_ENCODING="chunked")


def terminated(content):
    return environ(content, **{"wsgi.input_terminated": True})


UNDECLARED = pytest.mark.parametrize("undeclared", [chunked, terminated])


def test_reads_a_body_of_declared_length():
    assert read_body(environ(b"hello", CONTENT_LENGTH="5"), limit_bytes=5) == b"hello"


def test_never_reads_past_the_declared_length():
    stream = Dripping(b"helloGET / next request", step=100)
    assert read_body(environ(stream, CONTENT_LENGTH="5"), limit_bytes=100) == b"hello"
    assert stream.tell() == 5


def test_joins_short_reads():
    content = bytes(range(256)) * 5
    stream = Dripping(content, step=7)
    assert read_body(environ(stream, CONTENT_LENGTH="1280"), limit_bytes=2000) == content


def test_reads_a_big_body_in_bounded_pieces():
    content = b"x" * (2 * PIECE_BYTES + 3)
    stream = Dripping(content, step=len(content))
    length = str(len(content))
    assert read_body(environ(stream, CONTENT_LENGTH=length), limit_bytes=len(content)) == content
    assert stream.asked == [PIECE_BYTES, PIECE_BYTES, 3]


def test_hands_on_a_body_of_one_piece_without_copying():
    piece = b"x" * 1000

    class Ready:
        def read(self, size, /):
            return piece

    assert read_body(environ(Ready(), CONTENT_LENGTH="1000"), limit_bytes=1000) is piece


def test_refuses_a_declared_length_over_the_limit_unread():
    with pytest.raises(PayloadTooLarge, match="at most 10 bytes") as caught:
        read_body(environ(Untouched(), CONTENT_LENGTH="11"), limit_bytes=10)
    assert caught.value.facts == {"limit_bytes": 10}


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize("content", [b"", b"hell", b"hello"])
def test_reads_a_chunked_body_up_to_the_limit(content, step):
    assert read_body(chunked(Dripping(content, step)), limit_bytes=5) == content


@UNDECLARED
@pytest.mark.parametrize("step", [1, 4, 1000])
def test_refuses_an_undeclared_body_one_byte_over_the_limit(undeclared, step):
    with pytest.raises(PayloadTooLarge, match="at most 5 bytes"):
        read_body(undeclared(Dripping(b"hello!", step)), limit_bytes=5)


@UNDECLARED
def test_stops_reading_an_endless_body(undeclared):
    stream = Dripping(b"x" * 1_000_000, step=10)
    with pytest.raises(PayloadTooLarge):
        read_body(undeclared(stream), limit_bytes=95)
    assert stream.tell() == 96


def test_reads_an_undeclared_body_that_the_server_ends():
    assert read_body(terminated(b"hello"), limit_bytes=5) == b"hello"


def test_chunked_outranks_a_declared_length():
    variables = chunked(b"hello") | {"CONTENT_LENGTH": "2"}
    assert read_body(variables, limit_bytes=5) == b"hello"


@pytest.mark.parametrize("variables", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}])
def test_no_body_is_not_waited_for(variables):
    assert read_body(environ(Untouched(), **variables), limit_bytes=5) == b""


@pytest.mark.parametrize("content", [b"", b"hell"])
def test_fewer_bytes_than_declared_mean_the_client_left(content):
    with pytest.raises(ClientLeft):
        read_body(environ(content, CONTENT_LENGTH="5"), limit_bytes=5)


@pytest.mark.parametrize(
    "variables", [{"CONTENT_LENGTH": "5"}, {"HTTP_TRANSFER_ENCODING": "Chunked"}]
)
def test_a_broken_connection_means_the_client_left(variables):
    with pytest.raises(ClientLeft):
        read_body(environ(Broken(), **variables), limit_bytes=5)


@pytest.mark.parametrize(
    "declared", ["-1", "+5", " 5", "5 ", "5, 5", "abc", "1e3", "0x5", "1_0", "٥", "²", "9" * 5000]
)
def test_refuses_a_malformed_length_unread(declared):
    with pytest.raises(InvalidContentLength) as caught:
        read_body(environ(Untouched(), CONTENT_LENGTH=declared), limit_bytes=5)
    assert caught.value.field == "Content-Length"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        " application/json ; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8; version=1",
        "application/json;",
    ],
)
def test_accepts_json(content_type):
    require_json({"CONTENT_TYPE": content_type, "HTTP_CONTENT_ENCODING": "identity"})


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"CONTENT_TYPE": ""},
        {"CONTENT_TYPE": "text/plain"},
        {"CONTENT_TYPE": "text/json"},
        {"CONTENT_TYPE": "application/jsonp"},
        {"CONTENT_TYPE": "application/problem+json"},
        {"CONTENT_TYPE": "application/x-www-form-urlencoded"},
        {"CONTENT_TYPE": "multipart/form-data; boundary=application/json"},
        {"CONTENT_TYPE": "application/json, text/plain"},
        {"CONTENT_TYPE": "application/json; charset=utf-16"},
        {"CONTENT_TYPE": "application/json; charset=utf-8; charset=latin-1"},
        {"CONTENT_TYPE": "application/json; charset="},
    ],
)
def test_refuses_another_content_type(variables):
    with pytest.raises(UnsupportedMediaType, match="application/json") as caught:
        require_json(variables)
    assert caught.value.field == "Content-Type"


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "identity, gzip", "deflate", "aes"])
def test_refuses_an_encoded_body(encoding):
    with pytest.raises(EncodedBody) as caught:
        require_json({"CONTENT_TYPE": "application/json", "HTTP_CONTENT_ENCODING": encoding})
    assert caught.value.field == "Content-Encoding"


@pytest.mark.parametrize(
    ("error", "parent", "code", "reason"),
    [
        (PayloadTooLarge, AppError, 41300, "payload_too_large"),
        (ClientLeft, BadRequest, 40002, "incomplete_body"),
        (InvalidContentLength, BadRequest, 40003, "invalid_content_length"),
        (UnsupportedMediaType, AppError, 41500, "unsupported_media_type"),
        (EncodedBody, UnsupportedMediaType, 41501, "unsupported_content_encoding"),
    ],
)
def test_errors_have_stable_codes(error, parent, code, reason):
    assert issubclass(error, parent)
    assert (error().code, error.reason) == (code, reason)
