"""Frames of a server-sent event stream, as bytes.

Cut a stream where its frames end, tell the frames that must be read from those that need not,
edit one without touching its other bytes. The format is
https://html.spec.whatwg.org/multipage/server-sent-events.html; the frames are those of the chat
and completions protocols, one JSON object each.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import orjson

from app.core.strict_json import InvalidJson, read_members

FRAME_CAP_BYTES = 1 << 20

DONE_FRAME = b"data: [DONE]\n\n"


class FrameTooLarge(Exception):
    """A frame exceeds the cap. `complete` are the whole frames before it."""

    def __init__(self, complete: bytes) -> None:
        super().__init__("a frame of the provider's stream is too large")
        self.complete = complete


class FrameSplitter:
    """Cuts a stream where frames end; what has not ended yet waits.

    A frame ends with a blank line: two line ends, each LF, CR or CRLF. Since only whole frames
    come out, no character of UTF-8 is ever cut.
    """

    __slots__ = ("_cap_bytes", "_tail")

    def __init__(self, cap_bytes: int = FRAME_CAP_BYTES) -> None:
        self._cap_bytes = cap_bytes
        self._tail = bytearray()

    @property
    def tail(self) -> bytes:
        """The beginning of a frame that has not ended."""
        return bytes(self._tail)

    def feed(self, data: bytes) -> bytes:
        """The frames that are whole now, as one piece. Raises FrameTooLarge."""
        tail = self._tail
        if not tail and _ends_with_frame(data):
            block = data
        else:
            # At most three bytes of a blank line can already be here (CRLF, CR).
            seam = bytes(tail[-3:])
            cut = _end_of_last_frame(seam + data)
            if cut == 0:
                tail += data
                block = b""
            else:
                cut -= len(seam)
                block = bytes(tail) + data[:cut]
                self._tail = tail = bytearray(data[cut:])
        if len(block) > self._cap_bytes or len(tail) > self._cap_bytes:
            self._refuse_large(block)
        return block

    def _refuse_large(self, block: bytes) -> None:
        complete_bytes = 0
        for frame in split_frames(block):
            if len(frame) > self._cap_bytes:
                break
            complete_bytes += len(frame)
        if complete_bytes < len(block) or len(self._tail) > self._cap_bytes:
            self._tail = bytearray()
            raise FrameTooLarge(block[:complete_bytes])


def split_frames(block: bytes) -> list[bytes]:
    """The single frames of a piece that ends where a frame ends."""
    if b"\r" not in block:
        return [piece + b"\n\n" for piece in block.split(b"\n\n")[:-1]]
    if one_line_frames(block):
        return [piece + b"\r\n\r\n" for piece in block.split(b"\r\n\r\n")[:-1]]
    frames = []
    start = 0
    for blank_line in _BLANK_LINE.finditer(block):
        frames.append(block[start : blank_line.end()])
        start = blank_line.end()
    return frames


def one_line_frames(block: bytes) -> int:
    """How many frames, where all are a single line of data with the same line ends; else 0."""
    frames = block.count(b"\ndata:") + block.startswith(b"data:")
    if block.count(b"\n") != 2 * frames:
        return 0
    if block.find(b"\r") < 0:
        return frames if block.count(b"\n\n") == frames else 0
    is_crlf = block.count(b"\r") == 2 * frames and block.count(b"\r\n\r\n") == frames
    return frames if is_crlf else 0


def payload_of(frame: bytes) -> bytes | None:
    """A frame's data, stripped; None for comments and whatever else carries none."""
    if frame.startswith(b"data:") and (
        frame.find(b"\n") == len(frame) - 2 or frame.find(b"\r\n\r\n") == len(frame) - 4
    ):
        return frame[5:].strip() or None
    lines = [line[5:] for line in _LINE_END.split(frame) if line.startswith(b"data:")]
    return b"\n".join(lines).strip() or None


def error_event(error_json: bytes) -> bytes:
    """The frame that ends a broken stream. `error_json` is the whole error object."""
    return b'data: {"error":' + error_json + b"}\n\n"


def says_more_than_content(block: bytes) -> bool:
    """Whether any frame may hold usage, an error, a finish_reason or [DONE], and must be read.

    Quotes inside of content are escaped, so content cannot look like a member's name. A plain
    `find` costs half of `in`, and most frames name only finish_reason.
    """
    return (
        _FINISH.search(block) is not None
        or (block.find(b'"usage"') >= 0 and _USAGE.search(block) is not None)
        or (block.find(b'"error"') >= 0 and _ERROR.search(block) is not None)
        or block.find(b"[DONE]") >= 0
    )


def parsed(payload: bytes) -> dict[str, Any] | None:
    """A frame's payload as an object, None where it is not one.

    orjson refuses what the standard library forgives: half a character, which providers send when
    they cut text between two escapes.
    """
    try:
        chunk = orjson.loads(payload)
    except ValueError:
        try:
            chunk = json.loads(payload)
        except (ValueError, RecursionError):
            return None
    return chunk if isinstance(chunk, dict) else None


def with_payload(frame: bytes, body: bytes) -> bytes:
    """The frame with another payload; its other lines, such as `event:`, stay."""
    payload = payload_of(frame) or b""
    before, found, after = frame.partition(payload)
    if found:
        return before + _one_line(body) + after
    lines = [line for line in _LINE_END.split(frame) if line and not line.startswith(b"data:")]
    return b"\n".join([*lines, b"data: " + _one_line(body)]) + b"\n\n"


def rewriter(
    *, sold_model: str | None = None, cut_member: str | None = None
) -> Callable[[bytes], bytes] | None:
    """What every frame undergoes: the model's name replaced, one member cut. None for nothing."""
    edits: list[Callable[[bytes], bytes]] = []
    if sold_model is not None:
        edits.append(_model_replacer(sold_model))
    if cut_member is not None:
        edits.append(_member_cutter(cut_member))
    if len(edits) < 2:
        return edits[0] if edits else None
    replace_model, cut = edits
    return lambda frame: cut(replace_model(frame))


_LINE_END = re.compile(rb"\r\n|\r|\n")
_BLANK_LINE = re.compile(rb"(?>\r\n|\r|\n){2}")
# A CR that arrived last may be half of a CRLF, so it does not end a line yet.
_SAFE_BLANK_LINE = re.compile(rb"(?>\r\n|\r(?!\Z)|\n){2}")

_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_ERROR = re.compile(rb'"error"\s*:(?!\s*null)')
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_MODEL = re.compile(rb'"model"\s*:\s*' + _STRING)
_SCALAR = rb"(?:" + _STRING + rb"|null|true|false|-?[0-9][0-9.eE+-]*)"


def _ends_with_frame(data: bytes) -> bool:
    """Whether data ends with the blank line of a frame, told by its last bytes alone."""
    if data.endswith(b"\n\n"):
        return data[-3:-2] not in (b"\n", b"\r", b"")
    return data.endswith(b"\r\n\r\n") and data[-5:-4] not in (b"\n", b"\r", b"")


def _end_of_last_frame(data: bytes) -> int:
    """The offset behind the last blank line, 0 where there is none."""
    if b"\r" not in data:
        at = data.rfind(b"\n\n")
        if at < 0:
            return 0
        # In a longer run of line ends it matters which two belong together.
        if at == 0 or data[at - 1 : at] != b"\n":
            return at + 2
    end = 0
    for blank_line in _SAFE_BLANK_LINE.finditer(data):
        end = blank_line.end()
    return end


def _one_line(body: bytes) -> bytes:
    """JSON on one line: line ends can only stand between its tokens."""
    return _LINE_END.sub(b" ", body)


def _model_replacer(sold_model: str) -> Callable[[bytes], bytes]:
    member = b'"model":' + json.dumps(sold_model).encode()

    def replace_model(frame: bytes) -> bytes:
        found = _MODEL.search(frame)
        if found is None:
            return frame
        return frame[: found.start()] + member + frame[found.end() :]

    return replace_model


def _member_cutter(name: str) -> Callable[[bytes], bytes]:
    text = json.dumps(name).encode()
    start = re.compile(re.escape(text) + rb"\s*:")
    member = re.compile(start.pattern + rb"\s*" + _SCALAR + rb"(\s*,\s*)?")

    def cut_member(frame: bytes) -> bytes:
        found = start.search(frame)
        if found is None:
            return frame
        at = found.start()
        whole = member.match(frame, at)
        if whole is None:
            return _cut_container(frame, name)
        if whole[1]:
            return frame[:at] + frame[whole.end() :]
        return frame[:at].rstrip(b", \t") + frame[whole.end() :]

    return cut_member


def _cut_container(frame: bytes, name: str) -> bytes:
    """Cut a member whose value is an object or a list; a frame that cannot be read stays."""
    try:
        return with_payload(frame, read_members(payload_of(frame) or b"").edited({}, cut={name}))
    except InvalidJson:
        return frame
