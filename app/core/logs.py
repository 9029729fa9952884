"""One JSON line per event on standard error. No secret, prompt or completion is ever a field."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

request_id_in_log: ContextVar[str | None] = ContextVar("request_id_in_log", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object; `extra` members become fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
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


def _one_line(fields: dict[str, Any]) -> str:
    try:
        return orjson.dumps(fields, default=str).decode()
    except orjson.JSONEncodeError:  # half a character, or a number beyond 64 bits
        return json.dumps(fields, default=str, skipkeys=True)


def configure(level: str) -> None:
    """Send every logger of the process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
