"""What can be billed: one frozen list of units, and which price stands in for a missing one."""

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    INPUT = "input"
    CACHED_INPUT = "cached_input"
    CACHE_WRITE = "cache_write"
    CACHE_WRITE_1H = "cache_write_1h"
    OUTPUT = "output"
    IMAGE_INPUT = "image_input"
    CACHED_IMAGE_INPUT = "cached_image_input"
    IMAGE_OUTPUT = "image_output"
    AUDIO_INPUT = "audio_input"
    AUDIO_OUTPUT = "audio_output"
    REASONING = "reasoning"
    IMAGE = "image"
    AUDIO_SECOND = "audio_second"
    CHARACTER = "character"
    SEARCH_UNIT = "search_unit"
    TOOL_CALL = "tool_call"
    REQUEST = "request"


class Side(StrEnum):
    """Where a token unit is counted: in the prompt or in the answer."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True)
class UnitRow:
    """`parent` is the unit whose price holds where this one has none; `side` is None where the
    unit is not a token."""

    unit: Unit
    parent: Unit | None = None
    side: Side | None = None

    @property
    def is_token(self) -> bool:
        return self.side is not None


# A parent chain ends at input or output. The hour-long write and the cached picture go through
# their nearest kin first: a sheet that prices writes at 1.25 × input must not sell the dearer
# hour-long write at 1 ×.
UNITS = (
    UnitRow(Unit.INPUT, side=Side.INPUT),
    UnitRow(Unit.CACHED_INPUT, parent=Unit.INPUT, side=Side.INPUT),
    UnitRow(Unit.CACHE_WRITE, parent=Unit.INPUT, side=Side.INPUT),
    UnitRow(Unit.CACHE_WRITE_1H, parent=Unit.CACHE_WRITE, side=Side.INPUT),
    UnitRow(Unit.OUTPUT, side=Side.OUTPUT),
    UnitRow(Unit.IMAGE_INPUT, parent=Unit.INPUT, side=Side.INPUT),
    UnitRow(Unit.CACHED_IMAGE_INPUT, parent=Unit.IMAGE_INPUT, side=Side.INPUT),
    UnitRow(Unit.IMAGE_OUTPUT, parent=Unit.OUTPUT, side=Side.OUTPUT),
    UnitRow(Unit.AUDIO_INPUT, parent=Unit.INPUT, side=Side.INPUT),
    UnitRow(Unit.AUDIO_OUTPUT, parent=Unit.OUTPUT, side=Side.OUTPUT),
    UnitRow(Unit.REASONING, parent=Unit.OUTPUT, side=Side.OUTPUT),
    UnitRow(Unit.IMAGE),
    UnitRow(Unit.AUDIO_SECOND),
    UnitRow(Unit.CHARACTER),
    UnitRow(Unit.SEARCH_UNIT),
    UnitRow(Unit.TOOL_CALL),
    UnitRow(Unit.REQUEST),
)

PARENTS = {row.unit: row.parent for row in UNITS}
TOKEN_UNITS = frozenset(row.unit for row in UNITS if row.is_token)
INPUT_UNITS = frozenset(row.unit for row in UNITS if row.side is Side.INPUT)
OUTPUT_UNITS = frozenset(row.unit for row in UNITS if row.side is Side.OUTPUT)
