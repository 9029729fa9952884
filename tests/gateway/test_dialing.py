"""Where a connection may lead."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.gateway.dialing import is_open_internet
from app.gateway.upstream import (
    AddressNotAllowed,
    ConnectFailed,
    Target,
    UpstreamPool,
    parse_base_url,
)
from tests.gateway.wire_client import OK, ask, closed_port, local, resolver, whole
from tests.gateway.wire_server import WireServer, answering


@pytest.fixture
def pool() -> Iterator[UpstreamPool]:
    made = UpstreamPool()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::8.8.8.8", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("::127.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b:1::10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_only_the_open_internet_counts_as_open(address, is_open):
    assert is_open_internet(address) is is_open


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_name_that_leads_to_a_private_address_is_refused(address):
    resolve = resolver(address)
    pool = UpstreamPool(resolve=resolve)
    with pytest.raises(AddressNotAllowed) as caught:
        ask(pool, Target("https", "provider.test", 443))
    assert not caught.value.sent
    assert resolve.asked == ["provider.test"]


def test_private_address_is_refused_before_anything_reaches_it(pool):
    with WireServer(answering(OK)) as server:
        with pytest.raises(AddressNotAllowed):
            ask(pool, replace(local(server), allow_private=False))
        assert server.connections == 0


def test_checked_address_is_the_dialled_one():
    resolve = resolver("127.0.0.1")
    pool = UpstreamPool(resolve=resolve)
    with WireServer(answering(OK)) as server:
        target = replace(local(server), host="provider.test")
        assert whole(pool, target) == b"ok"
        assert server.heads[0].split(b"\r\n")[1] == b"Host: provider.test:%d" % server.port
    assert resolve.asked == ["provider.test"]
    pool.close()


def test_next_address_is_tried_when_one_refuses():
    with WireServer(answering(OK)) as server:
        pool = UpstreamPool(resolve=resolver("::1", "127.0.0.1"))
        assert whole(pool, replace(local(server), host="provider.test")) == b"ok"
        pool.close()


def test_refused_connection_failed_to_connect(pool):
    with pytest.raises(ConnectFailed) as caught:
        ask(pool, Target("http", "127.0.0.1", closed_port(), allow_private=True))
    assert not caught.value.sent


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
def test_unknown_name_failed_to_connect(error):
    def resolve(*_: Any, **__: Any) -> list[Any]:
        raise error

    with pytest.raises(ConnectFailed):
        ask(UpstreamPool(resolve=resolve), Target("https", "provider.test", 443))


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://api.test/v1/", (Target("https", "api.test", 443), "/v1")),
        ("https://API.test.", (Target("https", "api.test", 443), "")),
        ("https://api.test:8443/a/b", (Target("https", "api.test", 8443), "/a/b")),
        ("https://[2606:4700::1]/v1", (Target("https", "2606:4700::1", 443), "/v1")),
        ("https://bücher.test", (Target("https", "xn--bcher-kva.test", 443), "")),
    ],
)
def test_base_url_gives_target_and_prefix(base_url, expected):
    assert parse_base_url(base_url) == expected


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.test/v1",
        "ftp://api.test",
        "api.test/v1",
        "https://",
        "https://user:secret@api.test",
        "https://api.test/v1?key=1",
        "https://api.test/#a",
        "https://api.test/a b",
        "https://api.test:99999",
        "https://-/",
        "https://[::1",
    ],
)
def test_base_url_of_another_kind_is_refused(base_url):
    with pytest.raises(ValueError):
        parse_base_url(base_url)


def test_plain_http_is_for_private_hosts():
    target, _ = parse_base_url("http://localhost:11434/v1", allow_private=True)
    assert (target.authority, target.allow_private) == ("localhost:11434", True)
