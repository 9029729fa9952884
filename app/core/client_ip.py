"""Whose IP a request comes from, and the networks by which rates and budgets are counted."""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

UNKNOWN = ipaddress.IPv4Address(0)
"""The IP of a peer that has none, such as a Unix socket."""

_RATE_PREFIX = {4: 32, 6: 64}
_NETWORK_PREFIX = {4: 24, 6: 48}


def parse_networks(words: Iterable[str]) -> tuple[IpNetwork, ...]:
    """Networks in CIDR notation, host bits allowed. Raises ValueError."""
    return tuple(ipaddress.ip_network(word, strict=False) for word in words)


def client_ip(environ: Mapping[str, Any], trusted: tuple[IpNetwork, ...]) -> IpAddress:
    """The socket's peer, or what X-Forwarded-For says where every hop up to there is trusted.

    The header is read from its end, since each proxy appends what it saw; what stands before the
    first hop that is not ours may be invented.
    """
    ip = _parse(environ.get("REMOTE_ADDR", "")) or UNKNOWN
    hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while hops and any(ip in network for network in trusted):
        before = _parse(hops.pop())
        if before is None:
            break
        ip = before
    return ip


def rate_subject(ip: IpAddress) -> str:
    """What a rate per IP counts: an IPv4 address, an IPv6 /64 (one household has that many)."""
    return _wider(ip, _RATE_PREFIX)


def network_of(ip: IpAddress) -> str:
    """The network of an IP in CIDR notation: IPv4 /24, IPv6 /48."""
    return _wider(ip, _NETWORK_PREFIX)


def _wider(ip: IpAddress, prefixes: Mapping[int, int]) -> str:
    return str(ipaddress.ip_network((ip.packed, prefixes[ip.version]), strict=False))


def _parse(text: str) -> IpAddress | None:
    try:
        ip = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    # ::ffff:192.0.2.1 is how a dual-stack socket shows an IPv4 peer.
    return getattr(ip, "ipv4_mapped", None) or ip
