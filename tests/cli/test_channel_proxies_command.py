"""`flask channels add, change … --proxy-env`: given once, used by every command, shown by none."""

from collections.abc import Iterator

import pytest
from click.testing import Result
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.crypto import Sealer
from app.domain.audit.models import AuditEntry
from app.domain.channels.models import Channel
from app.domain.channels.proxies import proxy_of
from app.services import services
from tests.cli.channel_shop import KEY, add_channel, done, invoke, json_of, refused, stock
from tests.gateway.connect_proxy import CREDENTIALS, PASSWORD, USER, connect_proxy, url_of_proxy
from tests.gateway.wire_client import closed_port
from tests.gateway.wire_server import WireServer
from tests.sandbox_server import RunningSandbox, running_sandbox

# A name that only the proxy knows.
BASE_URL = "http://models.behind.invalid/v1"
URL = f"http://{USER}:password-canary@proxy.example:3128"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def proxy(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    """One that knows the way; its URL is in PROXY."""
    with connect_proxy({"models.behind.invalid:80": sandbox.port}) as server:
        monkeypatch.setenv("PROXY", url_of_proxy(server))
        yield server


@pytest.fixture
def shop(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setenv("PROVIDER_KEY", KEY)
    monkeypatch.setenv("PROXY", URL)
    stock(app)
    yield app
    services(app).gateway.pool.close()


def add(app: Flask, *words: str) -> Result:
    return invoke(app, "channels", "add", "main", "--base-url", BASE_URL, "--allow-private",
                  "--api-key-env", "PROVIDER_KEY", *words)  # fmt: skip


def channel(session: Session) -> Channel:
    session.expire_all()
    return session.scalars(select(Channel)).one()


def last_act(session: Session) -> dict:
    details = session.scalars(select(AuditEntry.details).order_by(AuditEntry.id.desc())).first()
    assert details is not None
    assert "canary" not in str(details)
    return details


def proxies_shown(app: Flask) -> list[str | None]:
    for words in ((), ("--json",)):
        assert "canary" not in done(app, "channels", "list", *words)
    return [row["proxy"] for row in json_of(app, "channels", "list")]


def test_a_new_channel_lies_behind_its_proxy_and_only_the_place_is_shown(
    shop: Flask, session: Session
):
    added = add(shop, "--proxy-env", "PROXY", "--model", "talk")
    assert added.exit_code == 0, added.output
    assert "canary" not in added.output
    proxy = proxy_of(channel(session), sealer=services(shop).sealer)
    assert proxy is not None
    assert proxy.credentials == f"{USER}:password-canary"
    assert last_act(session)["proxy"] == "proxy.example:3128"
    assert proxies_shown(shop) == ["proxy.example:3128"]
    assert "through proxy.example:3128" in done(shop, "channels", "list")


def test_a_channel_is_given_a_proxy_and_another_and_none(
    shop: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
):
    add_channel(shop, BASE_URL, "talk")
    assert proxies_shown(shop) == [None]
    assert "through" not in done(shop, "channels", "list")
    done(shop, "channels", "change", "main", "--proxy-env", "PROXY")
    act = last_act(session)
    assert (act["proxy_before"], act["proxy"]) == (None, "proxy.example:3128")
    monkeypatch.setenv("PROXY", "http://[fd00::7]:8080")
    done(shop, "channels", "change", "main", "--proxy-env", "PROXY")
    assert proxies_shown(shop) == ["[fd00::7]:8080"]
    done(shop, "channels", "change", "main", "--weight", "2")
    assert proxies_shown(shop) == ["[fd00::7]:8080"]
    done(shop, "channels", "change", "main", "--no-proxy")
    act = last_act(session)
    assert (act["proxy_before"], act["proxy"]) == ("[fd00::7]:8080", None)
    assert channel(session).sealed_proxy is None


@pytest.mark.parametrize(
    ("url", "words", "said"),
    [
        ("socks5://u:canary@proxy:1080", ("--proxy-env", "PROXY"), "must look like http://"),
        ("http://u:canary/@proxy:1080", ("--proxy-env", "PROXY"), "must look like http://"),
        (URL, ("--proxy-env", "PROXY2"), "PROXY2 is not set"),
        (URL, ("--proxy-env", "PROXY", "--no-proxy"), "Either --proxy-env or --no-proxy"),
    ],
)
def test_a_proxy_that_cannot_be_changes_nothing(
    shop: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, url, words, said
):
    add_channel(shop, BASE_URL, "talk")
    monkeypatch.setenv("PROXY", url)
    told = refused(shop, "channels", "change", "main", *words)
    assert said in told
    assert "canary" not in told
    assert channel(session).sealed_proxy is None


def test_models_and_test_go_through_the_proxy(shop: Flask, proxy: WireServer):
    added = add(shop, "--proxy-env", "PROXY", "--models-from-provider", "--model", "talk=any")
    assert added.exit_code == 0, added.output
    listed = json_of(shop, "channels", "models", "main")
    assert "sandbox-chat" in [row["id"] for row in listed["models"]]
    (result,) = json_of(shop, "channels", "test", "main")
    assert result["is_ok"]
    assert proxy.connections >= 1


def test_a_proxy_that_is_not_there_is_named_as_the_cause(
    shop: Flask, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PROXY", f"http://{USER}:{PASSWORD[:5]}@127.0.0.1:{closed_port()}")
    assert add(shop, "--proxy-env", "PROXY", "--model", "talk").exit_code == 0
    told = refused(shop, "channels", "models", "main")
    assert "The channel's proxy cannot be reached." in told
    result = invoke(shop, "channels", "test", "main")
    assert result.exit_code == 1
    assert "The channel's proxy cannot be reached." in result.stdout
    assert not any(secret in told + result.output for secret in (USER, CREDENTIALS, KEY))


def test_a_proxy_that_no_longer_opens_is_told_and_given_anew(shop: Flask, session: Session):
    add_channel(shop, BASE_URL, "talk")
    channel(session).sealed_proxy = Sealer((Fernet.generate_key().decode(),)).seal(URL)
    session.commit()
    for word in ("models", "test"):
        told = refused(shop, "channels", word, "main")
        assert "SEALING_KEYS no longer open the key or the proxy of main" in told
        assert "--proxy-env" in told
    assert proxies_shown(shop) == ["a proxy that SEALING_KEYS no longer open"]
    done(shop, "channels", "change", "main", "--proxy-env", "PROXY")
    assert proxies_shown(shop) == ["proxy.example:3128"]
