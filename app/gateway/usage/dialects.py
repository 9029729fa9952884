"""Which normaliser reads whose usage, and where a stream carries it.

A row stands here only where a provider means something else by the same names, or says it
elsewhere; the rest is shared.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from app.domain.catalog.units import Unit
from app.domain.channels.presets import Dialect
from app.gateway.usage.counts import count, details, keep_within, split, total
from app.gateway.usage.normalisers import (
    Reasoning,
    made_usage,
    normalise_chat,
    normalise_embeddings,
    normalise_images,
)
from app.gateway.usage.values import Implausible, Usage

Reported = Mapping[str, Any]
Normaliser = Callable[[Reported], Usage | None]
"""None where an object is there that says nothing of tokens: such an answer came without usage."""


def read_usage(protocol_dialect: str, provider_dialect: Dialect, reported: object) -> Usage | None:
    """The usage in `reported`, an answer's parsed `usage`; None where there is none.

    `protocol_dialect` is `Protocol.usage_dialect`, `provider_dialect` the route's.
    """
    if not isinstance(reported, dict):
        return None
    try:
        return NORMALISERS[protocol_dialect][provider_dialect](reported)
    except Implausible as implausible:
        return Usage(verdict=implausible.verdict, raw=reported)


def usage_in(dialect: Dialect, chunk: Mapping[str, Any]) -> dict[str, Any] | None:
    """The usage that a frame of a stream with one choice carries; None where it carries none."""
    usage = chunk.get("usage")
    if isinstance(usage, dict):
        return usage
    look_elsewhere = _ELSEWHERE.get(dialect)
    return None if look_elsewhere is None else look_elsewhere(chunk)


def _anthropic_chat(reported: Reported) -> Usage:
    """Anthropic's own names, which a proxy before it may leave: its input excludes the cache."""
    if reported.get("prompt_tokens") is not None:
        return normalise_chat(reported)
    plain_tokens = count(reported, "input_tokens")
    cached_tokens = count(reported, "cache_read_input_tokens")
    written_tokens = count(reported, "cache_creation_input_tokens")
    written_1h_tokens = count(details(reported, "cache_creation"), "ephemeral_1h_input_tokens")
    keep_within(written_tokens, written_1h_tokens)
    output_tokens = count(reported, "output_tokens")
    prompt_tokens = plain_tokens + cached_tokens + written_tokens
    return made_usage(
        reported,
        input_units=split(
            Unit.INPUT,
            prompt_tokens,
            {
                Unit.CACHED_INPUT: cached_tokens,
                Unit.CACHE_WRITE: written_tokens - written_1h_tokens,
                Unit.CACHE_WRITE_1H: written_1h_tokens,
            },
        ),
        output_units={Unit.OUTPUT: output_tokens},
        total_tokens=total(reported, at_least=prompt_tokens + output_tokens),
    )


def _minimax_chat(reported: Reported) -> Usage | None:
    """Its older models report the total alone, of which nobody can say what was output."""
    if reported.get("prompt_tokens") is None and reported.get("completion_tokens") is None:
        return None
    return normalise_chat(reported)


def _images_by_the_piece(reported: Reported) -> Usage | None:
    """Pictures sold by the piece: a usage object may be there for the cost alone."""
    names = ("input_tokens", "output_tokens", "total_tokens")
    if all(reported.get(name) is None for name in names):
        return None
    return normalise_images(reported)


def _gemini_images(reported: Reported) -> Usage | None:
    """Gemini's endpoint may count pictures by the names of chat."""
    if reported.get("input_tokens") is not None or reported.get("prompt_tokens") is None:
        return _images_by_the_piece(reported)
    prompt_tokens = count(reported, "prompt_tokens")
    output_tokens = count(reported, "completion_tokens")
    return made_usage(
        reported,
        input_units={Unit.INPUT: prompt_tokens},
        output_units={Unit.IMAGE_OUTPUT: output_tokens},
        total_tokens=total(reported, at_least=prompt_tokens + output_tokens),
    )


def _of_all(shared: Normaliser, own: Mapping[Dialect, Normaliser]) -> Mapping[Dialect, Normaliser]:
    return MappingProxyType({dialect: own.get(dialect, shared) for dialect in Dialect})


NORMALISERS: Mapping[str, Mapping[Dialect, Normaliser]] = MappingProxyType(
    {
        "openai_chat": _of_all(
            normalise_chat,
            {
                Dialect.ANTHROPIC: _anthropic_chat,
                # Google bills thoughts as output, and its endpoint counts them in the total alone
                # (https://github.com/mozilla-ai/any-llm/issues/1290). From nobody else is a total
                # without an explanation billed.
                Dialect.GEMINI: partial(normalise_chat, reasoning=Reasoning.IN_TOTAL),
                Dialect.MINIMAX: _minimax_chat,
                Dialect.XAI: partial(normalise_chat, reasoning=Reasoning.BESIDE),
            },
        ),
        "openai_embeddings": _of_all(normalise_embeddings, {}),
        "openai_images": _of_all(
            normalise_images,
            {Dialect.GEMINI: _gemini_images, Dialect.XAI: _images_by_the_piece},
        ),
    }
)


def _in_x_groq(chunk: Reported) -> dict[str, Any] | None:
    """Groq: the last frame has it in a member of its own, asked or not."""
    own = chunk.get("x_groq")
    usage = own.get("usage") if isinstance(own, dict) else None
    return usage if isinstance(usage, dict) else None


def _in_choice(chunk: Reported) -> dict[str, Any] | None:
    """Moonshot: in the choice that finishes."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        return None
    usage = choices[0].get("usage")
    return usage if isinstance(usage, dict) else None


def _in_timings(chunk: Reported) -> dict[str, Any] | None:
    """llama.cpp: its stop-watch counts too; what came from its cache stands beside the prompt."""
    timings = chunk.get("timings")
    if not isinstance(timings, dict):
        return None
    read, cached, written = (
        timings.get(name, 0) for name in ("prompt_n", "cache_n", "predicted_n")
    )
    if any(type(tokens) is not int or tokens < 0 for tokens in (read, cached, written)):
        return None
    return {
        "prompt_tokens": read + cached,
        "completion_tokens": written,
        "total_tokens": read + cached + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


_ELSEWHERE: Mapping[Dialect, Callable[[Reported], dict[str, Any] | None]] = MappingProxyType(
    {
        Dialect.GROQ: _in_x_groq,
        Dialect.LLAMA_CPP: _in_timings,
        Dialect.MOONSHOT: _in_choice,
    }
)
