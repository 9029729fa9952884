"""The catalogue on the hot path: prices in force, what is sellable, and when it is read again."""

import logging
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from app.core.crypto import Sealer
from app.core.database import in_session
from app.domain.catalog.kinds import SERVED_KINDS, ModelKind
from app.domain.catalog.models import Model
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import add_model, find_model, import_starting_models, set_price
from app.domain.channels import buying
from app.domain.channels.buying import NewChannel, add_channel, find_channel
from app.domain.channels.models import ChannelModel, StreamUsage
from app.domain.channels.offers import Offer, OfferBook, Price, PriceHistory
from app.domain.channels.stream_usage import StoreStreamUsage
from app.domain.settings.revisions import RevisionWatch
from app.services import services
from tests.conftest import FrozenTime
from tests.factories import make_route

API_KEY = "sk-provider-canary-7f3a"
SEALING_KEY, LOST_KEY = (Fernet.generate_key().decode() for _ in range(2))
SHEET = PriceSheet(Prices.from_usd(per_million={"input": "1", "output": "2"}))
RETIRES_ON = date(2026, 12, 1)
MIDNIGHT_MS = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * 1_000
LONG_S = 3_600.0

ROUTE = make_route(channel_name="main", api_key=API_KEY)
OFFER = Offer(
    model_id=1,
    name="talk",
    provider="acme",
    kind=ModelKind.CHAT,
    abilities=frozenset(),
    max_input_tokens=None,
    max_output_tokens=None,
    max_tokens_per_input_image=None,
    max_tokens_per_output_image=None,
    allows_trial=True,
    retires_on=None,
    created_s=0,
    prices=PriceHistory.of([Price(1, 0, SHEET)]),
    routes=(ROUTE,),
)


class Stock:
    """A catalogue with ``talk`` on ``main``, and a book over it whose watch is told the time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now_s = 0.0
        self.sealer = Sealer((SEALING_KEY,))
        watch = RevisionWatch(engine, now=lambda: self.now_s)
        self.book = OfferBook(engine, sealer=self.sealer, revisions=watch)
        with Session(engine) as session:
            self.add_model(session, "talk")
            self.add_channel(session, "main")
            session.commit()

    def add_model(self, session: Session, name: str, **facts: Any) -> None:
        is_published = facts.pop("is_published", True)
        new = NewModel(name=name, provider="acme", kind=ModelKind.CHAT, sheet=SHEET, **facts)
        add_model(session, new, is_published=is_published, author="anna", reason="opening")

    def add_channel(self, session: Session, name: str, **facts: Any) -> None:
        sealer = facts.pop("sealer", self.sealer)
        new = NewChannel(
            **{
                "name": name,
                "base_url": f"https://{name}.example/v1",
                "api_key": API_KEY,
                "models": {"talk": "talk"},
                **facts,
            }
        )
        add_channel(session, new, sealer=sealer)

    def channels_of_talk(self) -> list[str]:
        return [route.channel_name for route in self.book.offers()["talk"].routes]


@pytest.fixture
def stock(app: Flask) -> Stock:
    return Stock(services(app).engine)


@given(st.lists(st.integers(0, 6), max_size=6), st.integers(-1, 7), st.randoms())
def test_the_price_in_force_is_the_latest_reached_and_of_one_moment_the_later_made(
    moments: list[int], at_ms: int, random: Random
):
    versions = [Price(number, moment, SHEET) for number, moment in enumerate(moments, 1)]
    random.shuffle(versions)
    reached = [version for version in versions if version.effective_ms <= at_ms]
    expected = max(reached, key=lambda one: (one.effective_ms, one.version_id), default=None)
    assert PriceHistory.of(versions).in_force(at_ms) == expected


def test_a_price_is_in_force_from_its_millisecond_until_the_next():
    first, second = Price(1, 1_000, SHEET), Price(2, 2_000, SHEET)
    history = PriceHistory.of([second, first])
    seen = [history.in_force(at_ms) for at_ms in (999, 1_000, 1_999, 2_000, 10**15)]
    assert seen == [None, first, first, second, second]


def test_of_two_versions_at_one_moment_the_later_made_is_in_force():
    first, second = Price(1, 1_000, SHEET), Price(2, 1_000, SHEET)
    assert PriceHistory.of([second, first]).in_force(1_000) is second


def test_a_model_retires_at_midnight_utc_of_its_date():
    offer = replace(OFFER, retires_on=RETIRES_ON)
    assert offer.is_sellable(MIDNIGHT_MS - 1)
    assert not offer.is_retired(MIDNIGHT_MS - 1)
    assert not offer.is_sellable(MIDNIGHT_MS)
    assert offer.is_retired(MIDNIGHT_MS)


def test_a_model_without_a_date_never_retires():
    assert OFFER.is_sellable(MIDNIGHT_MS * 100)


@pytest.mark.parametrize("kind", ModelKind)
def test_only_kinds_that_are_served_are_sellable(kind):
    assert replace(OFFER, kind=kind).is_sellable(0) is (kind in SERVED_KINDS)


def test_without_a_channel_a_model_is_not_sellable():
    assert not replace(OFFER, routes=()).is_sellable(0)


def test_a_model_is_sellable_from_its_first_price_on():
    assert not replace(OFFER, prices=PriceHistory.of([])).is_sellable(0)
    priced_later = replace(OFFER, prices=PriceHistory.of([Price(1, 1_000, SHEET)]))
    assert [priced_later.is_sellable(at_ms) for at_ms in (999, 1_000)] == [False, True]


def test_an_offer_holds_the_models_facts_its_prices_and_the_opened_key(stock: Stock):
    offer = stock.book.offers()["talk"]
    (route,) = offer.routes
    assert (offer.provider, offer.kind, offer.allows_trial) == ("acme", ModelKind.CHAT, True)
    assert [price.sheet for price in offer.prices.versions] == [SHEET]
    assert (route.channel_name, route.api_key) == ("main", API_KEY)
    assert route.costs.in_force(MIDNIGHT_MS * 2) is None


def test_what_is_not_published_is_no_offer(stock: Stock, session: Session):
    stock.add_model(session, "hidden", is_published=False)
    session.commit()
    assert set(stock.book.offers()) == {"talk"}


def test_a_change_is_in_force_within_a_second(stock: Stock, session: Session):
    assert stock.channels_of_talk() == ["main"]
    stock.add_channel(session, "second")
    session.commit()
    stock.now_s += 1.0
    assert stock.channels_of_talk() == ["main", "second"]


def test_a_channel_that_is_disabled_is_left_within_a_second(stock: Stock, session: Session):
    assert stock.channels_of_talk() == ["main"]
    buying.set_enabled(session, channel=find_channel(session, "main"), is_enabled=False)
    session.commit()
    stock.now_s += 1.0
    assert stock.channels_of_talk() == []
    assert stock.book.sellable() == []


def test_the_book_of_the_app_follows_on_the_real_clock(app: Flask):
    book = services(app).offers
    assert dict(book.offers()) == {}
    with Session(services(app).engine) as session:
        import_starting_models(session, author="anna")
        session.commit()
    by_s = time.monotonic() + 5
    while not book.offers() and time.monotonic() < by_s:
        time.sleep(0.02)
    assert "gpt-4o" in book.offers()


def test_without_a_bump_nothing_is_read_again(stock: Stock, session: Session):
    before = stock.book.offers()
    session.execute(update(Model).values(provider="changed behind the rules"))
    session.commit()
    stock.now_s += LONG_S
    assert stock.book.offers() is before


def test_a_change_that_was_rolled_back_reloads_nothing(stock: Stock, session: Session):
    before = stock.book.offers()
    stock.add_channel(session, "second")
    session.rollback()
    stock.now_s += LONG_S
    assert stock.book.offers() is before


def test_a_new_price_and_a_new_cost_reach_the_book(stock: Stock, session: Session):
    dearer = PriceSheet(Prices.from_usd(per_million={"input": "3", "output": "4"}))
    model = find_model(session, "talk")
    effective_at = datetime(2100, 1, 1, tzinfo=UTC)
    set_price(
        session, model=model, sheet=dearer, effective_at=effective_at, author="anna", reason="test"
    )
    served = session.scalars(select(ChannelModel)).one()
    buying.set_cost(session, channel_model=served, sheet=SHEET, author="anna", reason="contract")
    session.commit()
    offer = stock.book.offers()["talk"]
    effective_ms = int(effective_at.timestamp()) * 1_000
    before, after = offer.prices.in_force(effective_ms - 1), offer.prices.in_force(effective_ms)
    assert before is not None
    assert after is not None
    assert (before.sheet, after.sheet) == (SHEET, dearer)
    assert [cost.sheet for cost in offer.routes[0].costs.versions] == [SHEET]


def test_a_learned_stream_usage_reaches_the_book_and_only_its_route(stock: Stock, session: Session):
    stock.add_channel(session, "second")
    session.commit()
    first = stock.book.offers()["talk"].routes[0]
    learned = StoreStreamUsage(
        channel_id=first.channel_id,
        model_id=stock.book.offers()["talk"].model_id,
        learned=StreamUsage.NEVER,
    )
    learned.apply(in_session(session))
    session.commit()
    stock.now_s += 1.0
    usages = [route.stream_usage for route in stock.book.offers()["talk"].routes]
    assert usages == [StreamUsage.NEVER, StreamUsage.ASK]


def test_a_channel_whose_key_cannot_be_opened_is_left_out(
    stock: Stock, session: Session, caplog: pytest.LogCaptureFixture
):
    stock.add_channel(session, "lost", sealer=Sealer((LOST_KEY,)))
    session.commit()
    with caplog.at_level(logging.ERROR):
        assert stock.channels_of_talk() == ["main"]
    (record,) = caplog.records
    assert vars(record)["channel"] == "lost"
    assert API_KEY not in repr(vars(record))


def test_of_the_starting_catalogue_the_retired_and_the_unserved_are_not_sellable(
    stock: Stock, session: Session, frozen_time: FrozenTime
):
    import_starting_models(session, author="anna")
    names = [name for name in session.scalars(select(Model.name)) if name != "talk"]
    stock.add_channel(session, "all", models={name: name for name in names})
    session.execute(update(Model).values(is_published=True))
    session.commit()
    sellable = [offer.name for offer in stock.book.sellable()]
    assert sellable == sorted(sellable)
    assert set(names) - set(sellable) == {
        "gpt-4.1-nano",
        "o4-mini",
        "gpt-image-1",
        "deepseek-chat",
        "deepseek-reasoner",
        "whisper-1",
        "gpt-4o-mini-tts",
        "gpt-4o-transcribe",
        "omni-moderation-latest",
    }
    frozen_time.now_s = MIDNIGHT_MS / 1_000
    assert "claude-sonnet-4-5" not in {offer.name for offer in stock.book.sellable()}
