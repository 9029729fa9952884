"""A model before it is in the catalogue: from a command, the starting catalogue, a price list."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.pricing import PriceSheet


@dataclass(frozen=True, slots=True, kw_only=True)
class NewModel:
    """What is known of a model when it is added; limits are tokens, None where unstated."""

    name: str
    provider: str
    kind: ModelKind
    sheet: PriceSheet
    abilities: Collection[str] = ()
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    max_tokens_per_input_image: int | None = None
    max_tokens_per_output_image: int | None = None
    embedding_size: int | None = None
    retires_on: date | None = None
