"""Opening a connection to a provider: which address, through which proxy, with TLS.

Every step (name, TCP, proxy, TLS) runs against one deadline. The address that was checked is the
address that is dialled: a second look-up could give another answer (DNS rebinding).
"""

import queue
import re
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from app.core import clock
from app.domain.channels.proxies import OutgoingProxy
from app.gateway.http_connection import AnswerParser, HttpConnection
from app.gateway.upstream_errors import (
    AddressNotAllowed,
    ConnectFailed,
    ConnectionBroken,
    MalformedAnswer,
    ProxyFailed,
    UpstreamError,
    translated,
)

DEFAULT_PORTS = {"https": 443, "http": 80}

AddressInfo = tuple[Any, ...]
Resolve = Callable[..., list[Any]]
"""`socket.getaddrinfo`, or something that answers like it."""

_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_PATH = re.compile(r"[!-~]*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PRIVATE_ENDINGS = (
    ".localhost",
    ".localdomain",
    ".local",
    ".internal",
    ".intranet",
    ".private",
    ".corp",
    ".home",
    ".lan",
    ".home.arpa",
)
"""Names that lead nowhere on the open internet (RFC 6761, 6762 with its appendix G, 8375)."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go; equal targets share connections.

    The operator named `proxy`, so its own address is not checked; the host's name is resolved
    behind it, where we cannot check an address, only the name.
    """

    scheme: str
    host: str
    port: int
    proxy: OutgoingProxy | None = None
    allow_private: bool = False

    @property
    def authority(self) -> str:
        """Host and port as in the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


class Deadline(NamedTuple):
    """A moment (monotonic) and the error that it means."""

    at_s: float
    late: type[UpstreamError]

    def left_s(self) -> float:
        """Seconds until then, more than none; raises `late` when it has passed."""
        left_s = self.at_s - clock.monotonic()
        if left_s <= 0:
            raise self.late("Connecting took too long.", sent=False)
        return left_s


def parse_base_url(
    base_url: str, *, allow_private: bool = False, proxy: OutgoingProxy | None = None
) -> tuple[Target, str]:
    """The target and the path prefix (no slash at its end) of a channel's base URL.

    `ValueError`, with a sentence for the operator, on anything but plain ``https://host[:port]/…``;
    ``http`` only together with `allow_private`.
    """
    parts = urlsplit(base_url.strip())
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("The base URL must begin with https:// (or http:// on a private host).")
    if parts.scheme == "http" and not allow_private:
        raise ValueError("Plain http is allowed on private hosts only; use https.")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("The base URL must not hold a user, a query or a fragment.")
    prefix = parts.path.rstrip("/")
    if not _PATH.fullmatch(prefix):
        raise ValueError("The path of the base URL holds a character that must be encoded.")
    host = _normal_host(parts.hostname)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return Target(parts.scheme, host, port, proxy=proxy, allow_private=allow_private), prefix


def dial(
    target: Target, *, deadline: Deadline, ssl_context: ssl.SSLContext | None, resolve: Resolve
) -> socket.socket:
    """A connected socket, TLS verified where the scheme asks for it; raises `UpstreamError`.

    `ssl_context` may be None for plain ``http`` only.
    """
    assert ssl_context is not None or target.scheme == "http"
    if target.proxy is not None:
        connected = _dial_proxy(target, target.proxy, deadline=deadline, resolve=resolve)
    else:
        allowed = _allowed_addresses(target, deadline=deadline, resolve=resolve)
        connected = _dial_addresses(allowed, deadline)
    with _closed_on_failure(connected, deadline):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ssl_context is None or target.scheme == "http":
            return connected
        connected.settimeout(deadline.left_s())
        return ssl_context.wrap_socket(connected, server_hostname=target.host)


def is_open_internet(text: str) -> bool:
    """Whether this IP address is reachable by everybody, seen through IPv6's wrappings of IPv4."""
    address = _unwrapped(ip_address(text.partition("%")[0]))
    if not address.is_global or address.is_multicast:
        return False
    return isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _allowed_addresses(
    target: Target, *, deadline: Deadline, resolve: Resolve
) -> list[AddressInfo]:
    found = _look_up(target.host, target.port, deadline=deadline, resolve=resolve)
    allowed = [entry for entry in found if target.allow_private or is_open_internet(entry[4][0])]
    if not allowed:
        raise AddressNotAllowed(f"{target.host} is on a private network.", sent=False)
    return allowed


def _look_up(host: str, port: int, *, deadline: Deadline, resolve: Resolve) -> list[AddressInfo]:
    """Resolve in a thread of its own, because `getaddrinfo` knows no time-out."""
    answers: queue.SimpleQueue[list[AddressInfo] | OSError | UnicodeError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(resolve(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left_s())
    except queue.Empty:
        raise deadline.late(f"Resolving {host} took too long.", sent=False) from None
    if isinstance(answer, list):
        return answer
    raise translated(answer, late=deadline.late, broken=ConnectFailed, sent=False) from answer


def _dial_addresses(addresses: list[AddressInfo], deadline: Deadline) -> socket.socket:
    """Try one after the other; a silent address takes only its share of the time left."""
    failure = OSError("The name has no address.")
    for position, address in enumerate(addresses):
        share_s = deadline.left_s() / (len(addresses) - position)
        try:
            return _dial_address(address, timeout_s=share_s)
        except OSError as error:
            failure = error
    raise translated(failure, late=deadline.late, broken=ConnectFailed, sent=False) from failure


def _dial_address(address: AddressInfo, *, timeout_s: float) -> socket.socket:
    family, kind, protocol, _, where = address
    connected = socket.socket(family, kind, protocol)
    try:
        connected.settimeout(timeout_s)
        connected.connect(where)
    except BaseException:
        connected.close()
        raise
    return connected


def _dial_proxy(
    target: Target, proxy: OutgoingProxy, *, deadline: Deadline, resolve: Resolve
) -> socket.socket:
    """A tunnel through the target's proxy, for plain ``http`` too: then the proxy sees what it
    would see anyway, and the request is the same as without."""
    if not target.allow_private and _is_private_name(target.host):
        raise AddressNotAllowed(f"{target.host} is on a private network.", sent=False)
    try:
        found = _look_up(proxy.host, proxy.port, deadline=deadline, resolve=resolve)
        connected = _dial_addresses(found, deadline)
    except ConnectFailed as error:
        raise ProxyFailed("The channel's proxy cannot be reached.", sent=False) from error
    with _closed_on_failure(connected, deadline):
        try:
            _ask_for_tunnel(HttpConnection(connected), target, proxy, deadline)
        except TimeoutError:
            raise
        except (MalformedAnswer, ConnectionBroken, OSError) as error:
            raise ProxyFailed("The channel's proxy broke off.", sent=False) from error
    return connected


def _ask_for_tunnel(
    connection: HttpConnection, target: Target, proxy: OutgoingProxy, deadline: Deadline
) -> None:
    host = f"[{target.host}]" if ":" in target.host else target.host
    head = f"CONNECT {host}:{target.port} HTTP/1.1\r\nHost: {host}:{target.port}\r\n"
    if proxy.credentials:
        encoded = b64encode(proxy.credentials.encode()).decode("ascii")
        head += f"Proxy-Authorization: Basic {encoded}\r\n"
    connection.send(head.encode("ascii"), b"\r\n", timeout_s=deadline.left_s())
    answer = AnswerParser()
    try:
        while not answer.status:
            data = connection.receive(timeout_s=deadline.left_s())
            answer.feed(data) if data else answer.end_of_stream()
    finally:
        answer.release()
    if not 200 <= answer.status < 300:
        said = f"The channel's proxy refused the tunnel ({answer.status})."
        raise ProxyFailed(said, sent=False)
    if answer.take():
        raise ProxyFailed("The channel's proxy spoke before the provider.", sent=False)


@contextmanager
def _closed_on_failure(connected: socket.socket, deadline: Deadline) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        connected.close()
        raise translated(error, late=deadline.late, broken=ConnectFailed, sent=False) from error
    except BaseException:
        connected.close()
        raise


def _normal_host(host: str | None) -> str:
    """The host in lower-case ASCII, without the root's dot; an IPv6 address without brackets."""
    if host is None:
        raise ValueError("The base URL names no host.")
    if ":" in host:
        return str(ip_address(host))
    try:
        name = host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ValueError("The host of the base URL is not a valid name.") from error
    if not _HOST_NAME.fullmatch(name):
        raise ValueError("The host of the base URL is not a valid name.")
    return name


def _is_private_name(host: str) -> bool:
    """Whether a host is private by its name alone. What ends in a number is an IPv4 address to
    many resolvers, however it is written (``127.1``, ``0x7f.1``): only the plain form may pass."""
    if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            return not is_open_internet(host)
        except ValueError:
            return True
    return "." not in host or host.endswith(_PRIVATE_ENDINGS)
