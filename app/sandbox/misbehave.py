"""Every way in which the sandbox can misbehave on request: one frozen table.

``{"sandbox": {"behave": "stall", "after": 3, "seconds": 2}}`` asks for one; a list of names
applies several, one after the other. `wish.Wish` lists the members that set the details.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.core.errors import BadRequest
from app.sandbox import bad_answers, bad_frames, bad_usage, bad_wire
from app.sandbox.draft import Draft
from app.sandbox.wish import Wish


class Behave(StrEnum):
    """The names; the value is what a request writes."""

    STALL = "stall"
    NEVER_ANSWER = "never_answer"
    LINGER = "linger"
    DRIP = "drip"
    BREAK = "break"
    TRUNCATE = "truncate"
    NO_DONE = "no_done"
    NO_USAGE = "no_usage"
    USAGE_UNASKED = "usage_unasked"
    USAGE_IN_EVERY_CHUNK = "usage_in_every_chunk"
    USAGE_WITH_FINISH = "usage_with_finish"
    USAGE_TWICE = "usage_twice"
    USAGE_ZERO = "usage_zero"
    ABSURD_USAGE = "absurd_usage"
    STATUS = "status"
    REDIRECT = "redirect"
    REJECT_STREAM_OPTIONS = "reject_stream_options"
    ERROR_AFTER_200 = "error_after_200"
    ERROR_MID_STREAM = "error_mid_stream"
    ANOTHER_MODEL = "another_model"
    EXTRA_MEMBERS = "extra_members"
    REASONING = "reasoning"
    FLOATS = "floats"
    COMMENTS = "comments"
    EMPTY_CHOICES = "empty_choices"
    CRLF = "crlf"
    HUGE_LINE = "huge_line"
    SPLIT_CHARACTER = "split_character"
    HALF_CHARACTER = "half_character"
    RECUT = "recut"
    GZIP = "gzip"
    GZIP_BOMB = "gzip_bomb"
    NO_CONTENT_LENGTH = "no_content_length"
    WRONG_CONTENT_TYPE = "wrong_content_type"


@dataclass(frozen=True)
class Misbehaviour:
    """What happens, the members of the wish it reads, and the function that does it."""

    about: str
    reads: tuple[str, ...]
    spoil: Callable[[Draft, Wish], Draft]


TABLE: Mapping[Behave, Misbehaviour] = MappingProxyType(
    {
        Behave.STALL: Misbehaviour(
            "Silence before the first byte or behind some frames, then it goes on",
            ("after", "seconds"),
            bad_wire.stall,
        ),
        Behave.NEVER_ANSWER: Misbehaviour(
            "Silence, then the connection closes without a byte",
            ("seconds",),
            bad_wire.never_answer,
        ),
        Behave.LINGER: Misbehaviour(
            "All is sent, [DONE] included, but the stream stays open", ("seconds",), bad_wire.linger
        ),
        Behave.DRIP: Misbehaviour("One byte at a time", ("delay_s",), bad_wire.drip),
        Behave.BREAK: Misbehaviour(
            "The connection closes behind some frames, without the body's end",
            ("after",),
            bad_wire.hang_up,
        ),
        Behave.TRUNCATE: Misbehaviour(
            "A clean end behind some frames, without finish_reason and [DONE]",
            ("after",),
            bad_frames.truncate,
        ),
        Behave.NO_DONE: Misbehaviour("A whole stream without [DONE]", (), bad_frames.no_done),
        Behave.NO_USAGE: Misbehaviour("No usage anywhere", (), bad_usage.no_usage),
        Behave.USAGE_UNASKED: Misbehaviour(
            "A usage frame although nobody asked", (), bad_usage.usage_unasked
        ),
        Behave.USAGE_IN_EVERY_CHUNK: Misbehaviour(
            "Running totals in every frame", (), bad_usage.usage_in_every_chunk
        ),
        Behave.USAGE_WITH_FINISH: Misbehaviour(
            "Usage in the frame with the finish_reason", (), bad_usage.usage_with_finish
        ),
        Behave.USAGE_TWICE: Misbehaviour(
            "Two usage frames, the first with half the numbers", (), bad_usage.usage_twice
        ),
        Behave.USAGE_ZERO: Misbehaviour("Usage of all zeros", (), bad_usage.usage_zero),
        Behave.ABSURD_USAGE: Misbehaviour(
            f"Usage nobody can believe: {', '.join(bad_usage.ABSURDITIES)}",
            ("variant",),
            bad_usage.absurd_usage,
        ),
        Behave.STATUS: Misbehaviour(
            "Any status, with a body and Retry-After",
            ("status", "retry_after", "message", "code", "body"),
            bad_answers.status,
        ),
        Behave.REDIRECT: Misbehaviour("A redirect", ("status", "location"), bad_answers.redirect),
        Behave.REJECT_STREAM_OPTIONS: Misbehaviour(
            "400 that names stream_options.include_usage where it was sent",
            (),
            bad_answers.reject_stream_options,
        ),
        Behave.ERROR_AFTER_200: Misbehaviour(
            "200, and an error as the only frame or body",
            ("status", "message", "code", "body"),
            bad_answers.error_after_200,
        ),
        Behave.ERROR_MID_STREAM: Misbehaviour(
            "An error frame behind some frames; variant openrouter puts choices beside it",
            ("after", "status", "message", "code", "variant"),
            bad_frames.error_mid_stream,
        ),
        Behave.ANOTHER_MODEL: Misbehaviour(
            "The answer names another model", ("model",), bad_answers.another_model
        ),
        Behave.EXTRA_MEMBERS: Misbehaviour(
            "Members of OpenRouter and Groq: provider, usage.cost, x_groq",
            (),
            bad_answers.extra_members,
        ),
        Behave.REASONING: Misbehaviour(
            "Reasoning before the answer; variant beside counts it outside the completion (xAI)",
            ("count", "variant"),
            bad_frames.reasoning,
        ),
        Behave.FLOATS: Misbehaviour("Floats where base64 was asked for", (), bad_answers.floats),
        Behave.COMMENTS: Misbehaviour(
            "Keep-alive comments (blanks, where not streamed) before the first data",
            ("count", "seconds"),
            bad_frames.comments,
        ),
        Behave.EMPTY_CHOICES: Misbehaviour(
            "Azure's first frame: prompt filter results, no choices", (), bad_frames.empty_choices
        ),
        Behave.CRLF: Misbehaviour("Lines end in CR LF", (), bad_frames.crlf),
        Behave.HUGE_LINE: Misbehaviour(
            "A line of 10 MB that never ends", ("after", "size_bytes"), bad_frames.huge_line
        ),
        Behave.SPLIT_CHARACTER: Misbehaviour(
            "Every write with a character of several bytes is cut inside it",
            ("delay_s",),
            bad_wire.split_character,
        ),
        Behave.HALF_CHARACTER: Misbehaviour(
            "A frame holds half a UTF-8 character", ("after",), bad_frames.half_character
        ),
        Behave.RECUT: Misbehaviour(
            "Writes of a given size, frames ignored", ("size_bytes", "delay_s"), bad_wire.recut
        ),
        Behave.GZIP: Misbehaviour("Content-Encoding gzip, asked or not", (), bad_wire.compress),
        Behave.GZIP_BOMB: Misbehaviour(
            "100 KB that unpack to 100 MB", ("size_bytes",), bad_wire.bomb
        ),
        Behave.NO_CONTENT_LENGTH: Misbehaviour(
            "Chunked; variant close: neither length nor chunks, the end is the connection's",
            ("variant",),
            bad_wire.no_content_length,
        ),
        Behave.WRONG_CONTENT_TYPE: Misbehaviour(
            "text/html, whatever is inside", (), bad_wire.wrong_content_type
        ),
    }
)


def misbehave(draft: Draft, wish: Wish) -> Draft:
    """The draft after every misbehaviour of the wish, in the order it names them."""
    for name in wish.behave:
        draft = TABLE[_behave(name)].spoil(draft, wish)
    return draft


def _behave(name: str) -> Behave:
    try:
        return Behave(name)
    except ValueError as error:
        known = ", ".join(Behave)
        raise BadRequest(
            f"Unknown behaviour {name!r}; known are {known}.", field="sandbox.behave"
        ) from error
