"""Which models a channel serves and how; costs outlive the serving."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.crypto import Sealer
from app.domain.catalog.errors import ModelUnknown
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import REVISION, add_model, find_model
from app.domain.channels.buying import NewChannel, add_channel
from app.domain.channels.costs import channel_costs, dearest_cost
from app.domain.channels.errors import InvalidFact, ModelNotServed, ModelServedAlready
from app.domain.channels.models import (
    Channel,
    ChannelModel,
    CostVersion,
    LimitField,
    StreamUsage,
)
from app.domain.channels.offers import Route, load_offers, route_of
from app.domain.channels.presets import Dialect
from app.domain.channels.serving import (
    change_facts,
    find_served,
    serve_model,
    set_cost,
    stop_serving,
)
from app.domain.settings.models import Revision

SEALER = Sealer((Fernet.generate_key().decode(),))
SHEET = PriceSheet(Prices.from_usd(per_million={"input": "1", "output": "2"}))


@pytest.fixture(autouse=True)
def sold_models(session: Session) -> None:
    for name in ("talk", "think"):
        new = NewModel(name=name, provider="acme", kind=ModelKind.CHAT, sheet=SHEET)
        add_model(session, new, is_published=True, author="anna", reason="opening")
    session.commit()


def add(session: Session, **facts: Any) -> Channel:
    new = NewChannel(
        **{
            "name": "main",
            "base_url": "https://provider.example/v1",
            "api_key": "sk",
            "models": {"talk": "talk-2026"},
            **facts,
        }
    )
    return add_channel(session, new, sealer=SEALER)


def routes(session: Session, name: str = "talk") -> tuple[Route, ...]:
    session.flush()
    return load_offers(session, sealer=SEALER)[name].routes


def revision(session: Session) -> int:
    number = session.scalar(select(Revision.number).where(Revision.subject == REVISION))
    assert number is not None
    return number


def test_a_model_comes_with_the_facts_of_the_channels_preset(session: Session):
    channel = add(session, preset="groq")
    serve_model(session, channel=channel, sold="think", upstream="vendor/think")
    (route,) = routes(session, "think")
    assert (route.preset, route.dialect) == ("groq", Dialect.GROQ)
    assert (route.cut_member, route.limit_field) == ("x_groq", LimitField.MAX_COMPLETION_TOKENS)
    assert not route.base64_embeddings


def test_a_channel_of_no_preset_is_plain(session: Session):
    add(session)
    (route,) = routes(session)
    assert (route.preset, route.dialect) == ("plain", Dialect.PLAIN)
    assert (route.stream_usage, route.cut_member) == (StreamUsage.ASK, None)


def test_a_model_is_served_once(session: Session):
    channel = add(session)
    with pytest.raises(ModelServedAlready):
        serve_model(session, channel=channel, sold="talk", upstream="other")
    assert routes(session)[0].upstream_name == "talk-2026"


def test_a_model_that_is_no_longer_served_is_on_no_route(session: Session):
    channel = add(session)
    stop_serving(session, channel=channel, sold="talk")
    assert routes(session) == ()
    assert session.scalars(select(ChannelModel)).all() == []
    with pytest.raises(ModelNotServed):
        stop_serving(session, channel=channel, sold="talk")


def test_costs_stay_when_the_serving_ends_and_hold_when_it_begins_again(session: Session):
    channel = add(session)
    served = find_served(session, channel=channel, sold="talk")
    set_cost(session, channel_model=served, sheet=SHEET, author="anna", reason="contract")
    stop_serving(session, channel=channel, sold="talk")
    session.commit()
    assert routes(session) == ()
    assert (served.is_served, served.upstream_name) == (False, "talk-2026")
    assert len(session.scalars(select(CostVersion)).all()) == 1
    assert channel_costs(session) == {}
    assert dearest_cost(session, find_model(session, "talk")) is None
    with pytest.raises(ModelNotServed):
        find_served(session, channel=channel, sold="talk")

    again = serve_model(session, channel=channel, sold="talk", upstream="talk-2027")
    assert again.id == served.id
    (route,) = routes(session)
    assert (route.upstream_name, len(route.costs.versions)) == ("talk-2027", 1)
    assert dearest_cost(session, find_model(session, "talk")) == SHEET


def test_what_is_not_sold_is_not_served(session: Session):
    channel = add(session)
    for act in (
        lambda: serve_model(session, channel=channel, sold="nothing", upstream="x"),
        lambda: stop_serving(session, channel=channel, sold="nothing"),
        lambda: change_facts(session, channel=channel, sold="nothing", changes={}),
    ):
        with pytest.raises(ModelUnknown):
            act()


def test_a_fact_is_changed_and_the_others_stay(session: Session):
    channel = add(session, preset="openai")
    changes = {"stream_usage": StreamUsage.NEVER, "cut_member": "provider"}
    change_facts(session, channel=channel, sold="talk", changes=changes)
    (route,) = routes(session)
    assert (route.stream_usage, route.cut_member) == (StreamUsage.NEVER, "provider")
    assert (route.limit_field, route.knows_service_tier) == (
        LimitField.MAX_COMPLETION_TOKENS,
        True,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"upstream_name": "other"},
        {"id": 7},
        {"cut_member": "choices"},
        {"cut_member": "usage"},
        {"cut_member": 'x"'},
        {"cut_member": ""},
        {"cut_member": "x" * 65},
        {"cut_member": 5},
    ],
)
def test_what_is_no_fact_or_would_spoil_answers_is_refused(
    session: Session, changes: dict[str, object]
):
    channel = add(session)
    with pytest.raises(InvalidFact):
        change_facts(session, channel=channel, sold="talk", changes=changes)
    assert routes(session)[0].upstream_name == "talk-2026"


def test_every_change_is_in_force_everywhere(session: Session):
    channel = add(session)
    numbers = [revision(session)]
    serve_model(session, channel=channel, sold="think", upstream="think")
    numbers.append(revision(session))
    change_facts(session, channel=channel, sold="think", changes={"enforces_limit": False})
    numbers.append(revision(session))
    stop_serving(session, channel=channel, sold="think")
    numbers.append(revision(session))
    assert numbers == sorted(set(numbers))


def test_a_disabled_channel_can_be_tried(session: Session):
    channel = add(session, preset="xai")
    channel.is_enabled = False
    served = find_served(session, channel=channel, sold="talk")
    assert routes(session) == ()
    route = route_of(channel, served, sealer=SEALER)
    assert (route.api_key, route.upstream_name, route.dialect) == ("sk", "talk-2026", Dialect.XAI)
