"""The proxy of a channel: how it is written, and that who we are there is shown to nobody."""

import traceback
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.crypto import SealBroken, Sealer
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import REVISION, add_model
from app.domain.channels.buying import NewChannel, add_channel, set_proxy
from app.domain.channels.errors import InvalidChannel
from app.domain.channels.models import Channel
from app.domain.channels.offers import load_offers, route_of
from app.domain.channels.proxies import OutgoingProxy, parse_proxy, proxy_of
from app.domain.settings.models import Revision

SEALER = Sealer((Fernet.generate_key().decode(),))
SHEET = PriceSheet(Prices.from_usd(per_million={"input": "1", "output": "2"}))
URL = "http://us%40er:pass-canary@proxy.example:3128"
PROXY = OutgoingProxy("proxy.example", 3128, "us@er:pass-canary")


@pytest.fixture(autouse=True)
def sold_model(session: Session) -> None:
    new = NewModel(name="talk", provider="acme", kind=ModelKind.CHAT, sheet=SHEET)
    add_model(session, new, is_published=True, author="anna", reason="opening")
    session.commit()


def add(session: Session, name: str = "main", **facts: Any) -> Channel:
    new = NewChannel(
        name=name,
        base_url="https://provider.example/v1",
        api_key="sk",
        models={"talk": "talk"},
        **facts,
    )
    return add_channel(session, new, sealer=SEALER)


def proxies(session: Session) -> list[OutgoingProxy | None]:
    session.flush()
    return [route.proxy for route in load_offers(session, sealer=SEALER)["talk"].routes]


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        (URL, PROXY),
        ("http://10.0.0.7:8080", OutgoingProxy("10.0.0.7", 8080)),
        ("http://[fd00::7]:8080/", OutgoingProxy("fd00::7", 8080)),
        ("HTTP://Proxy.Example:80", OutgoingProxy("proxy.example", 80)),
        ("http://user@proxy:1", OutgoingProxy("proxy", 1, "user:")),
        ("http://user:p%3A%2F%20w@proxy:1", OutgoingProxy("proxy", 1, "user:p:/ w")),
        ("http://user:p@ss:w@proxy:1", OutgoingProxy("proxy", 1, "user:p@ss:w")),
        ("http://ng%C6%B0%E1%BB%9Di:m%E1%BA%ADt@proxy:1", OutgoingProxy("proxy", 1, "người:mật")),
    ],
)
def test_a_proxy_is_read(url: str, proxy: OutgoingProxy):
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy.example:3128",
        "https://u:canary@proxy.example:3128",
        "socks5://u:canary@proxy.example:1080",
        "http://u:canary@proxy.example",
        "http://u:canary@proxy.example:0",
        "http://u:canary@proxy.example:99999",
        "http://u:canary@:3128",
        "http://u:canary@-:3128",
        "http://u:canary@[::1:3128",
        "http://u:canary@[canary]:3128",
        "http://u:canary@proxy.example:3128/path",
        "http://u:canary@proxy.example:3128?a=1",
        "http://u:canary@proxy.example:3128#a",
        "http://u:canary/x@proxy.example:3128",
        "http://u:canary @proxy.example:3128",
        "http://u:canary\r\nX: 1@proxy.example:3128",
        "http://u:canary%0d%0aX@proxy.example:3128",
        "http://u:canary%ff@proxy.example:3128",
        "http://:canary@proxy.example:3128",
        "http://a%3Ab:canary@proxy.example:3128",
        "http://u:canary\u2100@proxy.example:3128",
        "http://u:" + "canary" * 100 + "@proxy.example:3128",
    ],
)
def test_another_kind_of_proxy_is_refused_and_not_repeated(session: Session, url: str):
    with pytest.raises(InvalidChannel) as refused:
        add(session, proxy_url=url)
    assert refused.value.field == "proxy"
    assert "canary" not in "".join(traceback.format_exception_only(refused.value))
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None or refused.value.__suppress_context__
    assert session.scalars(select(Channel)).all() == []


def test_only_host_and_port_are_shown():
    assert PROXY.place == "proxy.example:3128"
    assert OutgoingProxy("fd00::7", 8080).place == "[fd00::7]:8080"
    assert "canary" not in repr(PROXY)
    assert "canary" not in repr(NewChannel(name="x", api_key="k", models={}, proxy_url=URL))


def test_the_proxy_is_sealed_and_nowhere_in_the_row(session: Session):
    channel = add(session, proxy_url=URL)
    session.commit()
    row = repr(tuple(session.execute(select(Channel.__table__)).one()))
    assert not any(part in row for part in ("canary", "proxy.example", "us@er"))
    assert proxy_of(channel, sealer=SEALER) == PROXY
    assert proxies(session) == [PROXY]


def test_a_channel_goes_straight_until_it_is_given_a_proxy_and_after(session: Session):
    channel = add(session)
    assert proxies(session) == [None]
    before = session.scalar(select(Revision.number).where(Revision.subject == REVISION))
    set_proxy(session, channel=channel, proxy_url=URL, sealer=SEALER)
    assert proxies(session) == [PROXY]
    route = route_of(channel, channel.models[0], sealer=SEALER)
    assert (route.proxy, route.way) == (PROXY, ("https://provider.example/v1", "sk", PROXY))
    set_proxy(session, channel=channel, proxy_url=None, sealer=SEALER)
    assert proxies(session) == [None]
    after = session.scalar(select(Revision.number).where(Revision.subject == REVISION))
    assert before is not None
    assert after == before + 2


def test_a_bad_proxy_leaves_the_one_before(session: Session):
    channel = add(session, proxy_url=URL)
    with pytest.raises(InvalidChannel):
        set_proxy(session, channel=channel, proxy_url="socks5://a:1", sealer=SEALER)
    assert proxies(session) == [PROXY]


def test_a_channel_whose_proxy_cannot_be_opened_is_not_reached_without(session: Session):
    add(session, "other")
    channel = add(session, proxy_url=URL)
    channel.sealed_proxy = Sealer((Fernet.generate_key().decode(),)).seal(URL)
    assert proxies(session) == [None]
    (route,) = load_offers(session, sealer=SEALER)["talk"].routes
    assert route.channel_name == "other"
    with pytest.raises(SealBroken):
        route_of(channel, channel.models[0], sealer=SEALER)
