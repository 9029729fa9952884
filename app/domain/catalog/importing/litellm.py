"""LiteLLM's ``model_prices_and_context_window.json``: prices in dollars a token.

A map of names; a name may start with its provider (``gemini/gemini-2.5-pro``), which we leave out.
Tiers stand in the members' names (``…_above_200k_tokens``) or in `tiered_pricing`.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from app.domain.catalog.importing import numbers
from app.domain.catalog.importing.listed import (
    Entry,
    ListedModel,
    SkipReason,
    Unusable,
    object_of,
    text_of,
)
from app.domain.catalog.kinds import Ability, ModelKind
from app.domain.catalog.pricing import Prices, PriceSheet, Tier
from app.domain.catalog.units import Unit

MODES = {kind.value: kind for kind in ModelKind}
"""Its words for the kinds are ours. What is `responses` or `completion` has no route here."""

_PER_TOKEN = {
    "input_cost_per_token": Unit.INPUT,
    "cache_read_input_token_cost": Unit.CACHED_INPUT,
    "cache_creation_input_token_cost": Unit.CACHE_WRITE,
    "cache_creation_input_token_cost_above_1hr": Unit.CACHE_WRITE_1H,
    "output_cost_per_token": Unit.OUTPUT,
    "input_cost_per_image_token": Unit.IMAGE_INPUT,
    "cache_read_input_image_token_cost": Unit.CACHED_IMAGE_INPUT,
    "output_cost_per_image_token": Unit.IMAGE_OUTPUT,
    "input_cost_per_audio_token": Unit.AUDIO_INPUT,
    "output_cost_per_audio_token": Unit.AUDIO_OUTPUT,
    "output_cost_per_reasoning_token": Unit.REASONING,
}

# The same members mean other things elsewhere: a chat model's price a picture is one of input.
_PER_PIECE: Mapping[ModelKind, Mapping[str, Unit]] = {
    ModelKind.IMAGE_GENERATION: {"output_cost_per_image": Unit.IMAGE},
    ModelKind.AUDIO_TRANSCRIPTION: {"input_cost_per_second": Unit.AUDIO_SECOND},
    ModelKind.AUDIO_SPEECH: {
        "output_cost_per_second": Unit.AUDIO_SECOND,
        "input_cost_per_character": Unit.CHARACTER,
    },
}

_ABILITIES = {
    "supports_vision": Ability.VISION,
    "supports_function_calling": Ability.TOOLS,
    "supports_reasoning": Ability.REASONING,
    "supports_response_schema": Ability.STRUCTURED_OUTPUT,
    "supports_pdf_input": Ability.PDF_INPUT,
    "supports_prompt_caching": Ability.PROMPT_CACHING,
    "supports_audio_input": Ability.AUDIO_INPUT,
}

_TIER = re.compile(r"(?P<member>[a-z0-9_]+)_above_(?P<thousands>[0-9]{1,5})k_tokens")


def fits(value: Any) -> bool:
    """Whether a top-level value is an entry of this list."""
    return isinstance(value, dict) and "litellm_provider" in value


def entries(document: dict[str, Any]) -> Iterator[Entry]:
    """Every entry of the file."""
    for key, value in document.items():
        provider = value.get("litellm_provider") if isinstance(value, dict) else ""
        yield Entry(key, str(provider), partial(_listed, key, value))


def _listed(key: str, value: Any) -> ListedModel:
    entry = object_of(value, "the entry")
    provider = text_of(entry.get("litellm_provider"), "litellm_provider")
    kind = _kind(entry.get("mode"))
    if entry.get("input_cost_per_request"):
        raise Unusable(SkipReason.NOT_PRICED, "it is also priced a request, which is not billed")
    return ListedModel(
        key=key,
        name=key.removeprefix(f"{provider}/"),
        provider=provider,
        kind=kind,
        sheet=PriceSheet(_base(entry, kind), _tiers(entry)),
        abilities=frozenset(one for name, one in _ABILITIES.items() if entry.get(name) is True),
        lacks=frozenset(one for name, one in _ABILITIES.items() if entry.get(name) is False),
        max_input_tokens=numbers.tokens(entry.get("max_input_tokens"), "max_input_tokens"),
        max_output_tokens=numbers.tokens(entry.get("max_output_tokens"), "max_output_tokens"),
        embedding_size=numbers.tokens(entry.get("output_vector_size"), "output_vector_size"),
        retires_on=numbers.day(entry.get("deprecation_date"), "deprecation_date"),
    )


def _kind(mode: Any) -> ModelKind:
    kind = MODES.get(mode) if isinstance(mode, str) else None
    if kind is None:
        raise Unusable(SkipReason.OTHER_KIND, f"mode {str(mode)[:40]}")
    return kind


def _base(entry: Mapping[str, Any], kind: ModelKind) -> Prices:
    pieces = {
        unit: numbers.usd_per_piece(entry[name], name)
        for name, unit in _PER_PIECE.get(kind, {}).items()
        if entry.get(name) is not None
    }
    first = {}
    if entry.get("tiered_pricing") is not None:
        first = {low: prices for low, prices in _ranges(entry) if low == 0}.get(0, {})
    return Prices(_tokens(entry) | first | pieces)


def _tiers(entry: Mapping[str, Any]) -> tuple[Tier, ...]:
    """The tiers of the members' names, or else of `tiered_pricing`, lowest first."""
    by_bound: dict[int, dict[Unit, int]] = {}
    for name, value in entry.items():
        match = _TIER.fullmatch(name)
        unit = _PER_TOKEN.get(match["member"]) if match else None
        if match and unit is not None and value is not None:
            prices = by_bound.setdefault(int(match["thousands"]) * 1000, {})
            prices[unit] = numbers.usd_per_token(value, name)
    if not by_bound and entry.get("tiered_pricing") is not None:
        by_bound = {low: prices for low, prices in _ranges(entry) if low > 0}
    return tuple(Tier(low, Prices(by_bound[low])) for low in sorted(by_bound))


def _ranges(entry: Mapping[str, Any]) -> Iterator[tuple[int, dict[Unit, int]]]:
    """Of `tiered_pricing` each lower bound and the prices above it."""
    ranges = entry["tiered_pricing"]
    if not isinstance(ranges, list):
        raise Unusable(SkipReason.BROKEN, "tiered_pricing is no list")
    for value in ranges:
        part = object_of(value, "tiered_pricing")
        bounds = part.get("range")
        if not isinstance(bounds, list) or len(bounds) != 2:
            raise Unusable(SkipReason.BROKEN, "tiered_pricing states no range of tokens")
        yield numbers.tokens(bounds[0], "tiered_pricing") or 0, _tokens(part)


def _tokens(entry: Mapping[str, Any]) -> dict[Unit, int]:
    return {
        unit: numbers.usd_per_token(entry[name], name)
        for name, unit in _PER_TOKEN.items()
        if entry.get(name) is not None
    }
