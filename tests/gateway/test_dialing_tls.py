"""TLS and proxies on the way to a provider."""

import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.gateway.upstream import (
    AddressNotAllowed,
    ConnectFailed,
    ConnectTimeout,
    Target,
    TotalTimeout,
    UpstreamPool,
    parse_base_url,
)
from tests.gateway.certificates import Authority
from tests.gateway.wire_client import (
    OK,
    OTHER,
    PATIENT,
    SHORT_S,
    ask,
    closed_port,
    local,
    resolver,
    took_s,
    whole,
)
from tests.gateway.wire_server import Script, Wire, WireServer, answering


@pytest.fixture
def pool() -> Iterator[UpstreamPool]:
    made = UpstreamPool()
    yield made
    made.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def tls_target(server: WireServer, host: str = "provider.test") -> Target:
    return Target("https", host, server.port, allow_private=True)


def tls_pool(authority: Authority) -> UpstreamPool:
    return UpstreamPool(ssl_context=authority.client_context(), resolve=resolver("127.0.0.1"))


def test_tls_connection_is_verified_and_kept(authority):
    pool = tls_pool(authority)
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    with WireServer(answering(big, OK), ssl_context=authority.server_context) as server:
        assert whole(pool, tls_target(server), body=b"y" * 400_000) == b"x" * 300_000
        assert whole(pool, tls_target(server)) == b"ok"
        assert server.connections == 1
        assert server.bodies[0] == b"y" * 400_000
    pool.close()


def test_context_of_the_pool_speaks_http_1_1_only(authority, monkeypatch):
    def script(wire: Wire) -> None:
        assert isinstance(wire.socket, ssl.SSLSocket)
        spoken.append(wire.socket.selected_alpn_protocol())
        answering(OK)(wire)

    spoken: list[str | None] = []
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate_path))
    pool = UpstreamPool(resolve=resolver("127.0.0.1"))
    with WireServer(script, ssl_context=authority.server_context) as server:
        assert whole(pool, tls_target(server)) == b"ok"
    pool.close()
    assert spoken == ["http/1.1"]


def test_certificate_for_another_host_is_refused(authority):
    pool = tls_pool(authority)
    with WireServer(answering(OK), ssl_context=authority.server_context) as server:
        with pytest.raises(ConnectFailed, match="certificate") as caught:
            ask(pool, tls_target(server, "other.test"))
        assert not caught.value.sent
        assert server.heads == []


def test_certificate_of_an_unknown_authority_is_refused(authority):
    pool = UpstreamPool(resolve=resolver("127.0.0.1"))
    with WireServer(answering(OK), ssl_context=authority.server_context) as server:
        with pytest.raises(ConnectFailed, match="certificate"):
            ask(pool, tls_target(server))
        assert server.heads == []


def test_drip_inside_a_tls_record_is_bounded(authority):
    def dripping(wire: Wire) -> None:
        """Seal an answer, then let its ciphertext trickle through."""
        assert isinstance(wire.socket, ssl.SSLSocket)
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        with socket.socket(fileno=wire.socket.detach()) as raw:
            for byte in b"\x17\x03\x03\x01\x00" + b"x" * 256:
                raw.sendall(bytes([byte]))
                wire.pause(0.03)

    pool = tls_pool(authority)
    began_s = time.monotonic()
    with WireServer(dripping, ssl_context=authority.server_context) as server:
        exchange = ask(pool, tls_target(server), timeouts=replace(PATIENT, total_s=0.4))
        with pytest.raises(TotalTimeout):
            exchange.read_whole(100)
    assert took_s(began_s) < 1.5


def test_stale_tls_connection_is_replaced(authority):
    def ends_on_second(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        wire.read_request()

    pool = tls_pool(authority)
    scripts = (ends_on_second, answering(OTHER))
    with WireServer(*scripts, ssl_context=authority.server_context) as server:
        assert whole(pool, tls_target(server)) == b"ok"
        assert whole(pool, tls_target(server)) == b"other"
        assert server.connections == 2
    pool.close()


def tunnel(authority: Authority, reply: bytes) -> Script:
    """A proxy and the provider behind it, in one script."""

    def script(wire: Wire) -> None:
        wire.read_head()
        wire.send(reply)
        if b" 200 " not in reply:
            return
        wire.start_tls(authority.server_context)
        answering(OK, OTHER)(wire)

    return script


def test_proxy_tunnels_to_the_provider(authority):
    pool = tls_pool(authority)
    with WireServer(tunnel(authority, b"HTTP/1.1 200 Established\r\n\r\n")) as server:
        target = Target(
            "https", "provider.test", 443, proxy=f"http://us%40er:pass@127.0.0.1:{server.port}"
        )
        assert whole(pool, target) == b"ok"
        assert whole(pool, target) == b"other"
        assert server.connections == 1
        assert server.heads[0] == (
            b"CONNECT provider.test:443 HTTP/1.1\r\nHost: provider.test:443\r\n"
            b"Proxy-Authorization: Basic dXNAZXI6cGFzcw=="
        )
        assert b"Proxy-Authorization" not in server.heads[1]
    pool.close()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", "refused the tunnel: 407"),
        (b"garbage\r\n", "not HTTP"),
        (b"", "closed before it answered"),
    ],
    ids=["refuses", "garbage", "closes"],
)
def test_proxy_that_refuses_or_breaks_failed_to_connect(authority, reply, reason):
    pool = tls_pool(authority)
    with WireServer(tunnel(authority, reply)) as server:
        target = Target("https", "provider.test", 443, proxy=f"http://127.0.0.1:{server.port}")
        with pytest.raises(ConnectFailed, match=reason) as caught:
            ask(pool, target)
        assert not caught.value.sent


def test_silent_proxy_is_a_connect_timeout(authority):
    pool = tls_pool(authority)
    with WireServer(Wire.hold) as server, pytest.raises(ConnectTimeout):
        ask(
            pool,
            Target("https", "provider.test", 443, proxy=f"http://127.0.0.1:{server.port}"),
            timeouts=replace(PATIENT, connect_s=SHORT_S),
        )


def test_proxy_is_not_asked_for_a_private_address(authority):
    pool = tls_pool(authority)
    with WireServer(Wire.hold) as server:
        with pytest.raises(AddressNotAllowed):
            ask(
                pool,
                Target("https", "10.0.0.1", 443, proxy=f"http://127.0.0.1:{server.port}"),
            )
        assert server.connections == 0


def test_proxy_of_the_environment_is_not_used(pool, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    with WireServer(answering(OK)) as server:
        assert whole(pool, local(server)) == b"ok"


@pytest.mark.parametrize("proxy", ["https://proxy.test:3128", "proxy.test:3128", "socks5://a:1"])
def test_proxy_of_another_kind_is_refused(proxy):
    with pytest.raises(ValueError, match="proxy"):
        parse_base_url("https://api.test", proxy=proxy)
