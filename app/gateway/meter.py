"""What a stream used, how it ended, and what it delivered."""

import json
from collections.abc import Mapping
from typing import Any

from app.domain.channels.presets import Dialect
from app.gateway.answer import carries_content, joined_text
from app.gateway.frames import parsed, payload_of, split_frames
from app.gateway.usage import usage_in

KEPT_CAP_BYTES = 1 << 20


class Meter:
    """Watches a stream for what it used and how it ended.

    `content_frames` counts frames with content; of those, `frames_not_kept` did not fit and are
    to be counted one token each. `usage` is the last one reported. `head` is the first chunk.
    """

    __slots__ = (
        *("content_frames", "error", "finished", "frames_not_kept", "head", "is_done", "usage"),
        *("_choices", "_dialect", "_kept", "_room_bytes"),
    )

    def __init__(
        self,
        *,
        choices: int = 1,
        kept_cap_bytes: int = KEPT_CAP_BYTES,
        dialect: Dialect = Dialect.PLAIN,
    ) -> None:
        self.content_frames = 0
        self.frames_not_kept = 0
        self.usage: dict[str, Any] | None = None
        self.finished: set[object] = set()
        self.error: object = None
        self.is_done = False
        self.head: Mapping[str, Any] = {}
        self._choices = choices
        # What stands elsewhere than in `usage` counts one choice: of several it is not the whole.
        self._dialect = dialect if choices == 1 else Dialect.PLAIN
        self._kept: list[bytes] = []
        self._room_bytes = kept_cap_bytes

    @property
    def has_content(self) -> bool:
        return self.content_frames > 0

    @property
    def has_finished(self) -> bool:
        """Whether every choice has a finish_reason."""
        return len(self.finished) >= self._choices

    @property
    def is_whole(self) -> bool:
        """Whether the provider said everything it had to say."""
        return self.is_done or self.has_finished

    def count(self, block: bytes, frames: int) -> None:
        """Count frames that are known to carry content, and nothing that must be read."""
        self.content_frames += frames
        if self._room_bytes == 0:
            self.frames_not_kept += frames
            return
        if len(block) <= self._room_bytes:
            self._kept.append(block)
            self._room_bytes -= len(block)
            return
        for frame in split_frames(block):
            if len(frame) <= self._room_bytes:
                self._kept.append(frame)
                self._room_bytes -= len(frame)
            else:
                # The first that does not fit ends the keeping: what is kept is one piece.
                self._room_bytes = 0
                self.frames_not_kept += 1

    def observe(self, chunk: Mapping[str, Any], frame: bytes) -> None:
        """Read a parsed frame: usage, finish, error, content."""
        self.head = self.head or chunk
        choices = chunk.get("choices")
        usage = usage_in(self._dialect, chunk)
        if usage is not None:
            self.usage = usage
        self.error = chunk.get("error") or None
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._observe_choice(choice)
        if not self.error and carries_content(choices):
            self.count(frame, 1)

    def _observe_choice(self, choice: Mapping[str, Any]) -> None:
        reason = choice.get("finish_reason")
        if choice.get("error") or reason == "error":
            self.error = self.error or choice.get("error") or {"code": "error"}
        elif isinstance(reason, str) and reason:
            self.finished.add(json.dumps(choice.get("index")))

    def delivered_text(self) -> str:
        """The text in the frames that were kept, for an estimate where usage is missing."""
        frames = (frame for block in self._kept for frame in split_frames(block))
        chunks = (parsed(payload) for frame in frames if (payload := payload_of(frame)))
        return joined_text(*(chunk.get("choices") for chunk in chunks if chunk))
