"""A provider's stream on its way to the client.

Everything here is pure: bytes in, bytes out. Most frames are passed on unread; one is parsed only
when it can say what a call cost or how it ended.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.channels.presets import Dialect
from app.gateway.answer import (
    PROVIDER_USAGE_MEMBERS,
    UnreadableAnswer,
    redact,
    with_usage,
)
from app.gateway.frames import (
    DONE_FRAME,
    FRAME_CAP_BYTES,
    FrameSplitter,
    FrameTooLarge,
    error_event,
    one_line_frames,
    parsed,
    payload_of,
    rewriter,
    says_more_than_content,
    split_frames,
    with_payload,
)
from app.gateway.meter import KEPT_CAP_BYTES, Meter

WAITING_CAP_BYTES = 1 << 16
"""Comments kept for a client whose headers have not gone out; further ones are dropped."""


class FailureKind(StrEnum):
    """How a provider's stream can break by what it says."""

    PROVIDER_ERROR = "provider_error"
    UNREADABLE = "unreadable"
    FRAME_TOO_LARGE = "frame_too_large"


@dataclass(frozen=True, slots=True)
class Failure:
    """`error` is the provider's error as parsed, None unless it sent one."""

    kind: FailureKind
    error: object = None


@dataclass(frozen=True, slots=True)
class RelayRules:
    """What the call and the channel model ask of a relay.

    `choices` is how many the stream must finish. `sold_model` replaces the provider's name where
    given. `cut_member` is the one top-level member cut from every frame. `dialect` says where the
    frames carry usage.
    """

    choices: int = 1
    wants_usage: bool = False
    sold_model: str | None = None
    cut_member: str | None = None
    dialect: Dialect = Dialect.PLAIN
    frame_cap_bytes: int = FRAME_CAP_BYTES
    kept_cap_bytes: int = KEPT_CAP_BYTES


@dataclass(frozen=True, slots=True)
class _HeldUsage:
    """Which held frame is the last usage frame; it is bare when it has no choices."""

    index: int
    is_bare: bool


_HEAD_MEMBERS = ("id", "object", "created", "model", "system_fingerprint")


class Relay:
    """One stream, from the provider's bytes to the client's.

    `feed` what arrives and pass on what it returns, until `is_at_end` or the provider's end (then
    `end`). From the last usage frame on, frames wait; after the settlement `finish` gives them out.
    Where `failure` is set or the meter says the stream is not whole, `fail` ends it instead.
    """

    __slots__ = (
        *("failure", "has_data", "held", "is_holding", "meter", "provider_facts"),
        *(
            "_has_ended",
            "_out",
            "_rewrite",
            "_rules",
            "_splitter",
            "_stored_bytes",
            "_usage_at",
            "_waiting",
        ),
    )

    def __init__(self, rules: RelayRules) -> None:
        self.meter = Meter(
            choices=rules.choices, kept_cap_bytes=rules.kept_cap_bytes, dialect=rules.dialect
        )
        self.failure: Failure | None = None
        self.has_data = False
        self.is_holding = False
        self.held: list[bytes] = []
        self.provider_facts: dict[str, Any] = {}
        self._rules = rules
        self._rewrite = rewriter(sold_model=rules.sold_model, cut_member=rules.cut_member)
        self._splitter = FrameSplitter(rules.frame_cap_bytes)
        self._usage_at: _HeldUsage | None = None
        self._waiting: list[bytes] = []
        self._out: list[bytes] = []
        self._stored_bytes = 0
        self._has_ended = False

    @property
    def is_at_end(self) -> bool:
        """Whether nothing that still comes matters."""
        return self._has_ended or self.meter.is_done or self.failure is not None

    @property
    def may_settle(self) -> bool:
        """Whether usage and every finish_reason are here, so that only [DONE] can be missing."""
        return self.is_holding and self.meter.has_finished

    @property
    def error_before_content(self) -> bool:
        """Whether the stream failed while another channel may still be tried."""
        return self.failure is not None and not self.has_data

    def feed(self, data: bytes) -> bytes:
        """Take what arrived, give what goes to the client now."""
        if self.is_at_end:
            return b""
        try:
            return self._pass_block(self._splitter.feed(data))
        except FrameTooLarge as error:
            passed = self._pass_block(error.complete)
            if not self.is_at_end:
                self.failure = Failure(FailureKind.FRAME_TOO_LARGE)
            return passed

    def end(self) -> bytes:
        """The provider closed the stream; a last frame may lack its blank line."""
        if self.is_at_end:
            return b""
        last = self._splitter.tail.rstrip(b"\r\n") + b"\n\n"
        payload = payload_of(last)
        is_frame = payload is not None and (payload == b"[DONE]" or parsed(payload) is not None)
        passed = self._take_block(last) if is_frame else b""
        self._has_ended = True
        return passed

    def finish(self, *, cost_usd: str, own_usage: Mapping[str, Any] | None = None) -> bytes:
        """What goes out after the settlement of a whole stream.

        A client that asked gets usage as billed: `own_usage` where the provider's was missing or
        not believed, else the provider's.
        """
        frames = [*self._waiting, *self.held]
        if self._rules.wants_usage:
            usage = own_usage if own_usage is not None else self.meter.usage or {}
            kept = {k: v for k, v in usage.items() if k not in PROVIDER_USAGE_MEMBERS}
            billed = {**kept, "cost_usd": cost_usd}
            if self._usage_at is None:
                frames.append(self._own_usage_frame(billed))
            else:
                at = self._usage_at.index + len(self._waiting)
                body = with_usage(payload_of(frames[at]) or b"", billed)
                frames[at] = with_payload(frames[at], body)
        return b"".join(frames) + DONE_FRAME

    def fail(self, error_json: bytes) -> bytes:
        """What goes out at the end of a stream that broke: no [DONE], no usage."""
        frames = list(self.held)
        if self._usage_at is not None and self._usage_at.is_bare:
            del frames[self._usage_at.index]
        return b"".join(frames) + error_event(error_json)

    def _pass_block(self, block: bytes) -> bytes:
        """Nearly always content that nobody has to look at: one-line frames, passed as they are."""
        if self.meter.content_frames and not self.is_holding:
            frames = one_line_frames(block)
            if frames and not says_more_than_content(block):
                self.meter.count(block, frames)
                if self._rewrite is None:
                    return block
                if frames == 1:
                    return self._rewrite(block)
                return b"".join(map(self._rewrite, split_frames(block)))
        return self._take_block(block)

    def _take_block(self, block: bytes) -> bytes:
        for frame in split_frames(block):
            if self.is_at_end:
                break
            self._take(frame)
        passed = b"".join(self._out)
        self._out.clear()
        return passed

    def _take(self, frame: bytes) -> None:
        payload = payload_of(frame)
        if payload is None:
            self._pass_comment(frame)
        elif payload == b"[DONE]":
            self.meter.is_done = True
        elif (
            self.meter.content_frames and not self.is_holding and not says_more_than_content(frame)
        ):
            self.meter.count(frame, 1)
            self._out.append(frame if self._rewrite is None else self._rewrite(frame))
        else:
            self._take_parsed(frame, payload)

    def _take_parsed(self, frame: bytes, payload: bytes) -> None:
        chunk = parsed(payload)
        if chunk is None:
            self.failure = Failure(FailureKind.UNREADABLE)
            return
        self.meter.observe(chunk, frame)
        if self.meter.error:
            self.failure = Failure(FailureKind.PROVIDER_ERROR, self.meter.error)
            return
        try:
            cleaned = self._cleaned(frame, payload, chunk)
        except UnreadableAnswer:
            self.failure = Failure(FailureKind.UNREADABLE)
            return
        self._start_passing()
        self._place(cleaned, chunk)

    def _place(self, frame: bytes, chunk: Mapping[str, Any]) -> None:
        """Pass a parsed frame on, hold it, or drop it."""
        is_bare = not chunk.get("choices")
        if isinstance(chunk.get("usage"), dict) and (is_bare or self.meter.has_finished):
            self._hold_usage(frame, is_bare=is_bare)
        elif not self.is_holding:
            self._out.append(frame)
        elif is_bare or self.meter.has_finished:
            self._hold(frame)
        else:
            # Content goes on, so that was not the last usage frame.
            self._out += (*self.held, frame)
            self.held.clear()
            self._stored_bytes = 0
            self.is_holding = False
            self._usage_at = None

    def _hold_usage(self, frame: bytes, *, is_bare: bool) -> None:
        before = self._usage_at
        if before is not None and before.is_bare:
            del self.held[before.index]
        self.is_holding = True
        self._usage_at = None
        if self._rules.wants_usage or not is_bare:
            self._usage_at = _HeldUsage(len(self.held), is_bare)
            self._hold(frame)

    def _hold(self, frame: bytes) -> None:
        self.held.append(frame)
        self._stored_bytes += len(frame)
        if self._stored_bytes > self._rules.frame_cap_bytes:
            # A provider that talks on after the end is not listened to without bound.
            self._has_ended = True

    def _pass_comment(self, frame: bytes) -> None:
        if self.is_holding:
            self._hold(frame)
        elif self.has_data:
            self._out.append(frame)
        elif self._stored_bytes + len(frame) <= WAITING_CAP_BYTES:
            self._waiting.append(frame)
            self._stored_bytes += len(frame)

    def _start_passing(self) -> None:
        if not self.has_data:
            self.has_data = True
            self._out += self._waiting
            self._waiting.clear()
            self._stored_bytes = 0

    def _cleaned(self, frame: bytes, payload: bytes, chunk: Mapping[str, Any]) -> bytes:
        """A frame with usage loses all the provider's business; another what was asked for."""
        rules = self._rules
        if not isinstance(chunk.get("usage"), dict):
            return frame if self._rewrite is None else self._rewrite(frame)
        cut = () if rules.cut_member is None else (rules.cut_member,)
        body, facts = redact(payload, chunk, sold_model=rules.sold_model, cut=cut)
        self.provider_facts |= facts
        return frame if body is payload else with_payload(frame, body)

    def _own_usage_frame(self, usage: Mapping[str, Any]) -> bytes:
        head = {k: self.meter.head[k] for k in _HEAD_MEMBERS if k in self.meter.head}
        if self._rules.sold_model is not None:
            head["model"] = self._rules.sold_model
        chunk = {**head, "choices": [], "usage": usage}
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
