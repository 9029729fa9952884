"""What the product writes to its log, kept instead of written."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.core import logs


class KeptLines:
    """Every line since the start of the block, as text and decoded."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [line for line in self.all if line["logger"] == "app.access"]

    @property
    def only_request(self) -> dict[str, Any]:
        (line,) = self.requests
        return line


@contextmanager
def kept_lines() -> Iterator[KeptLines]:
    """From level INFO on, of the app that was made last."""
    output = next(one for one in logging.getLogger().handlers if isinstance(one, logs.Output))
    root = logging.getLogger()
    level, stream = root.level, io.StringIO()
    before = output.setStream(stream)
    root.setLevel(logging.INFO)
    try:
        yield KeptLines(stream)
    finally:
        root.setLevel(level)
        output.setStream(before)
