"""One JSON line per event on standard error. No secret, prompt or completion is ever a field."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

from app.core import clock

request_id_in_log: ContextVar[str | None] = ContextVar("request_id_in_log", default=None)

PATH_LENGTH_MAX = 200
METHOD_LENGTH_MAX = 16

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

_requests = logging.getLogger("app.access")
_LIKE_A_KEY = re.compile(r"sk-[^/]*")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object; `extra` members become fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "at": _moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = request_id_in_log.get()
        if request_id:
            fields["request_id"] = request_id
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        fields = extra | fields
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return _one_line(fields)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _one_line(fields: dict[str, Any]) -> str:
    try:
        return orjson.dumps(fields, default=str).decode()
    except orjson.JSONEncodeError:  # half a character, or a number beyond 64 bits
        return json.dumps(fields, default=str, skipkeys=True)


class Output(logging.StreamHandler[Any]):
    """Where all lines of the process go, one at a time."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(JsonLines())

    def write(self, line: str) -> None:
        """Write a line that was made elsewhere, under the same lock as the others."""
        self.acquire()
        try:
            self.stream.write(line + self.terminator)
            self.flush()
        except (OSError, ValueError):
            pass  # nobody reads it any more, and there is nowhere to say so
        finally:
            self.release()


_output = Output()


def configure(level: str) -> None:
    """Send every logger of the process to standard error as JSON lines."""
    global _output
    _output = Output()
    root = logging.getLogger()
    root.handlers[:] = [_output]
    root.setLevel(level.upper())


def write_request(
    *,
    request_id: str,
    method: str,
    path: str,
    status: int,
    started_s: float,
    facts: Mapping[str, Any],
) -> None:
    """The one line of a request, at level INFO. It goes past the logging module, which would cost
    a call four times as much.

    `started_s` is of the monotonic clock; `facts` are further fields, with names of their own.
    """
    if not _requests.isEnabledFor(logging.INFO):
        return
    fields = {
        "at": _moment(clock.now_s()),
        "level": "info",
        "logger": "app.access",
        "message": "request",
        "request_id": request_id,
        "method": method[:METHOD_LENGTH_MAX],
        "path": _without_keys(path)[:PATH_LENGTH_MAX],
        "status": status,
        "duration_ms": round((clock.monotonic() - started_s) * 1000, 1),
        **facts,
    }
    _output.write(_one_line(fields))


def _without_keys(path: str) -> str:
    """A client may put its key where it does not belong."""
    return _LIKE_A_KEY.sub("sk-…", path) if "sk-" in path else path
