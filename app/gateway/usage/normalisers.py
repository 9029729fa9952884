"""The normalisers that all dialects share: chat, embeddings, images.

They read every spelling of a fact that we know, because a proxy passes on what stands behind it;
what no two providers can mean alike is a row of `dialects.py`.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from app.domain.catalog.units import Unit
from app.gateway.usage.counts import count, details, first_count, keep_within, split, total
from app.gateway.usage.values import Usage


class Reasoning(Enum):
    """Where reasoning is counted: told by the total, beside the completion unless the total says
    inside, or in the total alone."""

    BY_TOTAL = auto()
    BESIDE = auto()
    IN_TOTAL = auto()


# Where providers put the same fact, in the order they are asked: a path from `details`, then a
# member of the usage itself.
_CACHED_IN_DETAILS = ("cached_tokens",)
_CACHED_IN_USAGE = (
    "prompt_cache_hit_tokens",  # DeepSeek
    "cached_tokens",  # Moonshot
    "num_cached_tokens",  # Mistral
)
_WRITTEN_IN_DETAILS = (
    "cache_write_tokens",  # OpenRouter
    "cache_creation_input_tokens",  # Alibaba
    "cache_creation_tokens",  # LiteLLM
)
_WRITTEN_1H_IN_CREATION = "ephemeral_1h_input_tokens"


def normalise_chat(
    reported: Mapping[str, Any], *, reasoning: Reasoning = Reasoning.BY_TOTAL
) -> Usage:
    """Chat and text completions of whoever speaks like OpenAI."""
    prompt_tokens = count(reported, "prompt_tokens")
    completion_tokens = count(reported, "completion_tokens")
    parts = details(reported, "completion_tokens_details")
    reasoning_tokens = count(parts, "reasoning_tokens")
    explained = prompt_tokens + completion_tokens
    total_tokens = total(reported, at_least=explained)
    beside_tokens, reasoning_tokens = _beside(
        reasoning,
        reasoning_tokens=reasoning_tokens,
        hidden_tokens=None if total_tokens is None else total_tokens - explained,
    )
    completion_tokens += beside_tokens
    output_units = (
        {Unit.OUTPUT: completion_tokens}
        if not parts and not beside_tokens
        else split(
            Unit.OUTPUT,
            completion_tokens,
            {
                Unit.REASONING: reasoning_tokens,
                Unit.AUDIO_OUTPUT: count(parts, "audio_tokens"),
                Unit.IMAGE_OUTPUT: count(parts, "image_tokens"),
            },
        )
    )
    return made_usage(
        reported,
        input_units=input_units(reported, prompt_tokens, details_name="prompt_tokens_details"),
        output_units=output_units,
        total_tokens=total_tokens,
    )


def normalise_embeddings(reported: Mapping[str, Any]) -> Usage:
    """Embeddings: input only. Voyage reports nothing but the total."""
    name = "total_tokens" if reported.get("prompt_tokens") is None else "prompt_tokens"
    prompt_tokens = count(reported, name)
    return made_usage(
        reported,
        input_units=input_units(reported, prompt_tokens, details_name="prompt_tokens_details"),
        output_units={},
        total_tokens=total(reported, at_least=prompt_tokens),
    )


def normalise_images(reported: Mapping[str, Any]) -> Usage:
    """Images: what comes out is a picture, except where the details name text."""
    prompt_tokens = count(reported, "input_tokens")
    output_tokens = count(reported, "output_tokens")
    parts = details(reported, "output_tokens_details")
    output_units = split(
        Unit.IMAGE_OUTPUT,
        output_tokens,
        {
            Unit.OUTPUT: count(parts, "text_tokens"),
            Unit.REASONING: count(parts, "reasoning_tokens"),
        },
    )
    return made_usage(
        reported,
        input_units=input_units(reported, prompt_tokens, details_name="input_tokens_details"),
        output_units=output_units,
        total_tokens=total(reported, at_least=prompt_tokens + output_tokens),
    )


def made_usage(
    reported: Mapping[str, Any],
    *,
    input_units: Mapping[Unit, int],
    output_units: Mapping[Unit, int],
    total_tokens: int | None,
) -> Usage:
    """A usage of units that are split already."""
    prompt_tokens = sum(input_units.values())
    completion_tokens = sum(output_units.values())
    units = {**input_units, **output_units}
    explained = prompt_tokens + completion_tokens
    return Usage(
        units={unit: tokens for unit, tokens in units.items() if tokens},
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        unexplained_tokens=0 if total_tokens is None else total_tokens - explained,
        raw=reported,
    )


def input_units(
    reported: Mapping[str, Any], prompt_tokens: int, *, details_name: str
) -> dict[Unit, int]:
    """Split the prompt: plain = prompt - cached - written - audio - image."""
    parts = details(reported, details_name)
    if not parts and reported.keys().isdisjoint(_CACHED_IN_USAGE):
        return {Unit.INPUT: prompt_tokens}
    cached_details = details(parts, "cached_tokens_details")
    cached_tokens = first_count(parts, _CACHED_IN_DETAILS) or first_count(
        reported, _CACHED_IN_USAGE
    )
    written_tokens = first_count(parts, _WRITTEN_IN_DETAILS)
    written_1h_tokens = count(details(parts, "cache_creation"), _WRITTEN_1H_IN_CREATION)
    image_tokens = count(parts, "image_tokens")
    audio_tokens = count(parts, "audio_tokens")
    cached_image_tokens = count(cached_details, "image_tokens")
    keep_within(prompt_tokens, cached_tokens + written_tokens)
    keep_within(prompt_tokens, image_tokens + audio_tokens)
    keep_within(written_tokens, written_1h_tokens)
    cached_audio_tokens = count(cached_details, "audio_tokens")
    keep_within(image_tokens, cached_image_tokens)
    keep_within(audio_tokens, cached_audio_tokens)
    keep_within(cached_tokens, cached_image_tokens + cached_audio_tokens)

    cached_tokens -= cached_image_tokens
    image_tokens -= cached_image_tokens
    audio_tokens -= cached_audio_tokens  # there is no price for cached audio: it is cached input
    # xAI counts a cached picture both as cached and as image without saying which: whatever the
    # parts exceed the whole by was counted twice, and a cached token is billed as cached.
    stated = cached_tokens + written_tokens + cached_image_tokens + image_tokens + audio_tokens
    counted_twice = max(0, stated - prompt_tokens)
    twice_in_images = min(counted_twice, image_tokens)
    return split(
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


def _beside(
    reasoning: Reasoning, *, reasoning_tokens: int, hidden_tokens: int | None
) -> tuple[int, int]:
    """What the completion does not count yet, and all reasoning.

    `hidden_tokens` is what the total has beyond prompt and completion; None where it is not said.
    """
    if hidden_tokens is None:
        return (reasoning_tokens if reasoning is Reasoning.BESIDE else 0), reasoning_tokens
    if hidden_tokens == reasoning_tokens:
        return reasoning_tokens, reasoning_tokens
    if reasoning is Reasoning.IN_TOTAL:
        return hidden_tokens, max(hidden_tokens, reasoning_tokens)
    return 0, reasoning_tokens
