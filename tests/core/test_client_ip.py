"""The caller's IP is the socket's, unless a trusted proxy says otherwise."""

import pytest

from app.core.client_ip import client_ip, network_of, parse_networks, rate_subject

PROXIES = parse_networks(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("fe80::1%eth0", None, "fe80::1"),
        ("", "198.51.100.1", "0.0.0.0"),
    ],
)
def test_header_counts_only_behind_trusted_hops(peer, forwarded, found):
    environ = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    assert str(client_ip(environ, PROXIES)) == found


def test_without_trusted_proxies_the_header_is_never_read():
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}
    assert str(client_ip(environ, ())) == "127.0.0.1"


@pytest.mark.parametrize(
    ("ip", "subject", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"),
    ],
)
def test_rates_count_an_ipv6_64_and_networks_a_24_or_48(ip, subject, network):
    found = client_ip({"REMOTE_ADDR": ip}, ())
    assert (rate_subject(found), network_of(found)) == (subject, network)
