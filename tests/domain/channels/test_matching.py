"""Which of a provider's models we sell: by the very name, never by likeness."""

import pytest
from sqlalchemy.orm import Session

from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import add_model
from app.domain.channels.matching import matches, sold_models_among, sold_names

SOLD = [("gpt-4o", "openai"), ("vendor/talk", "vendor")]


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ({"gpt-4o"}, {"gpt-4o": "gpt-4o"}),
        ({"openai/gpt-4o"}, {"gpt-4o": "openai/gpt-4o"}),
        ({"openai/gpt-4o", "gpt-4o"}, {"gpt-4o": "gpt-4o"}),
        ({"vendor/talk"}, {"vendor/talk": "vendor/talk"}),
        ({"someone/gpt-4o", "gpt-4o-mini", "GPT-4o", "talk", "gpt-4o:free"}, {}),
        (set(), {}),
    ],
)
def test_a_model_is_known_by_its_name_alone(listed: set[str], found: dict[str, str]):
    assert matches(SOLD, listed) == found


def test_only_what_we_publish_and_serve_is_sold(session: Session):
    sheet = PriceSheet(
        Prices.from_usd(per_million={"input": "1", "output": "2", "audio_output": "3"})
    )
    for name, kind, is_published in (
        ("talk", ModelKind.CHAT, True),
        ("hidden", ModelKind.CHAT, False),
        ("speak", ModelKind.AUDIO_SPEECH, True),
    ):
        new = NewModel(name=name, provider="acme", kind=kind, sheet=sheet)
        add_model(session, new, is_published=is_published, author="anna", reason="opening")
    listed = ["talk", "hidden", "speak", "unknown"]
    assert sold_models_among(session, listed) == {"talk": "talk"}


def test_several_of_ours_may_be_bought_as_one():
    assert sold_names({"a": "x", "b": "x", "c": "y"}) == {"x": ["a", "b"], "y": ["c"]}
