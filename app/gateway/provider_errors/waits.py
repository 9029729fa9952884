"""How long a provider asks us to wait, in whole seconds from 1 to 60.

Read are ``retry-after-ms``, ``Retry-After`` (seconds or a date), a delay in the body, "try again in
7.66s" in its sentence, and ``x-ratelimit-reset-…`` (a duration, seconds, or a moment).
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from app.core import clock

WAIT_MAX_S = 60
TEXT_LENGTH = 64

_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_DURATION = re.compile(
    r"(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,15})?)s)?(?:(\d{1,9}(?:\.\d{1,15})?)ms)?",
    re.ASCII,
)
_UNITS_S = (3600.0, 60.0, 1.0, 0.001)
_IN_SENTENCE = re.compile(
    r"(?:try again|retry) (?:in|after) (\d[\d.hms]{0,30})( seconds?| minutes?)?", re.ASCII
)
_RESET = "x-ratelimit-reset"
_REMAINING = "x-ratelimit-remaining"
# Larger numbers are moments: seconds, then milliseconds, since 1970.
_MOMENT_S = 1e9
_MOMENT_MS = 1e12


def wait_s(headers: Mapping[str, str], *, delay: str = "", sentence: str = "") -> int | None:
    """The wait that an answer asks for; None where it names none. `headers` have names in lower
    case; `sentence` is in lower case too."""
    asked_s = _first(
        _scaled(_number(headers.get("retry-after-ms", "")), 0.001),
        _retry_after(headers.get("retry-after", "")),
        _span(delay),
        _from_sentence(sentence),
        _resets(headers),
    )
    return None if asked_s is None else min(max(math.ceil(asked_s), 1), WAIT_MAX_S)


def _first(*found: float | None) -> float | None:
    return next((value for value in found if value is not None), None)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _number(text: str) -> float | None:
    """Digits of any length mean as much as we ever wait."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:15])
    return float(text) if _NUMBER.fullmatch(text[:TEXT_LENGTH]) and len(text) < 32 else None


def _retry_after(text: str) -> float | None:
    seconds = _number(text)
    return _until_date(text) if seconds is None else seconds


def _until_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text[:TEXT_LENGTH])
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    try:
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return (aware - clock.now()).total_seconds()
    except OverflowError:
        return None


def _span(text: str) -> float | None:
    """A duration (``6m0s``), a number of seconds, or the moment when it is over."""
    text = text.strip()[:TEXT_LENGTH]
    number = _number(text)
    if number is not None:
        if number < _MOMENT_S:
            return number
        moment_s = number / 1000 if number >= _MOMENT_MS else number
        return moment_s - clock.now().timestamp()
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    return sum(
        float(part) * unit_s for part, unit_s in zip(match.groups(), _UNITS_S, strict=True) if part
    )


def _from_sentence(sentence: str) -> float | None:
    match = _IN_SENTENCE.search(sentence)
    if match is None:
        return None
    minutes = (match[2] or "").startswith(" minute")
    return _scaled(_span(match[1].rstrip(".")), 60.0 if minutes else 1.0)


def _resets(headers: Mapping[str, str]) -> float | None:
    """When the limits of which nothing remains are reset, the last of them; where it is not said
    which those are, the first of all: a limit hardly touched may take the longest to be full."""
    spans = {
        name.removeprefix(_RESET): span
        for name, text in headers.items()
        if name.startswith(_RESET) and (span := _span(text)) is not None
    }
    spent = [span for what, span in spans.items() if headers.get(_REMAINING + what) == "0"]
    return max(spent) if spent else min(spans.values(), default=None)
