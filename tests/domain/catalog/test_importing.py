"""Public price lists: read exactly, in our words; what is broken is passed over by name."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.catalog.errors import InvalidPriceList
from app.domain.catalog.importing import (
    ListedModel,
    ListFormat,
    PriceList,
    SkipReason,
    files,
    read_price_list,
)
from app.domain.catalog.kinds import Ability, ModelKind
from app.domain.catalog.pricing import Prices, PriceSheet, Tier
from app.domain.catalog.units import Unit

SAMPLES = Path(__file__).with_name("samples")
LITELLM = (SAMPLES / "litellm.json").read_bytes()
MODELS_DEV = (SAMPLES / "models_dev.json").read_bytes()

WORDS = st.sampled_from(
    ["", "range", "input", "tier", "size", "chat", "text", "2026-11-24", "\u0000"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
LITELLM_MEMBERS = (
    "mode", "input_cost_per_token", "output_cost_per_token", "max_input_tokens",
    "deprecation_date", "tiered_pricing", "input_cost_per_token_above_200k_tokens",
    "input_cost_per_token_above_0k_tokens", "supports_vision",
)  # fmt: skip
MODELS_DEV_MEMBERS = ("id", "cost", "limit", "modalities", "status", "reasoning")


def by_key(price_list: PriceList) -> dict[str, ListedModel]:
    return {model.key: model for model in price_list.models}


def reasons(price_list: PriceList) -> dict[str, SkipReason]:
    return {skipped.key: skipped.reason for skipped in price_list.skipped}


def usd(*tiers: tuple[int, dict[str, str]], **prices: str) -> PriceSheet:
    return PriceSheet(
        Prices.from_usd(per_million=prices),
        tuple(Tier(above, Prices.from_usd(per_million=tier)) for above, tier in tiers),
    )


def read_one(entry: Any) -> PriceList:
    """A LiteLLM file of one good entry and `entry`."""
    document = {"good": json.loads(LITELLM)["gpt-4o"], "odd": entry}
    return read_price_list(json.dumps(document).encode())


def with_number(text: str) -> PriceList:
    """A LiteLLM file whose only price of input is this very text."""
    entry = '{"litellm_provider":"x","mode":"chat","output_cost_per_token":1e-6'
    return read_price_list(f'{{"m":{entry},"input_cost_per_token":{text}}}}}'.encode())


def test_litellms_prices_are_read_exactly_per_million():
    sheet = by_key(read_price_list(LITELLM))["gpt-4o"].sheet
    assert sheet == usd(input="2.5", cached_input="1.25", output="10")


def test_litellms_tiers_stand_in_the_names_of_members():
    models = by_key(read_price_list(LITELLM))
    assert models["gpt-5.4"].sheet == usd(
        (272_000, {"input": "5", "cached_input": "0.5", "output": "22.5"}),
        input="2.5", cached_input="0.25", output="15",
    )  # fmt: skip
    assert models["claude-sonnet-4-5"].sheet == usd(
        (
            200_000,
            {
                "input": "6", "cached_input": "0.6", "cache_write": "7.5", "cache_write_1h": "12",
                "output": "22.5",
            },
        ),
        input="3", cached_input="0.3", cache_write="3.75", cache_write_1h="6", output="15",
    )  # fmt: skip


def test_litellms_ranges_are_tiers_too():
    assert by_key(read_price_list(LITELLM))["dashscope/qwen3-max"].sheet == usd(
        (32_000, {"input": "2.4", "output": "12"}),
        (128_000, {"input": "3", "output": "15"}),
        input="1.2", output="6",
    )  # fmt: skip


def test_litellms_facts_get_our_names():
    models = by_key(read_price_list(LITELLM))
    claude = models["claude-sonnet-4-5"]
    assert (claude.provider, claude.kind) == ("anthropic", ModelKind.CHAT)
    assert (claude.max_input_tokens, claude.max_output_tokens) == (200_000, 64_000)
    assert claude.retires_on == date(2026, 11, 30)
    assert claude.abilities == set(Ability) - {Ability.AUDIO_INPUT}
    assert models["text-embedding-3-small"].embedding_size == 1536
    assert models["gemini/gemini-2.5-flash"].name == "gemini-2.5-flash"
    assert models["azure/gpt-4o"].provider == "azure"
    assert models["omni-moderation-latest"].max_output_tokens is None


def test_litellms_pictures_and_seconds_are_priced_by_the_piece():
    models = by_key(read_price_list(LITELLM))
    assert models["aiml/flux-pro"].sheet == PriceSheet(Prices.from_usd(per_one={"image": "0.065"}))
    assert models["whisper-1"].sheet == PriceSheet(
        Prices.from_usd(per_one={"audio_second": "0.0001"})
    )
    assert models["gpt-image-1"].sheet == usd(
        input="5", cached_input="1.25", image_input="10", image_output="40"
    )


def test_what_litellm_lists_and_we_cannot_use_is_told():
    assert reasons(read_price_list(LITELLM)) == {
        "sample_spec": SkipReason.OTHER_KIND,
        "1024-x-1024/dall-e-2": SkipReason.NOT_PRICED,
        "gpt-5.3-codex": SkipReason.OTHER_KIND,
        "gradient_ai/alibaba-qwen3-32b": SkipReason.NOT_PRICED,
        "vertex_ai/meta/llama-3.1-70b-instruct-maas": SkipReason.FREE,
    }


def test_models_devs_prices_and_facts_get_our_names():
    models = by_key(read_price_list(MODELS_DEV))
    gpt = models["openai/gpt-4o"]
    assert gpt.sheet == by_key(read_price_list(LITELLM))["gpt-4o"].sheet
    assert (gpt.name, gpt.provider, gpt.kind) == ("gpt-4o", "openai", ModelKind.CHAT)
    assert (gpt.max_input_tokens, gpt.max_output_tokens) == (128_000, 16_384)
    assert gpt.abilities == {
        Ability.VISION, Ability.TOOLS, Ability.STRUCTURED_OUTPUT, Ability.PDF_INPUT,
        Ability.PROMPT_CACHING,
    }  # fmt: skip
    assert models["google/gemini-2.5-pro"].provider == "gemini"
    assert models["openai/gpt-5.4"].max_input_tokens == 922_000


def test_models_devs_tier_with_a_bound_wins_over_the_old_member():
    models = by_key(read_price_list(MODELS_DEV))
    assert models["openai/gpt-5.4"].sheet.tiers == (
        Tier(272_000, usd(input="5", cached_input="0.5", output="22.5").prices),
    )
    assert models["google/gemini-2.5-pro"].sheet.tiers == (
        Tier(200_000, usd(input="2.5", cached_input="0.25", output="15").prices),
    )


def test_models_devs_kinds_are_told_by_what_goes_in_and_out():
    models = by_key(read_price_list(MODELS_DEV))
    kinds = {key: model.kind for key, model in models.items()}
    assert kinds["openai/text-embedding-3-small"] is ModelKind.EMBEDDING
    assert models["openai/text-embedding-3-small"].max_output_tokens is None
    assert kinds["google/gemini-2.5-flash-image"] is ModelKind.IMAGE_GENERATION
    assert kinds["google/gemini-2.5-flash-preview-tts"] is ModelKind.AUDIO_SPEECH
    assert kinds["openai/whisper-1"] is ModelKind.AUDIO_TRANSCRIPTION
    assert models["openai/whisper-1"].sheet.prices.price_of(Unit.AUDIO_SECOND) == 10**11


def test_what_models_dev_lists_and_we_cannot_use_is_told():
    assert reasons(read_price_list(MODELS_DEV)) == {
        "openai/gpt-4.5-preview": SkipReason.WITHDRAWN,
        "google/veo-3.1-generate-preview": SkipReason.NOT_PRICED,
        "github-copilot/gpt-4o": SkipReason.FREE,
    }


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("2.5e-06", 2_500_000_000),
        ("0.0000025", 2_500_000_000),
        ("1E-7", 100_000_000),
        ("5.46875e-07", 546_875_000),
        ("6.6666666666666667e-08", 66_666_667),
        ("1e-29", 1),
        ("1", 10**15),
    ],
)
def test_a_price_is_never_a_float_and_rounds_up(text, nanos):
    (model,) = with_number(text).models
    assert model.sheet.prices.price_of(Unit.INPUT) == nanos


@pytest.mark.parametrize(
    "text",
    ["-1e-6", "1.1", "1e999999999", "1e-999999999", "9" * 5000, "NaN", "Infinity", '"1e-6"',
     "true", "[]", "{}", "1e-" + "0" * 60 + "6", "1e" + "9" * 20, "1e-" + "9" * 20],
)  # fmt: skip
def test_a_price_that_none_can_be_breaks_its_entry_alone(text):
    price_list = with_number(text)
    assert reasons(price_list) == {"m": SkipReason.BROKEN}


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        "text",
        {"litellm_provider": 5, "mode": "chat"},
        {"litellm_provider": "x", "mode": ["chat"]},
        {"litellm_provider": "x"},
        {
            "litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1e-6,
            "output_cost_per_token": 1e-6, "input_cost_per_token_above_0k_tokens": 1e-6,
        },
        {"litellm_provider": "x", "mode": "chat", "tiered_pricing": {}},
        {"litellm_provider": "x", "mode": "chat", "tiered_pricing": [{"range": [1]}]},
        {"litellm_provider": "two words", "mode": "embedding", "input_cost_per_token": 1e-6},
        {
            "litellm_provider": "x", "mode": "embedding", "input_cost_per_token": 1e-6,
            "deprecation_date": "soon",
        },
        {
            "litellm_provider": "x", "mode": "embedding", "input_cost_per_token": 1e-6,
            "max_input_tokens": 1.5,
        },
        {
            "litellm_provider": "x", "mode": "embedding", "input_cost_per_token": 1e-6,
            "input_cost_per_request": 0.01,
        },
    ],
)  # fmt: skip
def test_a_broken_entry_is_passed_over_and_the_others_are_read(entry):
    price_list = read_one(entry)
    assert set(by_key(price_list)) == {"good"}
    assert set(reasons(price_list)) == {"odd"}


@pytest.mark.parametrize("key", ["gpt\x1b[2J", "gpt\n", "gpt 4", "gpt\u202e4", ""])
def test_key_that_would_steer_a_terminal_is_passed_over_and_told_without_it(key: str):
    document = json.loads(MODELS_DEV)
    models = document["openai"]["models"]
    models[key] = models["gpt-4o"]
    price_list = read_price_list(json.dumps(document).encode())
    assert all(model.key.isprintable() for model in price_list.models)
    assert all(skipped.key.isprintable() for skipped in price_list.skipped)
    assert "openai/gpt-4o" in by_key(price_list)


@given(st.dictionaries(st.sampled_from(LITELLM_MEMBERS), JSON))
def test_no_entry_of_litellm_spoils_its_file(members):
    entry = json.loads(LITELLM)["gpt-4o"] | members
    assert "good" in by_key(read_one(entry))


@given(st.dictionaries(st.sampled_from(MODELS_DEV_MEMBERS), JSON))
def test_no_entry_of_models_dev_spoils_its_file(members):
    document = json.loads(MODELS_DEV)
    document["openai"]["models"]["gpt-4o"] |= members
    price_list = read_price_list(json.dumps(document).encode())
    assert "openai/gpt-5.4" in by_key(price_list)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"{", b"nonsense", b'{"a": 1}', b'{"data": {"models": []}}',
     b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 100_000],
)  # fmt: skip
def test_a_file_of_another_shape_is_refused(content):
    with pytest.raises(InvalidPriceList):
        read_price_list(content)


def test_a_file_named_as_the_other_format_is_refused():
    with pytest.raises(InvalidPriceList):
        read_price_list(LITELLM, list_format=ListFormat.MODELS_DEV)
    assert read_price_list(LITELLM, list_format=ListFormat.LITELLM).models


def test_a_file_that_is_too_large_is_not_decoded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "LARGEST_BYTES", 10)
    with pytest.raises(InvalidPriceList, match="larger than"):
        read_price_list(LITELLM)


def test_a_provider_without_models_is_told():
    document = json.loads(MODELS_DEV) | {"empty": {"id": "empty"}}
    assert reasons(read_price_list(json.dumps(document).encode()))["empty"] is SkipReason.BROKEN
