"""The providers we know: rows that can be used as they stand."""

from dataclasses import fields

import pytest

from app.domain.channels.buying import NewChannel, where_it_leads
from app.domain.channels.errors import InvalidChannel, PresetUnknown
from app.domain.channels.models import ChannelModel, StreamUsage
from app.domain.channels.presets import PLAIN, PRESETS, Dialect, ModelFacts, preset_of

NAMED = [pytest.param(preset, id=name) for name, preset in PRESETS.items()]
PRESET_COLUMN = 32


def new(**facts: object) -> NewChannel:
    return NewChannel(**{"name": "main", "api_key": "sk", "models": {"a": "b"}, **facts})


@pytest.mark.parametrize("preset", NAMED)
def test_a_preset_leads_somewhere_or_says_what_is_missing(preset):
    if preset.base_url is None:
        with pytest.raises(InvalidChannel) as refused:
            where_it_leads(new(preset=preset.name))
        assert preset.base_url_hint in refused.value.message
        return
    place = where_it_leads(new(preset=preset.name))
    assert place == (preset, preset.base_url, preset.allow_private)
    assert not preset.base_url.endswith("/")


@pytest.mark.parametrize("preset", NAMED)
def test_a_name_fits_its_column_and_a_command(preset):
    assert PRESETS[preset.name] is preset
    assert preset.name == preset.name.lower()
    assert len(preset.name) <= PRESET_COLUMN
    assert preset.title


def test_every_dialect_has_a_preset():
    assert {preset.dialect for preset in PRESETS.values()} == set(Dialect)


def test_only_a_server_of_ones_own_stops_billing_or_sells_twice_for_nothing():
    """Of a provider who bills, what is not proved is taken for the dearer."""
    for preset in PRESETS.values():
        may_cost = not preset.allow_private
        assert not (may_cost and preset.facts.cancel_stops_billing)
        assert not (may_cost and preset.facts.retry_after_timeout)
        assert preset.facts.stream_usage is not StreamUsage.NEVER


def test_facts_are_those_of_a_channel_model():
    columns = set(ChannelModel.__table__.columns.keys())
    assert {each.name for each in fields(ModelFacts)} == columns - {
        *("id", "channel_id", "model_id", "is_served", "upstream_name")
    }


@pytest.mark.parametrize("name", [None, "plain", "gone-since-the-last-release"])
def test_a_channel_without_a_known_preset_is_plain(name):
    assert preset_of(name) is PLAIN


def test_an_unknown_preset_cannot_be_chosen():
    with pytest.raises(PresetUnknown) as refused:
        where_it_leads(new(preset="opnai", base_url="https://provider.example/v1"))
    assert "openrouter" in refused.value.message


def test_what_is_said_goes_before_the_preset():
    place = where_it_leads(
        new(preset="ollama", base_url="https://models.example/v1/", allow_private=False)
    )
    assert (place.base_url, place.allow_private) == ("https://models.example/v1", False)
