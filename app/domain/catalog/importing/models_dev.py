"""The ``api.json`` of models.dev: providers with their models, prices in dollars a million tokens.

Tiers stand in `cost.tiers`, each with its bound; older files have `context_over_200k` alone, which
newer ones keep beside them, whatever the bound is.
"""

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

PROVIDERS = {"google": "gemini", "alibaba": "dashscope", "moonshotai": "moonshot"}
"""Its names for makers that the starting catalogue calls otherwise."""

LONG_CONTEXT_TOKENS = 200_000

_PER_MILLION = {
    "input": Unit.INPUT,
    "cache_read": Unit.CACHED_INPUT,
    "cache_write": Unit.CACHE_WRITE,
    "output": Unit.OUTPUT,
    "input_audio": Unit.AUDIO_INPUT,
    "output_audio": Unit.AUDIO_OUTPUT,
    "reasoning": Unit.REASONING,
}

_MEMBERS = {
    "tool_call": Ability.TOOLS,
    "reasoning": Ability.REASONING,
    "structured_output": Ability.STRUCTURED_OUTPUT,
}
_INPUTS = {"image": Ability.VISION, "pdf": Ability.PDF_INPUT, "audio": Ability.AUDIO_INPUT}


def fits(value: Any) -> bool:
    """Whether a top-level value is a provider of this list."""
    return isinstance(value, dict) and isinstance(value.get("models"), dict)


def entries(document: dict[str, Any]) -> Iterator[Entry]:
    """Every model of every provider."""
    for provider, value in document.items():
        if not fits(value):
            yield Entry(provider, provider, _read_nothing)
            continue
        for name, model in value["models"].items():
            yield Entry(f"{provider}/{name}", provider, partial(_listed, provider, name, model))


def _read_nothing() -> ListedModel:
    raise Unusable(SkipReason.BROKEN, "the provider states no models")


def _listed(provider: str, name: str, value: Any) -> ListedModel:
    entry = object_of(value, "the entry")
    if entry.get("status") == "deprecated":
        raise Unusable(SkipReason.WITHDRAWN)
    if entry.get("cost") is None:
        raise Unusable(SkipReason.NOT_PRICED)
    heard, made = _modalities(entry)
    kind = _kind(entry, heard, made)
    cost, limit = object_of(entry["cost"], "cost"), object_of(entry.get("limit", {}), "limit")
    has_output_limit = kind is ModelKind.CHAT  # of an embedding it is the vector's size, or a guess
    return ListedModel(
        key=f"{provider}/{name}",
        name=text_of(entry.get("id", name), "id"),
        provider=PROVIDERS.get(provider, provider),
        kind=kind,
        sheet=PriceSheet(_prices(cost, kind), _tiers(cost, kind)),
        abilities=_abilities(entry, heard, cost),
        lacks=_lacks(entry, heard),
        max_input_tokens=numbers.tokens(limit.get("input") or limit.get("context"), "limit.input"),
        max_output_tokens=numbers.tokens(limit.get("output"), "limit.output")
        if has_output_limit
        else None,
    )


def _modalities(entry: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    modalities = object_of(entry.get("modalities"), "modalities")
    sides = (modalities.get("input"), modalities.get("output"))
    if not all(
        isinstance(side, list) and all(isinstance(one, str) for one in side) for side in sides
    ):
        raise Unusable(SkipReason.BROKEN, "modalities are no lists")
    heard, made = (frozenset(side or ()) for side in sides)
    return heard, made


def _kind(entry: Mapping[str, Any], heard: frozenset[str], made: frozenset[str]) -> ModelKind:
    """Its kind by what goes in and out. Embeddings are told by their name alone."""
    if "video" in made or not made:
        raise Unusable(SkipReason.OTHER_KIND, f"makes {', '.join(sorted(made)) or 'nothing'}")
    if "image" in made:
        return ModelKind.IMAGE_GENERATION
    if made == {"audio"}:
        return ModelKind.AUDIO_SPEECH
    if heard == {"audio"}:
        return ModelKind.AUDIO_TRANSCRIPTION
    if "embed" in f"{entry.get('id')} {entry.get('family')}".lower():
        return ModelKind.EMBEDDING
    return ModelKind.CHAT


def _abilities(
    entry: Mapping[str, Any], heard: frozenset[str], cost: Mapping[str, Any]
) -> frozenset[Ability]:
    found = {ability for name, ability in _MEMBERS.items() if entry.get(name) is True}
    found |= {ability for name, ability in _INPUTS.items() if name in heard}
    if cost.get("cache_read") is not None:
        found.add(Ability.PROMPT_CACHING)
    return frozenset(found)


def _lacks(entry: Mapping[str, Any], heard: frozenset[str]) -> frozenset[Ability]:
    denied = {ability for name, ability in _MEMBERS.items() if entry.get(name) is False}
    return frozenset(denied | {one for name, one in _INPUTS.items() if name not in heard})


def _prices(cost: Mapping[str, Any], kind: ModelKind) -> Prices:
    """A picture model's output is priced as a whole: its pictures cost what its words cost."""
    prices = {
        unit: numbers.usd_per_million(cost[name], name)
        for name, unit in _PER_MILLION.items()
        if cost.get(name) is not None
    }
    if kind is ModelKind.AUDIO_TRANSCRIPTION and cost.get("per_minute") is not None:
        a_minute = numbers.usd_per_piece(cost["per_minute"], "per_minute")
        prices[Unit.AUDIO_SECOND] = -(-a_minute // 60)
    return Prices(prices)


def _tiers(cost: Mapping[str, Any], kind: ModelKind) -> tuple[Tier, ...]:
    if cost.get("tiers") is None:
        long = cost.get("context_over_200k")
        if long is None:
            return ()
        return (Tier(LONG_CONTEXT_TOKENS, _prices(object_of(long, "context_over_200k"), kind)),)
    if not isinstance(cost["tiers"], list):
        raise Unusable(SkipReason.BROKEN, "tiers are no list")
    found = {}
    for value in cost["tiers"]:
        part = object_of(value, "tiers")
        found[_bound(object_of(part.get("tier"), "tier"))] = _prices(part, kind)
    return tuple(Tier(above, found[above]) for above in sorted(found))


def _bound(tier: Mapping[str, Any]) -> int:
    size = numbers.tokens(tier.get("size"), "tier.size")
    if tier.get("type", "context") != "context" or size is None:
        raise Unusable(SkipReason.BROKEN, "a tier that is not one of input tokens")
    return size
