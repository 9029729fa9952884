"""Where models are bought: what a channel must be, and that its key is never kept in clear."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.crypto import Sealer
from app.domain.catalog.errors import ModelUnknown
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import REVISION, add_model
from app.domain.channels.buying import (
    NewChannel,
    add_channel,
    find_channel,
    replace_key,
    serve_model,
    set_base_url,
    set_cost,
    set_enabled,
    set_order,
)
from app.domain.channels.errors import ChannelExists, ChannelUnknown, InvalidChannel
from app.domain.channels.models import Channel, ChannelModel, CostVersion, StreamUsage
from app.domain.settings.models import Revision

API_KEY = "sk-provider-canary-7f3a"
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
            "api_key": API_KEY,
            "models": {"talk": "talk-2026"},
            **facts,
        }
    )
    return add_channel(session, new, sealer=SEALER)


def revision(session: Session) -> int:
    number = session.scalar(select(Revision.number).where(Revision.subject == REVISION))
    assert number is not None
    return number


def channels(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Channel)) or 0


def test_a_channel_is_added_enabled_with_its_models(session: Session):
    add(session, models={"talk": "talk-2026", "think": "vendor/think"}, priority=2, weight=5)
    session.commit()
    channel = find_channel(session, "main")
    assert (channel.is_enabled, channel.allow_private) == (True, False)
    assert (channel.priority, channel.weight) == (2, 5)
    assert {row.upstream_name for row in channel.models} == {"talk-2026", "vendor/think"}
    assert {row.stream_usage for row in channel.models} == {StreamUsage.ASK}


def test_the_key_is_sealed_and_nowhere_in_the_row(session: Session):
    channel = add(session)
    session.commit()
    row = session.execute(select(Channel.__table__)).one()
    assert API_KEY not in repr(tuple(row))
    assert SEALER.open(channel.sealed_key) == API_KEY


def test_a_slash_at_the_end_of_the_url_is_dropped(session: Session):
    assert add(session, base_url="https://provider.example/v1/").base_url.endswith("/v1")


@pytest.mark.parametrize(
    "base_url",
    [
        "https://provider.example",
        "https://provider.example:8443/v1",
        "https://[2001:db8::1]/v1",
        "HTTPS://provider.example/a/b/v1",
    ],
)
def test_https_urls_are_taken(session: Session, base_url):
    assert add(session, base_url=base_url).base_url == base_url


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "provider.example/v1",
        "//provider.example/v1",
        "ftp://provider.example/v1",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://:443/v1",
        "https://provider.example:0/v1",
        "https://provider.example:65536/v1",
        "https://provider.example:port/v1",
        "https://user@provider.example/v1",
        "https://user:password@provider.example/v1",
        "https://provider.example/v1?version=1",
        "https://provider.example/v1#top",
        "https://[2001:db8::1/v1",
    ],
)
@pytest.mark.parametrize("allow_private", [False, True])
def test_a_bad_url_is_refused(session: Session, base_url, allow_private):
    with pytest.raises(InvalidChannel) as refused:
        add(session, base_url=base_url, allow_private=allow_private)
    assert refused.value.field == "base_url"
    assert channels(session) == 0


def test_plain_http_is_for_private_hosts_only(session: Session):
    with pytest.raises(InvalidChannel, match="https"):
        add(session, base_url="http://10.0.0.7:8000/v1")
    taken = add(session, base_url="http://10.0.0.7:8000/v1", allow_private=True)
    assert taken.allow_private


@pytest.mark.parametrize(
    "api_key", ["", " ", "sk one", "sk\n", "sk\r\nX-Admin: 1", "clé", "sk\x7f"]
)
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(session: Session, api_key):
    with pytest.raises(InvalidChannel) as refused:
        add(session, api_key=api_key)
    assert refused.value.field == "api_key"
    assert not api_key.strip() or api_key not in str(refused.value)
    assert channels(session) == 0


def test_a_name_is_taken_once(session: Session):
    add(session)
    with pytest.raises(ChannelExists) as refused:
        add(session, base_url="https://other.example/v1")
    assert refused.value.field == "name"
    assert channels(session) == 1


@pytest.mark.parametrize(
    ("facts", "field"),
    [({"models": {}}, "models"), ({"weight": 0}, "weight"), ({"weight": -1}, "weight")],
)
def test_a_channel_serves_something_and_weighs_something(session: Session, facts, field):
    with pytest.raises(InvalidChannel) as refused:
        add(session, **facts)
    assert refused.value.field == field


def test_a_channel_cannot_serve_what_is_not_sold(session: Session):
    before = revision(session)
    with pytest.raises(ModelUnknown):
        add(session, models={"talk": "talk", "nothing": "x"})
    session.rollback()
    assert channels(session) == 0
    assert revision(session) == before


def test_a_channel_is_found_by_name_or_refused(session: Session):
    assert find_channel(session, add(session).name).name == "main"
    with pytest.raises(ChannelUnknown):
        find_channel(session, "Main")


def test_every_change_bumps_the_revision(session: Session):
    numbers = [revision(session)]
    channel = add(session)
    numbers.append(revision(session))
    set_enabled(session, channel=channel, is_enabled=False)
    numbers.append(revision(session))
    set_base_url(session, channel=channel, base_url="https://moved.example/v1/")
    numbers.append(revision(session))
    served = session.scalars(select(ChannelModel)).one()
    set_cost(session, channel_model=served, sheet=SHEET, author="anna", reason="contract")
    numbers.append(revision(session))
    assert numbers == sorted(set(numbers))
    assert (channel.is_enabled, channel.base_url) == (False, "https://moved.example/v1")


def test_costs_follow_one_another_and_none_is_changed(session: Session):
    add(session)
    served = session.scalars(select(ChannelModel)).one()
    cheaper = PriceSheet(Prices.from_usd(per_million={"input": "0.5", "output": "1"}))
    for sheet in (SHEET, cheaper):
        set_cost(session, channel_model=served, sheet=sheet, author="anna", reason="contract")
    session.commit()
    kept = session.scalars(select(CostVersion).order_by(CostVersion.id)).all()
    assert [PriceSheet.from_json(version.sheet) for version in kept] == [SHEET, cheaper]
    assert {(version.author, version.reason) for version in kept} == {("anna", "contract")}


def test_a_model_is_served_later_under_its_name_there(session: Session):
    channel = add(session)
    row = serve_model(session, channel=channel, sold="think", upstream="vendor/think")
    session.commit()
    assert (row.channel_id, row.upstream_name) == (channel.id, "vendor/think")


def test_a_preset_says_where_and_a_local_server_needs_no_key(session: Session):
    channel = add(session, preset="ollama", base_url=None, api_key="")
    session.commit()
    assert (channel.preset, channel.base_url) == ("ollama", "http://127.0.0.1:11434/v1")
    assert channel.allow_private
    assert SEALER.open(channel.sealed_key) == ""


@pytest.mark.parametrize("facts", [{}, {"preset": "openai"}, {"preset": "plain"}])
def test_a_provider_who_bills_needs_a_key(session: Session, facts):
    with pytest.raises(InvalidChannel, match="needs a key"):
        add(session, api_key="", **facts)
    assert channels(session) == 0


def test_a_private_server_may_go_without_a_key_whatever_its_preset(session: Session):
    assert add(session, api_key="", allow_private=True).allow_private


def test_a_key_is_replaced_by_one_that_can_be_used(session: Session):
    channel = add(session)
    before = revision(session)
    replace_key(session, channel=channel, api_key="sk-new", sealer=SEALER)
    session.commit()
    assert SEALER.open(channel.sealed_key) == "sk-new"
    assert revision(session) > before
    for api_key in ("", "sk new"):
        with pytest.raises(InvalidChannel):
            replace_key(session, channel=channel, api_key=api_key, sealer=SEALER)
    assert SEALER.open(channel.sealed_key) == "sk-new"


def test_order_is_changed_one_by_one(session: Session):
    channel = add(session, priority=2, weight=5)
    set_order(session, channel=channel, priority=7)
    set_order(session, channel=channel, weight=1)
    assert (channel.priority, channel.weight) == (7, 1)
    with pytest.raises(InvalidChannel):
        set_order(session, channel=channel, weight=0)
    assert channel.weight == 1


def test_a_channel_leaves_the_private_network_only_with_a_url_that_is_fit_for_it(session: Session):
    channel = add(session, base_url="http://10.0.0.7/v1", allow_private=True)
    with pytest.raises(InvalidChannel, match="https"):
        set_base_url(session, channel=channel, base_url=channel.base_url, allow_private=False)
    assert channel.allow_private
    set_base_url(
        session, channel=channel, base_url="https://provider.example/v1", allow_private=False
    )
    assert (channel.base_url, channel.allow_private) == ("https://provider.example/v1", False)
