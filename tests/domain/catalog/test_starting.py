import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import app.domain.catalog.starting as starting
from app.domain.catalog.kinds import SERVED_KINDS, Ability, ModelKind, is_priced
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.starting import starting_models
from app.domain.catalog.units import Unit

ROWS = json.loads(
    Path(starting.__file__).with_name("starting_models.json").read_text(encoding="utf-8")
)
PER_ONE = {
    "usd_per_image": Unit.IMAGE,
    "usd_per_input_second": Unit.AUDIO_SECOND,
    "usd_per_output_second": Unit.AUDIO_SECOND,
}


def exact_nanos(usd: str) -> int:
    nanos = Decimal(usd) * 10**9
    assert nanos == int(nanos)
    return int(nanos)


def test_every_row_becomes_a_model_with_its_own_id():
    models = starting_models()
    assert len(models) == len(ROWS) == 75
    assert [model.name for model in models] == [row["id"] for row in ROWS]
    assert len({model.name for model in models}) == 75


def test_every_price_of_the_file_is_kept_exactly():
    for row, model in zip(ROWS, starting_models(), strict=True):
        own = model.sheet.prices.nanos_per_million
        expected = {unit: exact_nanos(usd) for unit, usd in row["usd_per_million"].items()}
        expected |= {
            unit: exact_nanos(row[name]) * 10**6 for name, unit in PER_ONE.items() if name in row
        }
        assert own == expected, row["id"]
        for stated, tier in zip(row.get("tiers", []), model.sheet.tiers, strict=True):
            assert tier.above_input_tokens == stated["above_input_tokens"]
            assert tier.prices.nanos_per_million == {
                unit: exact_nanos(usd) for unit, usd in stated["usd_per_million"].items()
            }


def test_every_sheet_survives_its_column():
    for model in starting_models():
        assert PriceSheet.from_json(model.sheet.to_json()) == model.sheet


def test_every_served_model_is_priced_for_its_kind():
    unpriced = [
        model.name
        for model in starting_models()
        if model.kind in SERVED_KINDS and not is_priced(model.kind, model.sheet)
    ]
    assert unpriced == []


def test_limits_abilities_and_dates_are_read():
    models = {model.name: model for model in starting_models()}
    assert models["gpt-4o-mini"].max_tokens_per_input_image == 48169
    assert models["gpt-4.1-nano"].retires_on == date(2026, 10, 23)
    assert models["gpt-5"].abilities >= {Ability.VISION, Ability.REASONING}
    assert models["text-embedding-3-large"].embedding_size == 3072
    assert models["gemini-2.5-flash-image"].max_tokens_per_output_image == 1290
    assert models["whisper-1"].kind is ModelKind.AUDIO_TRANSCRIPTION
    assert models["whisper-1"].max_input_tokens is None
