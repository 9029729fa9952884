"""The most a request can cost, before it is sent. Pure.

A hold is a promise kept by arithmetic: text is at most a token a byte, a picture at most what its
model states, an answer at most its limit, each at the dearest price it can become. Money stays in
exact numerators (nano-USD × 10⁶) and is rounded up once, as a cost is.
"""

from collections.abc import Iterable
from typing import NamedTuple

from app.core.money import ceil_div
from app.domain.billing.bound_facts import BoundFacts
from app.domain.billing.request_shape import RequestShape
from app.domain.catalog.kinds import ModelKind, is_priced
from app.domain.catalog.pricing import MILLION, PriceSheet, UnpricedUnit
from app.domain.catalog.units import INPUT_UNITS, OUTPUT_UNITS, Unit

# What providers add to a prompt and bill: chat templates, tool preambles (some 700 tokens), a
# hidden system prompt (some 700 as well). Markup of a message is covered by its JSON.
OVERHEAD_TOKENS = 1_024
# Start and end marks of each further input of an embeddings call; its JSON covers two.
OVERHEAD_TOKENS_PER_PROMPT = 4

# A preview streamed before the finished picture is billed on top of it.
PARTIAL_IMAGE_TOKENS = 100

# The shortest answer worth buying where the caller gave no limit.
LEAST_OUTPUT_TOKENS = 1_024
LEAST_REASONING_OUTPUT_TOKENS = 4_096

TEXT_UNITS = frozenset({Unit.INPUT, Unit.CACHED_INPUT, Unit.CACHE_WRITE, Unit.CACHE_WRITE_1H})
PICTURE_UNITS = frozenset({Unit.IMAGE_INPUT, Unit.CACHED_IMAGE_INPUT})
SOUND_UNITS = frozenset({Unit.AUDIO_INPUT})


class Bound(NamedTuple):
    """What to hold. The two bounds in tokens are what plausible usage may reach: the input's is in
    bytes even where the hold was made from the tokenised text.

    `chosen_output_limit` is ours, for `output_limit_to_send`; None where the caller gave one or
    the kind knows none.
    """

    amount_nanos: int
    input_bound_tokens: int
    output_bound_tokens: int
    chosen_output_limit: int | None
    is_tokenised: bool


class BeyondMeans(NamedTuple):
    """Not affordable: what the least useful call needs, and the largest output limit that the
    money buys (None where the kind has no such limit)."""

    needed_nanos: int
    affordable_output_limit: int | None


def input_bound_tokens(facts: BoundFacts, shape: RequestShape) -> int:
    """The most prompt tokens that can be reported for `shape`."""
    text = shape.text_bytes
    if shape.text_tokens is not None:
        text = min(text, shape.text_tokens)
    text += OVERHEAD_TOKENS + OVERHEAD_TOKENS_PER_PROMPT * (shape.prompts - 1)
    return (
        min(text, facts.max_input_tokens * shape.prompts)
        + shape.pictures * facts.max_tokens_per_input_image
        + shape.sounds * facts.max_tokens_per_input_sound
        + shape.unknown_parts * facts.max_input_tokens
    )


def output_bound_tokens(facts: BoundFacts, shape: RequestShape, *, output_limit: int | None) -> int:
    """The most completion tokens that can be reported, all answers together.

    `output_limit` is one answer's, for chat; None there means the model's maximum.
    """
    match shape.kind:
        case ModelKind.CHAT:
            limit = facts.max_output_tokens if output_limit is None else output_limit
            if facts.enforces_output_maximum:
                limit = min(limit, facts.max_output_tokens)
            return (limit + facts.reasoning_beside_limit_tokens) * shape.answers
        case ModelKind.IMAGE_GENERATION:
            previews = shape.partial_pictures * PARTIAL_IMAGE_TOKENS
            return (_picture_tokens(facts, shape) + previews) * shape.answers
        case _:
            return 0


def hold_nanos(
    sheet: PriceSheet,
    *,
    facts: BoundFacts,
    shape: RequestShape,
    output_limit: int | None = None,
) -> int:
    """The most the request can cost with `output_limit` tokens an answer. Raises UnpricedUnit."""
    quote = _Quote.of(sheet, facts=facts, shape=shape)
    return quote.nanos(output_bound_tokens(facts, shape, output_limit=output_limit))


def choose_hold(
    sheet: PriceSheet, *, facts: BoundFacts, shape: RequestShape, available_nanos: int
) -> Bound | BeyondMeans:
    """What to hold of `available_nanos`, or why not. Never more than available.

    Tokenising is slow: first ask with a token a byte; only where that is not affordable, again with
    `shape.text_tokens`. Raises UnpricedUnit.
    """
    quote = _Quote.of(sheet, facts=facts, shape=shape)
    chosen = None
    limit = shape.output_limit
    if shape.kind is ModelKind.CHAT and limit is None:
        limit = chosen = _affordable_choice(
            quote, facts=facts, shape=shape, available_nanos=available_nanos
        )
    output_tokens = output_bound_tokens(facts, shape, output_limit=limit)
    needed_nanos = quote.nanos(output_tokens)
    if needed_nanos > available_nanos:
        affordable = _affordable_limit(
            quote, facts=facts, shape=shape, numerator=_left(quote, available_nanos)
        )
        return BeyondMeans(needed_nanos, affordable if shape.kind is ModelKind.CHAT else None)
    is_tokenised = shape.text_tokens is not None
    in_bytes = shape._replace(text_tokens=None) if is_tokenised else shape
    return Bound(
        amount_nanos=needed_nanos,
        input_bound_tokens=input_bound_tokens(facts, in_bytes),
        output_bound_tokens=output_tokens,
        chosen_output_limit=chosen,
        is_tokenised=is_tokenised,
    )


def output_limit_to_send(chosen_output_limit: int | None, facts: BoundFacts) -> int | None:
    """The number to add to the body for one channel; None where nothing need be added."""
    if chosen_output_limit is None:
        return None
    if facts.enforces_output_maximum and chosen_output_limit >= facts.max_output_tokens:
        return None
    return chosen_output_limit


class _Quote(NamedTuple):
    """The prices a request meets, each at its dearest; numerators are nano-USD × 10⁶."""

    fixed_numerator: int
    output_nanos_per_million: int
    pictures_numerator: int

    @classmethod
    def of(cls, sheet: PriceSheet, *, facts: BoundFacts, shape: RequestShape) -> "_Quote":
        if not is_priced(shape.kind, sheet):
            raise UnpricedUnit(facts={"kind": shape.kind})
        tokens = input_bound_tokens(facts, shape)

        def dearest(units: Iterable[Unit]) -> int:
            return sheet.dearest_nanos_per_million(units, input_tokens=tokens) or 0

        makes_pictures = shape.kind is ModelKind.IMAGE_GENERATION
        return cls(
            fixed_numerator=tokens * dearest(_input_units(shape)) + dearest({Unit.REQUEST}),
            output_nanos_per_million=dearest(OUTPUT_UNITS),
            pictures_numerator=shape.answers * dearest({Unit.IMAGE}) if makes_pictures else 0,
        )

    def nanos(self, output_tokens: int) -> int:
        """By tokens or by the picture, whichever is dearer: the answer decides which is billed."""
        output_numerator = output_tokens * self.output_nanos_per_million
        return ceil_div(
            self.fixed_numerator + max(output_numerator, self.pictures_numerator), MILLION
        )


def _affordable_choice(
    quote: _Quote, *, facts: BoundFacts, shape: RequestShape, available_nanos: int
) -> int:
    """As many tokens as half of what is left buys; if too few, as all of it buys; if still too
    few, the least useful number, which is then not affordable."""
    usual = LEAST_REASONING_OUTPUT_TOKENS if facts.is_reasoning else LEAST_OUTPUT_TOKENS
    least = min(facts.max_output_tokens, usual)
    left = _left(quote, available_nanos)
    for numerator in (left // 2, left):
        limit = _affordable_limit(quote, facts=facts, shape=shape, numerator=numerator)
        if limit >= least:
            return limit
    return least


def _affordable_limit(
    quote: _Quote, *, facts: BoundFacts, shape: RequestShape, numerator: int
) -> int:
    """The largest output limit of one answer that `numerator` buys, at most the maximum."""
    per_token = quote.output_nanos_per_million * shape.answers
    if numerator < 0:
        return 0
    if per_token == 0:
        return facts.max_output_tokens
    bought = numerator // per_token - facts.reasoning_beside_limit_tokens
    return max(0, min(bought, facts.max_output_tokens))


def _left(quote: _Quote, available_nanos: int) -> int:
    return available_nanos * MILLION - quote.fixed_numerator


def _input_units(shape: RequestShape) -> frozenset[Unit]:
    """What the prompt's tokens can be billed as. The dearest holds for all of them: only their
    sum is bounded, not how the provider splits it."""
    if shape.unknown_parts:
        return INPUT_UNITS
    pictures = PICTURE_UNITS if shape.pictures else frozenset()
    sounds = SOUND_UNITS if shape.sounds else frozenset()
    return TEXT_UNITS | pictures | sounds


def _picture_tokens(facts: BoundFacts, shape: RequestShape) -> int:
    """The stated maximum at the size and quality asked; left open, the dearest of them."""
    fitting = [
        row.tokens
        for row in facts.picture_maxima
        if shape.picture_size in (None, row.size) and shape.picture_quality in (None, row.quality)
    ]
    is_all_open = shape.picture_size is None and shape.picture_quality is None
    if is_all_open or not fitting:
        return facts.max_tokens_per_output_image
    return max(fitting)
