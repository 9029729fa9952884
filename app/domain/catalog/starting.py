"""The starting catalogue: public list prices as published in October 2026, shipped as a file.

Only facts: which rows are published, retired or unserved is decided by whoever imports them.
"""

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from app.domain.catalog.kinds import Ability, ModelKind
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet, Tier
from app.domain.catalog.units import Unit

_FILE = Path(__file__).with_name("starting_models.json")

# The file's names of prices per one, and our unit; heard and spoken seconds are one unit.
_PER_ONE = {
    "usd_per_image": Unit.IMAGE,
    "usd_per_input_second": Unit.AUDIO_SECOND,
    "usd_per_output_second": Unit.AUDIO_SECOND,
}


@cache
def starting_models() -> tuple[NewModel, ...]:
    """Every model of the file, in its order."""
    return tuple(_model(row) for row in json.loads(_FILE.read_text(encoding="utf-8")))


def _model(row: dict[str, Any]) -> NewModel:
    retires_on = row.get("retires_on")
    return NewModel(
        name=row["id"],
        provider=row["provider"],
        kind=ModelKind(row["kind"]),
        sheet=_price_sheet(row),
        max_input_tokens=row.get("max_input_tokens"),
        max_output_tokens=row.get("max_output_tokens"),
        embedding_size=row.get("embedding_size"),
        max_tokens_per_input_image=row.get("max_tokens_per_input_image"),
        max_tokens_per_output_image=row.get("max_tokens_per_output_image"),
        abilities=frozenset(Ability(ability) for ability in row.get("abilities", ())),
        retires_on=date.fromisoformat(retires_on) if retires_on else None,
    )


def _price_sheet(row: dict[str, Any]) -> PriceSheet:
    per_one: dict[str, str] = {unit: row[name] for name, unit in _PER_ONE.items() if name in row}
    tiers = tuple(
        Tier(tier["above_input_tokens"], Prices.from_usd(per_million=tier["usd_per_million"]))
        for tier in row.get("tiers", ())
    )
    return PriceSheet(Prices.from_usd(per_million=row["usd_per_million"], per_one=per_one), tiers)
