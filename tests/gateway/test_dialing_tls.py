"""TLS on the way to a provider."""

import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.gateway.upstream import (
    ConnectFailed,
    Target,
    TotalTimeout,
    UpstreamPool,
)
from tests.gateway.certificates import Authority
from tests.gateway.wire_client import (
    OK,
    OTHER,
    PATIENT,
    ask,
    resolver,
    took_s,
    whole,
)
from tests.gateway.wire_server import Wire, WireServer, answering


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
