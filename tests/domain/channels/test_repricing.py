"""Setting a sale price: rises wait, losses are refused, a new decision takes the old one back."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Sealer
from app.core.database import db
from app.domain import settings
from app.domain.audit.models import AuditEntry
from app.domain.catalog.errors import NotPriced, SaleBelowCost
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.models import Model, PriceVersion
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet, Tier
from app.domain.catalog.selling import add_model, price_in_force, set_price
from app.domain.catalog.timelines import coming_price, timeline_of
from app.domain.catalog.units import Unit
from app.domain.channels.buying import NewChannel, add_channel, set_cost, set_enabled
from app.domain.channels.costs import dearest_cost
from app.domain.channels.models import Channel
from app.domain.channels.repricing import Decision, When, set_sale_price
from tests.conftest import FrozenTime

SEALER = Sealer((Fernet.generate_key().decode(),))
DAY_S = 86_400


@pytest.fixture
def session(any_app: Flask, frozen_time: FrozenTime) -> Iterator[Session]:
    with any_app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture
def talk(session: Session) -> Model:
    new = NewModel(name="talk", provider="acme", kind=ModelKind.CHAT, sheet=sheet("2"))
    model = add_model(session, new, is_published=True, author="anna", reason="opening")
    session.commit()
    return model


def sheet(input_usd: str, output_usd: str = "8", *tiers: tuple[int, str]) -> PriceSheet:
    return PriceSheet(
        Prices.from_usd(per_million={"input": input_usd, "output": output_usd}),
        tuple(Tier(above, Prices.from_usd(per_million={"input": usd})) for above, usd in tiers),
    )


def channel(session: Session, name: str, cost: PriceSheet | None) -> Channel:
    made = add_channel(
        session,
        NewChannel(
            name=name,
            base_url="https://provider.example/v1",
            api_key="sk-provider",
            models={"talk": "talk"},
        ),
        sealer=SEALER,
    )
    session.refresh(made)
    if cost is not None:
        set_cost(session, channel_model=made.models[0], sheet=cost, author="anna", reason="list")
    return made


def reprice(session: Session, model: Model, new: PriceSheet, **choices: Any) -> Decision | None:
    decision = set_sale_price(
        session,
        **{
            "model": model,
            "sheet": new,
            "when": When.NOTICE,
            "allow_below_cost": False,
            "author": "anna",
            "reason": "news",
            **choices,
        },
    )
    session.commit()
    return decision


def held(session: Session, model: Model, *, days: float = 0) -> PriceSheet | None:
    """The price in force now, or in some days."""
    point = timeline_of(session, model).in_force(clock.now() + timedelta(days=days))
    return None if point is None else point.sheet


def versions(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(PriceVersion)) or 0


def test_a_rise_waits_for_its_notice(session: Session, talk: Model, frozen_time: FrozenTime):
    decision = reprice(session, talk, sheet("3"))
    assert decision is not None
    assert decision.is_rise
    assert decision.effective_at == clock.now() + timedelta(days=7)
    frozen_time.advance(7 * DAY_S - 1)
    assert held(session, talk) == sheet("2")
    frozen_time.advance(1)
    assert held(session, talk) == sheet("3")
    assert price_in_force(session, talk).reason == "news"


def test_the_notice_is_a_setting(session: Session, talk: Model):
    settings.set_value(session, name="price_notice_days", text="30", author="anna", reason="kind")
    reprice(session, talk, sheet("3"))
    assert held(session, talk, days=29.9) == sheet("2")
    assert held(session, talk, days=30) == sheet("3")


@pytest.mark.parametrize(
    "dearer",
    [sheet("2", "8.000000001"), sheet("1", "9"), sheet("2", "8", (1000, "2.1"))],
    ids=["by a nano", "in one unit", "in a tier"],
)
def test_any_unit_of_any_tier_makes_a_rise(session: Session, talk: Model, dearer: PriceSheet):
    decision = reprice(session, talk, dearer)
    assert decision is not None and decision.is_rise
    assert held(session, talk) == sheet("2")


def test_a_rise_told_now_and_any_fall_hold_at_once(session: Session, talk: Model):
    assert reprice(session, talk, sheet("3"), when=When.NOW).is_rise
    assert held(session, talk) == sheet("3")
    assert not reprice(session, talk, sheet("1", "7")).is_rise
    assert held(session, talk) == sheet("1", "7")


def test_the_same_price_is_no_version(session: Session, talk: Model):
    assert reprice(session, talk, sheet("2")) is None
    assert reprice(session, talk, sheet("2"), when=When.NOW) is None
    assert versions(session) == 1
    assert session.scalars(select(AuditEntry)).all() == []


def test_a_rise_that_is_announced_already_is_not_announced_again(
    session: Session, talk: Model, frozen_time: FrozenTime
):
    reprice(session, talk, sheet("3"))
    frozen_time.advance(DAY_S)
    assert reprice(session, talk, sheet("3")) is None
    assert versions(session) == 2
    assert held(session, talk, days=6) == sheet("3")


def test_an_announced_rise_may_be_brought_forward(session: Session, talk: Model):
    reprice(session, talk, sheet("3"))
    decision = reprice(session, talk, sheet("3"), when=When.NOW)
    assert decision is not None and decision.taken_back == ()
    assert held(session, talk) == held(session, talk, days=8) == sheet("3")


def test_the_present_price_takes_an_announced_rise_back(session: Session, talk: Model):
    reprice(session, talk, sheet("3"))
    moment = clock.now() + timedelta(days=7)
    assert coming_price(session, talk, clock.now()).sheet == sheet("3")
    decision = reprice(session, talk, sheet("2"))
    assert decision is not None and decision.taken_back == (moment,)
    assert held(session, talk, days=8) == sheet("2")
    assert coming_price(session, talk, clock.now()) is None


def test_a_fall_takes_an_announced_rise_back(session: Session, talk: Model):
    reprice(session, talk, sheet("3"))
    reprice(session, talk, sheet("1"))
    assert held(session, talk) == held(session, talk, days=8) == sheet("1")


def test_a_later_rise_moves_the_announced_one(
    session: Session, talk: Model, frozen_time: FrozenTime
):
    reprice(session, talk, sheet("3"))
    frozen_time.advance(5 * DAY_S)
    reprice(session, talk, sheet("4"))
    assert held(session, talk, days=2) == sheet("2")
    assert held(session, talk, days=6.9) == sheet("2")
    assert held(session, talk, days=7) == sheet("4")
    (change,) = timeline_of(session, talk).changes(clock.now())
    assert change.sheet == sheet("4")


def test_two_rises_announced_in_one_moment_leave_the_second(session: Session, talk: Model):
    reprice(session, talk, sheet("3"))
    reprice(session, talk, sheet("4"))
    assert held(session, talk, days=6.9) == sheet("2")
    assert held(session, talk, days=7) == sheet("4")


def test_a_decision_now_takes_back_everything_that_was_announced(session: Session, talk: Model):
    for days, usd in ((2, "5"), (4, "6")):
        set_price(
            session,
            model=talk,
            sheet=sheet(usd),
            effective_at=clock.now() + timedelta(days=days),
            author="anna",
            reason="twice",
        )
    reprice(session, talk, sheet("3"), when=When.NOW)
    assert {held(session, talk, days=days) == sheet("3") for days in (0, 2, 3, 4, 9)} == {True}


def test_a_price_below_the_dearest_enabled_channel_is_refused(session: Session, talk: Model):
    channel(session, "cheap", sheet("1"))
    channel(session, "dear", sheet("1.9", "9"))
    with pytest.raises(SaleBelowCost) as refused:
        reprice(session, talk, sheet("1.5", "9"))
    assert "input is sold at 1.5 and costs 1.9" in refused.value.message
    assert refused.value.facts["shortfalls"][0] == {
        "unit": "input",
        "above_input_tokens": 0,
        "sale_nanos_per_million": 1_500_000_000,
        "cost_nanos_per_million": 1_900_000_000,
    }
    session.rollback()
    assert versions(session) == 1


def test_a_disabled_channel_and_an_unknown_cost_refuse_nothing(session: Session, talk: Model):
    dear = channel(session, "dear", sheet("9", "9"))
    channel(session, "unknown", None)
    set_enabled(session, channel=dear, is_enabled=False)
    assert dearest_cost(session, talk) is None
    assert reprice(session, talk, sheet("1")) is not None


def test_a_loss_is_sold_when_it_is_meant(session: Session, talk: Model):
    channel(session, "dear", sheet("1.9", "9"))
    decision = reprice(session, talk, sheet("1", "8"), allow_below_cost=True)
    assert decision is not None and decision.is_below_cost
    assert held(session, talk) == sheet("1", "8")


def test_a_new_cost_counts_and_an_old_one_no_more(session: Session, talk: Model):
    made = channel(session, "main", sheet("9", "9"))
    set_cost(
        session, channel_model=made.models[0], sheet=sheet("1", "1"), author="anna", reason="cheap"
    )
    assert dearest_cost(session, talk) == sheet("1", "1")
    assert reprice(session, talk, sheet("1", "1")) is not None


def test_a_price_that_the_kind_is_not_billed_in_is_refused(session: Session, talk: Model):
    with pytest.raises(NotPriced):
        reprice(session, talk, PriceSheet(Prices({Unit.INPUT: 1})))


def test_every_decision_is_in_the_trail_with_both_prices(session: Session, talk: Model):
    reprice(session, talk, sheet("3"))
    (entry,) = session.scalars(select(AuditEntry))
    assert (entry.actor, entry.action) == ("anna", "price_changed")
    assert entry.details["model"] == "talk"
    assert PriceSheet.from_json(entry.details["old"]) == sheet("2")
    assert PriceSheet.from_json(entry.details["new"]) == sheet("3")
    moment = datetime.fromisoformat(entry.details["effective_at"])
    assert moment == clock.now() + timedelta(days=7)


def test_two_decisions_at_once_leave_one_of_them(session: Session, talk: Model):
    """Each takes back what it finds announced, so they must find one another."""
    engine, talk_id = session.get_bind(), talk.id  # a session serves one thread, also to read
    start = threading.Barrier(2)

    def decide(usd: str) -> None:
        with Session(engine) as own:
            start.wait()
            reprice(own, own.get_one(Model, talk_id), sheet(usd))

    threads = [threading.Thread(target=decide, args=(usd,)) for usd in ("3", "4")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.expire_all()
    (change,) = timeline_of(session, talk).changes(clock.now())
    assert change.sheet in (sheet("3"), sheet("4"))
    assert held(session, talk, days=8) == change.sheet
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [len(entry.details["taken_back"]) for entry in entries] == [0, 1]
