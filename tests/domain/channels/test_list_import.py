"""A price list beside the catalogue: what is added, corrected, repriced, and what it costs us."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Sealer
from app.core.database import db
from app.domain import settings
from app.domain.catalog.importing import ListedModel, PriceList, Skipped, SkipReason
from app.domain.catalog.kinds import Ability, ModelKind
from app.domain.catalog.models import Model
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import add_model, find_model
from app.domain.catalog.timelines import timeline_of
from app.domain.channels.buying import NewChannel, add_channel
from app.domain.channels.costs import channel_costs, dearest_cost
from app.domain.channels.list_import import plan_import
from app.domain.channels.list_plan import Choices, ImportPlan
from app.domain.channels.list_writing import write_import
from app.domain.channels.models import Channel
from tests.conftest import FrozenTime

SEALER = Sealer((Fernet.generate_key().decode(),))


@pytest.fixture
def session(any_app: Flask, frozen_time: FrozenTime) -> Iterator[Session]:
    with any_app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


def sheet(input_usd: str, output_usd: str) -> PriceSheet:
    return PriceSheet(Prices.from_usd(per_million={"input": input_usd, "output": output_usd}))


def listed(name: str, *, provider: str = "acme", **more: Any) -> ListedModel:
    return ListedModel(
        **{
            "key": f"{provider}/{name}",
            "name": name,
            "provider": provider,
            "kind": ModelKind.CHAT,
            "sheet": sheet("1", "2"),
            **more,
        }
    )


def known(session: Session, name: str, *, price: PriceSheet | None = None, **more: Any) -> Model:
    new = NewModel(
        name=name, provider="acme", kind=ModelKind.CHAT, sheet=price or sheet("1.2", "2.4"), **more
    )
    return add_model(session, new, is_published=True, author="anna", reason="opening")


def channel(session: Session, **models: str) -> Channel:
    new = NewChannel(
        name="main", base_url="https://provider.example/v1", api_key="sk-key", models=models
    )
    return add_channel(session, new, sealer=SEALER)


def plan(session: Session, *models: ListedModel, **choices: Any) -> ImportPlan:
    return plan_import(session, PriceList(models, ()), Choices(**choices))


def apply(session: Session, planned: ImportPlan) -> None:
    write_import(session, planned, author="anna", reason="list of November")
    session.commit()


def held(session: Session, name: str) -> PriceSheet | None:
    """The price in force now."""
    point = timeline_of(session, find_model(session, name)).in_force(clock.now())
    return None if point is None else point.sheet


def test_a_new_model_is_sold_at_list_price_and_its_mark_up(session: Session):
    settings.set_value(
        session, name="provider_markups", text="acme=0.5", author="anna", reason="dear"
    )
    settings.set_value(session, name="model_markups", text="b=0", author="anna", reason="cheap")
    planned = plan(session, listed("a"), listed("b"), listed("c", provider="other"))
    assert {one.listed.name: one.sale for one in planned.additions} == {
        "a": sheet("1.5", "3"),
        "b": sheet("1", "2"),
        "c": sheet("1.2", "2.4"),
    }
    apply(session, planned)
    assert held(session, "a") == sheet("1.5", "3")


def test_facts_are_corrected_and_what_the_list_leaves_out_stays(session: Session):
    known(session, "a", abilities=("tools", "vision"), max_input_tokens=9, max_output_tokens=8)
    planned = plan(
        session,
        listed(
            "a",
            abilities=frozenset({Ability.REASONING}),
            lacks=frozenset({Ability.VISION}),
            max_output_tokens=16,
            retires_on=date(2027, 1, 1),
        ),
    )
    (change,) = planned.facts
    assert change.changes == {
        "abilities": (["tools", "vision"], ["reasoning", "tools"]),
        "max_output_tokens": (8, 16),
        "retires_on": (None, date(2027, 1, 1)),
    }
    apply(session, planned)
    model = find_model(session, "a")
    assert (model.max_input_tokens, model.max_output_tokens) == (9, 16)


def test_a_price_stays_unless_it_is_asked_for(session: Session):
    known(session, "a", price=sheet("9", "9"))
    planned = plan(session, listed("a"))
    assert planned.is_empty
    assert (planned.other_prices, planned.unchanged) == (1, 1)


def test_an_asked_for_rise_is_announced_and_a_fall_holds_at_once(session: Session):
    known(session, "up", price=sheet("1", "2"))
    known(session, "down", price=sheet("5", "5"))
    planned = plan(session, listed("up"), listed("down"), sets_prices=True)
    assert {one.model.name: one.decision.waits for one in planned.prices} == {
        "up": True,
        "down": False,
    }
    apply(session, planned)
    assert held(session, "up") == sheet("1", "2")
    assert held(session, "down") == sheet("1.2", "2.4")
    assert plan(session, listed("up"), listed("down"), sets_prices=True).is_empty


def test_costs_are_written_for_what_the_channel_serves_by_its_name_there(session: Session):
    for name in ("a", "b", "c"):
        known(session, name)
    served = channel(session, a="a-2026", b="b")
    planned = plan(
        session,
        listed("a-2026", provider="other", sheet=sheet("0.5", "1")),
        listed("b", provider="reseller", sheet=sheet("0.7", "1")),
        listed("b", sheet=sheet("0.6", "1")),
        listed("c"),
        as_cost=served,
    )
    assert {one.model_name: one.new for one in planned.costs} == {
        "a": sheet("0.5", "1"),
        "b": sheet("0.6", "1"),
    }
    apply(session, planned)
    assert dearest_cost(session, find_model(session, "a")) == sheet("0.5", "1")
    assert plan(session, listed("b", sheet=sheet("0.6", "1")), as_cost=served).costs == ()
    (cost,) = channel_costs(session)[find_model(session, "b").id]
    assert (cost.channel_name, cost.upstream_name, cost.is_enabled) == ("main", "b", True)


def test_prices_are_judged_by_the_costs_of_the_same_import(session: Session):
    known(session, "a", price=sheet("9", "9"))
    served = channel(session, a="dear-a")
    planned = plan(
        session,
        listed("a"),
        listed("dear-a", provider="other", sheet=sheet("5", "5")),
        sets_prices=True,
        as_cost=served,
    )
    assert planned.prices == ()
    ((name, why),) = planned.refused_prices
    assert name == "a"
    assert "input is sold at 1.2 and costs 5" in why
    apply(session, planned)
    assert held(session, "a") == sheet("9", "9")


def test_a_name_is_one_model_of_one_provider(session: Session):
    known(session, "a")
    planned = plan(
        session,
        listed("a", provider="other"),
        listed("a"),
        listed("new", provider="first"),
        listed("new", provider="second"),
    )
    assert [one.listed.provider for one in planned.additions] == ["first"]
    assert {(one.key, one.reason) for one in planned.skipped} == {
        ("other/a", SkipReason.OTHER_PROVIDER),
        ("second/new", SkipReason.REPEATED),
    }


def test_of_several_sellers_the_maker_is_taken_else_the_plain_name_else_the_first(
    session: Session,
):
    planned = plan(
        session,
        listed("gpt-9", provider="azure"),
        listed("gpt-9", provider="openai"),
        listed("free", provider="x"),
        listed("free", provider="y", key="free"),
        listed("twice", provider="x"),
        listed("twice", provider="y"),
    )
    assert {one.listed.name: one.listed.provider for one in planned.additions} == {
        "gpt-9": "openai",
        "free": "y",
        "twice": "x",
    }


def test_only_kinds_that_are_served_are_published(session: Session):
    moderation = listed("m", kind=ModelKind.MODERATION)
    planned = plan(session, listed("a"), moderation, publishes=True)
    assert {one.listed.name: one.is_published for one in planned.additions} == {
        "a": True,
        "m": False,
    }


def test_what_is_not_asked_for_is_not_even_skipped(session: Session):
    skipped = (
        Skipped("acme/old", "acme", SkipReason.BROKEN),
        Skipped("other/old", "other", SkipReason.BROKEN),
    )
    price_list = PriceList((listed("a"), listed("b"), listed("a", provider="other")), skipped)
    choices = Choices(providers=frozenset({"acme"}), only="[ao]*")
    planned = plan_import(session, price_list, choices)
    assert [one.listed.name for one in planned.additions] == ["a"]
    assert [one.key for one in planned.skipped] == ["acme/old"]
