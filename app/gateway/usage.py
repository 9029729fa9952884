"""What a provider says was used, turned into disjoint billable units.

A dialect's normaliser turns the `usage` object it reports into a `Usage`: every token stands under
exactly one unit, so that cost is a plain sum. `plausible` then judges it against what the call
could have used at most. The caller bills a usage only when the verdict is `Verdict.PLAUSIBLE`;
anything else is billed like an answer without usage, and alarmed.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from app.domain.catalog.units import Unit


class Verdict(StrEnum):
    """Whether a reported usage can be believed, else the first reason why not."""

    PLAUSIBLE = "plausible"
    NOT_COUNTS = "not_counts"  # something else than a JSON integer >= 0
    PARTS_ABOVE_WHOLE = "parts_above_whole"
    PROMPT_ABOVE_BOUND = "prompt_above_bound"
    COMPLETION_ABOVE_BOUND = "completion_above_bound"
    ZERO_WITH_CONTENT = "zero_with_content"


class Usage(NamedTuple):
    """One reported usage.

    `units` are disjoint and hold no zeros. `prompt_tokens` and `completion_tokens` are the wholes
    they add up to. `unexplained_tokens` is how much `total_tokens` exceeds both: Gemini's OpenAI
    endpoint counts thoughts there and nowhere else; they are not billed, the operator may want to
    know. `verdict` is what the numbers say about themselves. `raw` is the object as it came.
    """

    units: Mapping[Unit, int] = MappingProxyType({})
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unexplained_tokens: int = 0
    verdict: Verdict = Verdict.PLAUSIBLE
    raw: Mapping[str, Any] = MappingProxyType({})


def read_usage(dialect: str, reported: object) -> Usage | None:
    """The usage in `reported`, the parsed top-level `usage`; None where there is no object."""
    if not isinstance(reported, dict):
        return None
    try:
        return NORMALISERS[dialect](reported)
    except _Implausible as implausible:
        return Usage(verdict=implausible.verdict, raw=reported)


def plausible(
    usage: Usage, *, input_bound_tokens: int, output_bound_tokens: int, carried_content: bool
) -> Verdict:
    """Judge a usage against the call it reports.

    `input_bound_tokens` is the bound in bytes, never the tokenised one; `output_bound_tokens` is
    the output limit x the number of choices. A call always has an input; `carried_content` says
    whether it also delivered output that is counted in tokens.
    """
    if usage.verdict is not Verdict.PLAUSIBLE:
        return usage.verdict
    if usage.prompt_tokens > input_bound_tokens:
        return Verdict.PROMPT_ABOVE_BOUND
    if usage.completion_tokens > output_bound_tokens:
        return Verdict.COMPLETION_ABOVE_BOUND
    if usage.prompt_tokens == 0 or (carried_content and usage.completion_tokens == 0):
        return Verdict.ZERO_WITH_CONTENT
    return Verdict.PLAUSIBLE


def normalise_openai_chat(reported: Mapping[str, Any]) -> Usage:
    """Chat and text completions, and whoever speaks like OpenAI."""
    prompt_tokens = _count(reported, "prompt_tokens")
    completion_tokens = _count(reported, "completion_tokens")
    details = _details(reported, "completion_tokens_details")
    total_tokens = _total(reported, at_least=prompt_tokens + completion_tokens)
    reasoning_tokens = _count(details, "reasoning_tokens")
    # xAI and some Gemini proxies report reasoning beside the completion, the rest inside it.
    if total_tokens == prompt_tokens + completion_tokens + reasoning_tokens:
        completion_tokens += reasoning_tokens

    output_units = (
        {Unit.OUTPUT: completion_tokens}
        if not details
        else _split(
            Unit.OUTPUT,
            completion_tokens,
            {
                Unit.REASONING: reasoning_tokens,
                Unit.AUDIO_OUTPUT: _count(details, "audio_tokens"),
                Unit.IMAGE_OUTPUT: _count(details, "image_tokens"),
            },
        )
    )
    return _usage(
        reported,
        input_units=_input_units(reported, prompt_tokens, details_name="prompt_tokens_details"),
        output_units=output_units,
        total_tokens=total_tokens,
    )


def normalise_openai_embeddings(reported: Mapping[str, Any]) -> Usage:
    """Embeddings: input only. Voyage reports nothing but the total."""
    name = "total_tokens" if reported.get("prompt_tokens") is None else "prompt_tokens"
    prompt_tokens = _count(reported, name)
    return _usage(
        reported,
        input_units=_input_units(reported, prompt_tokens, details_name="prompt_tokens_details"),
        output_units={},
        total_tokens=_total(reported, at_least=prompt_tokens),
    )


def normalise_openai_images(reported: Mapping[str, Any]) -> Usage:
    """Images: what comes out is a picture, except where the details name text."""
    prompt_tokens = _count(reported, "input_tokens")
    output_tokens = _count(reported, "output_tokens")
    details = _details(reported, "output_tokens_details")
    output_units = _split(
        Unit.IMAGE_OUTPUT,
        output_tokens,
        {
            Unit.OUTPUT: _count(details, "text_tokens"),
            Unit.REASONING: _count(details, "reasoning_tokens"),
        },
    )
    return _usage(
        reported,
        input_units=_input_units(reported, prompt_tokens, details_name="input_tokens_details"),
        output_units=output_units,
        total_tokens=_total(reported, at_least=prompt_tokens + output_tokens),
    )


NORMALISERS: dict[str, Callable[[Mapping[str, Any]], Usage]] = {
    "openai_chat": normalise_openai_chat,
    "openai_embeddings": normalise_openai_embeddings,
    "openai_images": normalise_openai_images,
}

# Where providers put the same fact, in the order they are asked: a path from `details`, then a
# member of the usage itself.
_CACHED_IN_DETAILS = ("cached_tokens",)
_CACHED_IN_USAGE = (
    "prompt_cache_hit_tokens",  # DeepSeek
    "cached_tokens",  # Moonshot
)
_WRITTEN_IN_DETAILS = (
    "cache_write_tokens",  # OpenRouter
    "cache_creation_input_tokens",  # Alibaba
    "cache_creation_tokens",  # LiteLLM
)
_WRITTEN_1H_IN_CREATION = "ephemeral_1h_input_tokens"


class _Implausible(Exception):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


def _usage(
    reported: Mapping[str, Any],
    *,
    input_units: Mapping[Unit, int],
    output_units: Mapping[Unit, int],
    total_tokens: int | None,
) -> Usage:
    prompt_tokens = sum(input_units.values())
    completion_tokens = sum(output_units.values())
    units = {**input_units, **output_units}
    explained = prompt_tokens + completion_tokens
    return Usage(
        units={unit: count for unit, count in units.items() if count},
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        unexplained_tokens=0 if total_tokens is None else total_tokens - explained,
        raw=reported,
    )


def _input_units(
    reported: Mapping[str, Any], prompt_tokens: int, *, details_name: str
) -> dict[Unit, int]:
    """Split the prompt: plain = prompt - cached - written - audio - image."""
    details = _details(reported, details_name)
    if not details and reported.keys().isdisjoint(_CACHED_IN_USAGE):
        return {Unit.INPUT: prompt_tokens}
    cached_details = _details(details, "cached_tokens_details")
    cached_tokens = _first(details, _CACHED_IN_DETAILS) or _first(reported, _CACHED_IN_USAGE)
    written_tokens = _first(details, _WRITTEN_IN_DETAILS)
    written_1h_tokens = _count(_details(details, "cache_creation"), _WRITTEN_1H_IN_CREATION)
    image_tokens = _count(details, "image_tokens")
    audio_tokens = _count(details, "audio_tokens")
    cached_image_tokens = _count(cached_details, "image_tokens")
    _keep_within(prompt_tokens, cached_tokens + written_tokens)
    _keep_within(prompt_tokens, image_tokens + audio_tokens)
    _keep_within(written_tokens, written_1h_tokens)
    cached_audio_tokens = _count(cached_details, "audio_tokens")
    _keep_within(image_tokens, cached_image_tokens)
    _keep_within(audio_tokens, cached_audio_tokens)
    _keep_within(cached_tokens, cached_image_tokens + cached_audio_tokens)

    cached_tokens -= cached_image_tokens
    image_tokens -= cached_image_tokens
    audio_tokens -= cached_audio_tokens  # there is no price for cached audio: it is cached input
    # xAI counts a cached picture both as cached and as image without saying which: whatever the
    # parts exceed the whole by was counted twice, and a cached token is billed as cached.
    parts = cached_tokens + written_tokens + cached_image_tokens + image_tokens + audio_tokens
    counted_twice = max(0, parts - prompt_tokens)
    twice_in_images = min(counted_twice, image_tokens)
    return _split(
        Unit.INPUT,
        prompt_tokens,
        {
            Unit.CACHED_INPUT: cached_tokens,
            Unit.CACHE_WRITE: written_tokens - written_1h_tokens,
            Unit.CACHE_WRITE_1H: written_1h_tokens,
            Unit.CACHED_IMAGE_INPUT: cached_image_tokens,
            Unit.IMAGE_INPUT: image_tokens - twice_in_images,
            Unit.AUDIO_INPUT: audio_tokens - (counted_twice - twice_in_images),
        },
    )


def _split(plain: Unit, whole_tokens: int, parts: Mapping[Unit, int]) -> dict[Unit, int]:
    """The parts, and what they leave of the whole under `plain`."""
    parts_tokens = sum(parts.values())
    _keep_within(whole_tokens, parts_tokens)
    return {plain: whole_tokens - parts_tokens, **parts}


def _keep_within(whole_tokens: int, parts_tokens: int) -> None:
    if parts_tokens > whole_tokens:
        raise _Implausible(Verdict.PARTS_ABOVE_WHOLE)


def _total(reported: Mapping[str, Any], *, at_least: int) -> int | None:
    if reported.get("total_tokens") is None:
        return None
    total_tokens = _count(reported, "total_tokens")
    _keep_within(total_tokens, at_least)
    return total_tokens


def _first(members: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """The first of `names` that counts anything, 0 where none does."""
    return next((count for name in names if (count := _count(members, name))), 0)


def _count(members: Mapping[str, Any], name: str) -> int:
    """A JSON integer >= 0; absent and null are 0. True is an int in Python, not in JSON."""
    value = members.get(name)
    if value is None:
        return 0
    if type(value) is not int or value < 0:
        raise _Implausible(Verdict.NOT_COUNTS)
    return value


def _details(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = members.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Implausible(Verdict.NOT_COUNTS)
    return value
