"""The way to a provider through a proxy: what it is asked, what it learns, what it cannot spoil."""

import traceback
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.domain.channels.proxies import OutgoingProxy
from app.gateway.upstream import (
    AddressNotAllowed,
    ConnectFailed,
    ConnectTimeout,
    ProxyFailed,
    Target,
    UpstreamPool,
    parse_base_url,
)
from tests.gateway.certificates import Authority
from tests.gateway.connect_proxy import (
    CREDENTIALS,
    ESTABLISHED,
    PASSWORD,
    USER,
    connect_proxy,
    through,
)
from tests.gateway.wire_client import (
    OK,
    OTHER,
    PATIENT,
    SHORT_S,
    ask,
    closed_port,
    local,
    resolver,
    whole,
)
from tests.gateway.wire_server import Wire, WireServer, answering

ENVIRONMENT = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def pool(authority) -> Iterator[UpstreamPool]:
    made = UpstreamPool(ssl_context=authority.client_context(), resolve=resolver("127.0.0.1"))
    yield made
    made.close()


@pytest.fixture
def provider(authority) -> Iterator[WireServer]:
    scripts = [answering(OK, OTHER)] * 3
    with WireServer(*scripts, ssl_context=authority.server_context) as server:
        yield server


@pytest.fixture
def proxy(provider) -> Iterator[WireServer]:
    with connect_proxy({"provider.test:443": provider.port, "other.test:443": provider.port}) as it:
        yield it


def behind(server: WireServer, host: str = "provider.test", credentials: str = CREDENTIALS):
    return Target("https", host, 443, proxy=through(server, credentials))


def test_the_tunnel_is_kept_and_the_provider_learns_nothing_of_it(pool, provider, proxy):
    assert whole(pool, behind(proxy)) == b"ok"
    assert whole(pool, behind(proxy)) == b"other"
    (asked,) = proxy.heads
    assert asked == (
        b"CONNECT provider.test:443 HTTP/1.1\r\nHost: provider.test:443\r\n"
        b"Proxy-Authorization: Basic " + b64encode(CREDENTIALS.encode())
    )
    assert provider.connections == 1
    assert len(provider.heads) == 2
    for head in provider.heads:
        assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nHost: provider.test\r\n")
        assert b"proxy" not in head.lower()


def test_the_proxy_resolves_the_providers_name_and_we_the_proxys(authority, provider, proxy):
    resolve = resolver("127.0.0.1")
    pool = UpstreamPool(ssl_context=authority.client_context(), resolve=resolve)
    named = OutgoingProxy("proxy.test", proxy.port, CREDENTIALS)
    assert whole(pool, Target("https", "provider.test", 443, proxy=named)) == b"ok"
    assert resolve.asked == ["proxy.test"]
    pool.close()


def test_tls_is_verified_against_the_provider_behind_the_proxy(pool, provider, proxy):
    with pytest.raises(ConnectFailed, match="certificate") as caught:
        ask(pool, behind(proxy, "other.test"))
    assert not isinstance(caught.value, ProxyFailed)
    assert provider.heads == []


def test_plain_http_goes_through_a_tunnel_too(pool):
    with (
        WireServer(answering(OK)) as server,
        connect_proxy({"model-server:8000": server.port}, credentials=None) as open_to_all,
    ):
        there = through(open_to_all, "")
        target = Target("http", "model-server", 8000, proxy=there, allow_private=True)
        assert whole(pool, target) == b"ok"
        assert b"Authorization" not in open_to_all.heads[0]
        assert b"Host: model-server:8000" in server.heads[0]


def test_every_proxy_and_every_account_there_has_connections_of_its_own(pool, provider):
    hosts = {"provider.test:443": provider.port}
    with connect_proxy(hosts, credentials=None) as one, connect_proxy(hosts, credentials=None) as b:
        assert whole(pool, behind(one)) == b"ok"
        assert whole(pool, behind(b)) == b"ok"
        assert whole(pool, behind(one, credentials="another:one")) == b"ok"
        assert (one.connections, b.connections) == (2, 1)


def unused(pool: UpstreamPool, target: Target) -> ProxyFailed:
    """The error of a proxy that gives no tunnel; nothing in it tells who we are there."""
    with pytest.raises(ProxyFailed) as caught:
        ask(pool, target)
    assert not caught.value.sent
    told = "".join(traceback.format_exception(caught.value)) + repr(target)
    encoded = b64encode(CREDENTIALS.encode()).decode()
    assert not any(secret in told for secret in (USER, PASSWORD, encoded))
    return caught.value


def test_credentials_that_the_proxy_refuses_are_told_to_nobody(pool, proxy):
    wrong = behind(proxy, credentials=CREDENTIALS + "-old")
    assert str(unused(pool, wrong)) == "The channel's proxy refused the tunnel (407)."


def test_a_host_that_the_proxy_cannot_reach_is_told(pool, proxy):
    assert "(502)" in str(unused(pool, behind(proxy, "gone.test")))


def test_a_proxy_that_is_not_there_is_told(pool):
    nowhere = OutgoingProxy("127.0.0.1", closed_port(), CREDENTIALS)
    error = unused(pool, Target("https", "provider.test", 443, proxy=nowhere))
    assert "cannot be reached" in str(error)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"garbage\r\n", "broke off"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "broke off"),
        (b"", "broke off"),
        (ESTABLISHED + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "spoke before"),
    ],
    ids=["redirects", "garbage", "endless", "closes", "speaks for the provider"],
)
def test_a_proxy_that_answers_anything_else_gives_no_connection(pool, reply, said):
    def script(wire: Wire) -> None:
        wire.read_head()
        wire.send(reply)

    with WireServer(script) as server:
        assert said in str(unused(pool, behind(server)))
    assert pool.idle_connections == 0


def test_a_proxy_that_resets_gives_no_connection(pool):
    def script(wire: Wire) -> None:
        wire.read_head()
        wire.reset()

    with WireServer(script) as server:
        assert "broke off" in str(unused(pool, behind(server)))


def _silent(wire: Wire) -> None:
    wire.hold()


def _dripping(wire: Wire) -> None:
    wire.drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000, pause_s=0.02)


def _silent_behind(wire: Wire) -> None:
    wire.read_head()
    wire.send(ESTABLISHED)
    wire.hold()


@pytest.mark.parametrize("script", [_silent, _dripping, _silent_behind])
def test_the_connect_timeout_covers_proxy_and_provider(pool, script):
    with WireServer(script) as server, pytest.raises(ConnectTimeout):
        ask(pool, behind(server), timeouts=replace(PATIENT, connect_s=SHORT_S))


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"),
        *("127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "10.0.0.1.5", "host.0x"),
        *("localhost", "a.localhost", "printer.local", "metadata.google.internal", "router.lan"),
        *("nas.home.arpa", "intranet", "wiki.corp", "x.intranet", "x.home", "x.localdomain"),
    ],
)
def test_the_proxy_is_not_asked_for_a_private_host(pool, host):
    with WireServer(Wire.hold) as server:
        with pytest.raises(AddressNotAllowed):
            ask(pool, behind(server, host))
        assert server.connections == 0


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "local.test", "a-lan.test"])
def test_a_public_host_is_asked_for(pool, host):
    with connect_proxy({}) as server:
        assert "(502)" in str(unused(pool, behind(server, host)))
        bracketed = f"[{host}]" if ":" in host else host
        assert server.heads[0].startswith(f"CONNECT {bracketed}:443 HTTP/1.1\r\n".encode())


def test_a_private_host_is_asked_for_where_the_channel_may(pool):
    with WireServer(answering(OK)) as server, connect_proxy({"10.0.0.7:8000": server.port}) as it:
        there = through(it)
        assert whole(pool, Target("http", "10.0.0.7", 8000, there, allow_private=True)) == b"ok"


def test_proxies_of_the_environment_are_not_used(pool, provider, monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    target = Target("https", "provider.test", provider.port, allow_private=True)
    assert whole(pool, target) == b"ok"
    with WireServer(answering(OK)) as server:
        assert whole(pool, local(server)) == b"ok"


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_the_environment_talks_no_channel_out_of_its_proxy(pool, proxy, monkeypatch, name):
    monkeypatch.setenv(name, "*")
    assert whole(pool, behind(proxy)) == b"ok"
    assert proxy.connections == 1


def test_the_target_of_a_base_url_goes_through_the_proxy():
    proxy = OutgoingProxy("proxy.test", 3128, CREDENTIALS)
    target, prefix = parse_base_url("https://api.test/v1", proxy=proxy)
    assert (target, prefix) == (Target("https", "api.test", 443, proxy=proxy), "/v1")
    assert PASSWORD not in repr(target)
