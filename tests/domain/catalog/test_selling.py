"""What is sold: a model comes with its price, a price is never changed, only followed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.catalog.errors import ModelExists, ModelUnknown, NotPriced
from app.domain.catalog.kinds import SERVED_KINDS, ModelKind
from app.domain.catalog.models import Model, PriceVersion
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet, Tier
from app.domain.catalog.selling import (
    REVISION,
    add_model,
    find_model,
    import_starting_models,
    price_in_force,
    set_price,
)
from app.domain.catalog.units import Unit
from app.domain.settings.models import Revision
from tests.conftest import NOW_S, FrozenTime

pytestmark = pytest.mark.usefixtures("frozen_time")

NOW = datetime.fromtimestamp(NOW_S, UTC)


def sheet(input_usd: str = "1", output_usd: str | None = "2") -> PriceSheet:
    prices = {"input": input_usd} | ({"output": output_usd} if output_usd else {})
    return PriceSheet(Prices.from_usd(per_million=prices))


def add(session: Session, name: str = "talk", **facts: Any) -> Model:
    new = NewModel(
        **{"name": name, "provider": "acme", "kind": ModelKind.CHAT, "sheet": sheet(), **facts}
    )
    return add_model(session, new, is_published=True, author="anna", reason="opening")


def price(session: Session, model: Model, input_usd: str, *, after_s: float = 0) -> PriceVersion:
    return set_price(
        session,
        model=model,
        sheet=sheet(input_usd),
        effective_at=NOW + timedelta(seconds=after_s),
        author="anna",
        reason="new list price",
    )


def revision(session: Session) -> int:
    number = session.scalar(select(Revision.number).where(Revision.subject == REVISION))
    return number or 0


def count(session: Session, table: type[Model] | type[PriceVersion]) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def input_price(version: PriceVersion | None) -> int | None:
    assert version is not None
    return PriceSheet.from_json(version.sheet).prices.price_of(Unit.INPUT)


def test_a_model_is_added_with_its_facts_and_its_first_price_in_force(session: Session):
    add(
        session,
        abilities=("vision", "tools"),
        max_input_tokens=1_000,
        max_output_tokens=200,
        retires_on=date(2027, 1, 2),
    )
    session.commit()
    model = find_model(session, "talk")
    assert (model.provider, model.kind, model.is_published) == ("acme", ModelKind.CHAT, True)
    assert (model.abilities, model.allows_trial) == (["tools", "vision"], True)
    assert (model.max_input_tokens, model.max_output_tokens) == (1_000, 200)
    assert (model.retires_on, model.created_at) == (date(2027, 1, 2), NOW)
    version = price_in_force(session, model)
    assert version is not None
    assert (version.author, version.reason, version.effective_at) == ("anna", "opening", NOW)
    assert PriceSheet.from_json(version.sheet) == sheet()


def test_a_name_is_sold_once(session: Session):
    add(session)
    with pytest.raises(ModelExists):
        add(session, provider="other")
    assert (count(session, Model), count(session, PriceVersion)) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "too_little"),
    [
        (ModelKind.CHAT, sheet(output_usd=None)),
        (ModelKind.EMBEDDING, PriceSheet(Prices({}))),
        (ModelKind.IMAGE_GENERATION, sheet(output_usd=None)),
    ],
)
def test_a_model_without_the_prices_it_is_billed_in_is_refused(session: Session, kind, too_little):
    with pytest.raises(NotPriced):
        add(session, kind=kind, sheet=too_little)
    session.rollback()
    assert count(session, Model) == 0


def test_an_unpriced_sheet_leaves_the_price_in_force(session: Session):
    model = add(session)
    before = revision(session)
    with pytest.raises(NotPriced):
        set_price(
            session,
            model=model,
            sheet=sheet(output_usd=None),
            effective_at=NOW,
            author="anna",
            reason="slip",
        )
    assert (count(session, PriceVersion), revision(session)) == (1, before)


def test_a_new_price_leaves_the_earlier_ones(session: Session):
    model = add(session)
    price(session, model, "3")
    sheets = session.scalars(select(PriceVersion.sheet).order_by(PriceVersion.id)).all()
    assert [PriceSheet.from_json(text) for text in sheets] == [sheet("1"), sheet("3")]


def test_of_two_prices_at_one_moment_the_later_made_is_in_force(session: Session):
    model = add(session)
    price(session, model, "3")
    price(session, model, "4")
    assert input_price(price_in_force(session, model)) == 4_000_000_000


def test_a_price_comes_into_force_at_its_moment(session: Session, frozen_time: FrozenTime):
    model = add(session)
    price(session, model, "3", after_s=60)
    frozen_time.advance(59.5)
    assert input_price(price_in_force(session, model)) == 1_000_000_000
    frozen_time.advance(0.5)
    assert input_price(price_in_force(session, model)) == 3_000_000_000


def test_a_price_made_later_for_an_earlier_moment_does_not_win(session: Session):
    model = add(session)
    price(session, model, "3", after_s=-60)
    assert input_price(price_in_force(session, model)) == 1_000_000_000


def test_prices_of_one_model_are_not_anothers(session: Session):
    talk, other = add(session), add(session, "other", sheet=sheet("9"))
    price(session, talk, "3")
    assert input_price(price_in_force(session, other)) == 9_000_000_000


def test_a_tiered_sheet_survives_its_row(session: Session):
    tiered = PriceSheet(
        Prices.from_usd(per_million={"input": "1.25", "output": "10"}),
        (Tier(200_000, Prices.from_usd(per_million={"input": "2.5"})),),
    )
    version = price_in_force(session, add(session, sheet=tiered))
    assert version is not None
    assert PriceSheet.from_json(version.sheet) == tiered


def test_every_change_bumps_the_revision(session: Session):
    before = revision(session)
    model = add(session)
    added = revision(session)
    price(session, model, "3")
    assert before < added < revision(session)


def test_an_unknown_name_is_refused_by_name(session: Session):
    with pytest.raises(ModelUnknown, match="'nothing'"):
        find_model(session, "nothing")


def test_the_starting_catalogue_is_imported_once(session: Session):
    assert import_starting_models(session, author="anna") == 75
    session.commit()
    number = revision(session)
    assert import_starting_models(session, author="anna") == 0
    assert (count(session, Model), count(session, PriceVersion)) == (75, 75)
    assert revision(session) == number


def test_an_import_adds_what_is_missing_and_leaves_what_is_there(session: Session):
    add(session, "gpt-4o", sheet=sheet("7"))
    assert import_starting_models(session, author="anna") == 74
    mine = find_model(session, "gpt-4o")
    assert mine.provider == "acme"
    assert input_price(price_in_force(session, mine)) == 7_000_000_000


def test_imported_prices_are_exact(session: Session):
    import_starting_models(session, author="anna")
    assert starting_price(session, "gpt-4o") == {
        Unit.INPUT: 2_500_000_000,
        Unit.CACHED_INPUT: 1_250_000_000,
        Unit.OUTPUT: 10_000_000_000,
    }
    assert starting_price(session, "deepseek-chat") == {
        Unit.INPUT: 280_000_000,
        Unit.CACHED_INPUT: 28_000_000,
        Unit.OUTPUT: 420_000_000,
    }


def starting_price(session: Session, name: str) -> dict[Unit, int]:
    version = price_in_force(session, find_model(session, name))
    assert version is not None
    assert version.author == "anna"
    return dict(PriceSheet.from_json(version.sheet).prices.nanos_per_million)


def test_kinds_that_are_not_served_are_imported_unpublished(session: Session):
    import_starting_models(session, author="anna")
    models = session.scalars(select(Model)).all()
    hidden = {model.name for model in models if not model.is_published}
    assert hidden == {"whisper-1", "gpt-4o-mini-tts", "gpt-4o-transcribe", "omni-moderation-latest"}
    assert hidden == {model.name for model in models if model.kind not in SERVED_KINDS}


def test_imported_models_keep_the_date_they_retire_on(session: Session):
    import_starting_models(session, author="anna")
    past = select(Model.name).where(Model.retires_on <= clock.now().date())
    assert set(session.scalars(past)) == {
        "gpt-4.1-nano",
        "o4-mini",
        "gpt-image-1",
        "deepseek-chat",
        "deepseek-reasoner",
    }
    assert find_model(session, "gpt-4o").retires_on is None
