"""What is known of a model and its channel that bounds a call's cost. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

UNSTATED_WINDOW_TOKENS = 2_000_000
UNSTATED_OUTPUT_TOKENS = 8_192
UNSTATED_INPUT_PART_TOKENS = 5_000
UNSTATED_OUTPUT_IMAGE_TOKENS = 6_240


@dataclass(frozen=True)
class PictureMaximum:
    """The most tokens of one picture at a size and quality, as its maker states them."""

    size: str
    quality: str
    tokens: int


@dataclass(frozen=True)
class BoundFacts:
    """What is known of a model on a channel; the defaults stand for what nobody states."""

    max_input_tokens: int = UNSTATED_WINDOW_TOKENS
    max_output_tokens: int = UNSTATED_OUTPUT_TOKENS
    max_tokens_per_input_image: int = UNSTATED_INPUT_PART_TOKENS
    max_tokens_per_input_sound: int = UNSTATED_WINDOW_TOKENS
    max_tokens_per_output_image: int = UNSTATED_OUTPUT_IMAGE_TOKENS
    picture_maxima: tuple[PictureMaximum, ...] = ()
    is_reasoning: bool = False
    # Reasoning that comes on top of an output limit; 0 where the limit includes it.
    reasoning_beside_limit_tokens: int = 0
    enforces_output_maximum: bool = False


def bound_facts(
    *,
    max_input_tokens: int | None = None,
    max_output_tokens: int | None = None,
    max_tokens_per_input_image: int | None = None,
    max_tokens_per_input_sound: int | None = None,
    max_tokens_per_output_image: int | None = None,
    picture_maxima: tuple[PictureMaximum, ...] = (),
    is_reasoning: bool = False,
    output_limit_includes_reasoning: bool = True,
    reasoning_maximum_tokens: int | None = None,
    enforces_output_maximum: bool = True,
) -> BoundFacts:
    """Facts of a model (limits, None where unstated) and of one of its channels (the booleans).

    A maximum that nobody states cannot be enforced, so then the number is always sent upstream.
    A sound of unstated maximum may fill the window: its length is only known to whoever decodes
    it, and usage above a smaller guess would not be believed, so not be billed.
    """
    output = UNSTATED_OUTPUT_TOKENS if max_output_tokens is None else max_output_tokens
    picture = _stated(max_tokens_per_output_image, UNSTATED_OUTPUT_IMAGE_TOKENS)
    beside = output if reasoning_maximum_tokens is None else reasoning_maximum_tokens
    adds_reasoning = is_reasoning and not output_limit_includes_reasoning
    window = _stated(max_input_tokens, UNSTATED_WINDOW_TOKENS)
    return BoundFacts(
        max_input_tokens=window,
        max_output_tokens=output,
        max_tokens_per_input_image=_stated(max_tokens_per_input_image, UNSTATED_INPUT_PART_TOKENS),
        max_tokens_per_input_sound=_stated(max_tokens_per_input_sound, window),
        max_tokens_per_output_image=max([picture, *(row.tokens for row in picture_maxima)]),
        picture_maxima=picture_maxima,
        is_reasoning=is_reasoning,
        reasoning_beside_limit_tokens=beside if adds_reasoning else 0,
        enforces_output_maximum=enforces_output_maximum and max_output_tokens is not None,
    )


def dearest_facts(candidates: Iterable[BoundFacts]) -> BoundFacts:
    """Facts whose bound is at least each candidate's: one hold covers every channel tried."""
    rows = tuple(candidates)
    return BoundFacts(
        max_input_tokens=max(row.max_input_tokens for row in rows),
        max_output_tokens=max(row.max_output_tokens for row in rows),
        max_tokens_per_input_image=max(row.max_tokens_per_input_image for row in rows),
        max_tokens_per_input_sound=max(row.max_tokens_per_input_sound for row in rows),
        max_tokens_per_output_image=max(row.max_tokens_per_output_image for row in rows),
        # A table that not all share proves nothing; the overall maximum does.
        picture_maxima=rows[0].picture_maxima
        if len({row.picture_maxima for row in rows}) == 1
        else (),
        is_reasoning=any(row.is_reasoning for row in rows),
        reasoning_beside_limit_tokens=max(row.reasoning_beside_limit_tokens for row in rows),
        enforces_output_maximum=all(row.enforces_output_maximum for row in rows),
    )


def _stated(value: int | None, unstated: int) -> int:
    return unstated if value is None else value
