"""The kinds of model we know, what each must be priced in to be sold, and what a model can do."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.units import Unit


class ModelKind(StrEnum):
    CHAT = "chat"
    EMBEDDING = "embedding"
    IMAGE_GENERATION = "image_generation"
    AUDIO_TRANSCRIPTION = "audio_transcription"
    AUDIO_SPEECH = "audio_speech"
    MODERATION = "moderation"


class Ability(StrEnum):
    VISION = "vision"
    TOOLS = "tools"
    REASONING = "reasoning"
    STRUCTURED_OUTPUT = "structured_output"
    PDF_INPUT = "pdf_input"
    PROMPT_CACHING = "prompt_caching"
    AUDIO_INPUT = "audio_input"


@dataclass(frozen=True)
class KindRow:
    """`must_price` holds sets of units; a sheet must price every unit of at least one set."""

    kind: ModelKind
    is_served: bool
    must_price: tuple[frozenset[Unit], ...]


KINDS = (
    KindRow(ModelKind.CHAT, True, (frozenset({Unit.INPUT, Unit.OUTPUT}),)),
    KindRow(ModelKind.EMBEDDING, True, (frozenset({Unit.INPUT}),)),
    KindRow(
        ModelKind.IMAGE_GENERATION,
        True,
        (frozenset({Unit.INPUT, Unit.IMAGE_OUTPUT}), frozenset({Unit.IMAGE})),
    ),
    KindRow(
        ModelKind.AUDIO_TRANSCRIPTION,
        False,
        (frozenset({Unit.AUDIO_INPUT, Unit.OUTPUT}), frozenset({Unit.AUDIO_SECOND})),
    ),
    KindRow(
        ModelKind.AUDIO_SPEECH,
        False,
        (
            frozenset({Unit.INPUT, Unit.AUDIO_OUTPUT}),
            frozenset({Unit.CHARACTER}),
            frozenset({Unit.AUDIO_SECOND}),
        ),
    ),
    KindRow(ModelKind.MODERATION, False, (frozenset({Unit.INPUT}),)),
)

_ROWS = {row.kind: row for row in KINDS}
SERVED_KINDS = frozenset(row.kind for row in KINDS if row.is_served)


def is_priced(kind: ModelKind, sheet: PriceSheet) -> bool:
    """Whether `sheet` prices what an answer of this kind is billed in (a parent's price counts)."""
    base = sheet.prices_for(0).nanos_per_million  # parents' prices are filled in
    return any(needed <= base.keys() for needed in _ROWS[kind].must_price)
