"""A request and its answer, without a framework: a thin reader over the WSGI environ, and a value.

The lane and the blueprint both make an `Inbound`, call the same handler, and send its `Reply`.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from app.core import clock, ids
from app.core.request_body import read_body, require_json

Headers = list[tuple[str, str]]
LABEL_LENGTH_MAX = 128
LENGTH_DIGITS_MAX = 18


class Inbound:
    """One request. Its id is minted here: it becomes the call's id, shown as ``req_…``.

    `facts` is what its line in the log says beside what every line says; whoever learns one adds
    it, and a settlement's `is_settled` says that the call was counted.
    """

    __slots__ = ("call_id", "environ", "facts", "is_settled", "request_id", "started_s")

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.call_id = ids.mint()
        self.request_id = ids.request_id(self.call_id)
        self.started_s = clock.monotonic()
        self.facts: dict[str, Any] = {}
        self.is_settled = False

    def header(self, name: str) -> str | None:
        """A header by its WSGI name: ``HTTP_AUTHORIZATION``."""
        value: str | None = self.environ.get(name)
        return value

    def read_json_body(self, limit_bytes: int) -> bytes:
        """The body, once it is known to be JSON and not too large; see `core/request_body.py`."""
        require_json(self.environ)
        return read_body(self.environ, limit_bytes=limit_bytes)

    def stated_body_bytes(self, limit_bytes: int) -> int:
        """The size the client states; one who states none is taken to send all that is allowed."""
        stated = self.environ.get("CONTENT_LENGTH") or ""
        is_number = stated.isdecimal() and len(stated) <= LENGTH_DIGITS_MAX
        return min(int(stated), limit_bytes) if is_number else limit_bytes

    @property
    def client_request_id(self) -> str | None:
        """The caller's own label: stored, never trusted to name anything."""
        label = self.environ.get("HTTP_X_CLIENT_REQUEST_ID")
        if not label:
            return None
        return "".join(c for c in str(label) if c.isprintable() and c.isascii())[:LABEL_LENGTH_MAX]


class Reply(NamedTuple):
    """An answer: bytes sent whole, or an iterable of pieces that the server closes at its end."""

    status: int
    headers: Headers
    body: bytes | Iterable[bytes]


def json_reply(
    status: int, body: bytes, *, request_id: str, headers: Headers | None = None
) -> Reply:
    """A JSON answer with our request id."""
    own = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Request-Id", request_id),
    ]
    return Reply(status, own + (headers or []), body)
