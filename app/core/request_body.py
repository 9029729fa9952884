"""Read a WSGI request's body, whatever server runs us.

Servers differ: waitress has read the body and undone chunking before the app runs; granian hands
over a live stream without any limit, and behind Werkzeug's `MAX_CONTENT_LENGTH` a chunked body
would be cut and served as if it were whole. So the app reads `wsgi.input` itself, up to one byte
too many.

One thing no reader can see: granian ends a chunked body that the client broke off like a complete
one. `strict_json` refuses what is left, because an object without its last brace is no JSON.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from app.core.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType

PIECE_BYTES = 1 << 20
"""Most bodies fit into one piece and are then never copied; memory grows only as bytes arrive."""


class ClientLeft(BadRequest):
    """Fewer bytes came than Content-Length promised, or the connection broke."""

    number = 2
    reason = "incomplete_body"
    message = "The request body ended before it was complete. Send it again."


class InvalidContentLength(BadRequest):
    number = 3
    reason = "invalid_content_length"
    message = "The Content-Length header must be a whole number of bytes."


class EncodedBody(UnsupportedMediaType):
    number = 1
    reason = "unsupported_content_encoding"
    message = "Send the body without compression: a Content-Encoding is not accepted."


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_body(environ: Mapping[str, Any], *, limit_bytes: int) -> bytes:
    """The whole body, at most `limit_bytes` long.

    A declared length above the limit is refused unread; a body without a declared length is read
    until it ends. Raises PayloadTooLarge, ClientLeft, InvalidContentLength.
    """
    if _is_chunked(environ):
        return _read_to_end(environ["wsgi.input"], limit_bytes)
    length = _declared_length(environ)
    if length is None and environ.get("wsgi.input_terminated"):
        return _read_to_end(environ["wsgi.input"], limit_bytes)
    if not length:
        # Without a length and without the server's promise of an end, reading could wait for ever.
        return b""
    if length > limit_bytes:
        raise _too_large(limit_bytes)
    body = b"".join(_pieces(environ["wsgi.input"], length))
    if len(body) < length:
        raise ClientLeft
    return body


def require_json(environ: Mapping[str, Any]) -> None:
    """Refuse a body that is compressed or not declared as JSON in UTF-8.

    Raises EncodedBody, UnsupportedMediaType.
    """
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in ("", "identity"):
        raise EncodedBody(field="Content-Encoding")
    media_type, *parameters = environ.get("CONTENT_TYPE", "").lower().split(";")
    if media_type.strip() != "application/json":
        raise UnsupportedMediaType(field="Content-Type")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
            raise UnsupportedMediaType(field="Content-Type")


def _is_chunked(environ: Mapping[str, Any]) -> bool:
    """Transfer-Encoding outranks Content-Length (RFC 9112, 6.3)."""
    return "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()


def _declared_length(environ: Mapping[str, Any]) -> int | None:
    declared: str = environ.get("CONTENT_LENGTH", "")
    if not declared:
        return None
    # `int` alone would take "+5", " 5", "1_000" and digits of other scripts.
    if not (declared.isascii() and declared.isdigit()) or len(declared) > 18:
        raise InvalidContentLength(field="Content-Length")
    return int(declared)


def _read_to_end(stream: _Readable, limit_bytes: int) -> bytes:
    body = b"".join(_pieces(stream, limit_bytes + 1))
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return body


def _pieces(stream: _Readable, size_bytes: int) -> Iterator[bytes]:
    """At most `size_bytes` in pieces, fewer where the stream ends early."""
    missing = size_bytes
    while missing > 0:
        try:
            piece = stream.read(min(missing, PIECE_BYTES))
        except OSError as error:
            raise ClientLeft from error
        if not piece:
            return
        missing -= len(piece)
        yield piece


def _too_large(limit_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The request body may hold at most {limit_bytes} bytes.",
        facts={"limit_bytes": limit_bytes},
    )
