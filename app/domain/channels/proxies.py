"""The proxy on the way to a provider, as the operator writes it. Rules; the edge commits."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from sqlalchemy.orm import Session

from app.core.crypto import Sealer
from app.domain.catalog.selling import REVISION
from app.domain.channels.errors import InvalidChannel
from app.domain.channels.models import Channel
from app.domain.settings.revisions import bump

LONGEST_URL = 512
_VISIBLE_TEXT = re.compile(r"[!-~]+")
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class OutgoingProxy:
    """An HTTP proxy that tunnels (CONNECT). `credentials` are ``user:password``, or empty."""

    host: str
    port: int
    credentials: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """Host and port: all that is ever shown of it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_proxy(url: str) -> OutgoingProxy:
    """``http://[user:password@]host:port``, user and password percent-encoded where they must be.

    Raises `InvalidChannel`, which never repeats the text: it may hold a password.
    """
    if len(url) > LONGEST_URL or not _VISIBLE_TEXT.fullmatch(url):
        raise _invalid()
    try:
        parts = urlsplit(url)
        host, port = _host(parts.hostname or ""), parts.port
        credentials = _credentials(parts.username, parts.password)
    except ValueError:
        # Not its cause: `urlsplit` quotes what it could not read.
        raise _invalid() from None
    has_more = parts.path not in ("", "/") or "?" in url or "#" in url
    if parts.scheme != "http" or not port or has_more:
        raise _invalid()
    return OutgoingProxy(host, port, credentials)


def set_proxy(session: Session, *, channel: Channel, proxy_url: str | None, sealer: Sealer) -> None:
    """Lead to the channel through a proxy from now on, or straight (None). Calls under way end as
    they are. Raises `InvalidChannel`."""
    channel.sealed_proxy = sealed_proxy(proxy_url, sealer=sealer)
    bump(session, REVISION)


def sealed_proxy(proxy_url: str | None, *, sealer: Sealer) -> str | None:
    """What a channel stores. Raises `InvalidChannel`."""
    if proxy_url is None:
        return None
    parse_proxy(proxy_url)
    return sealer.seal(proxy_url)


def proxy_of(channel: Channel, *, sealer: Sealer) -> OutgoingProxy | None:
    """The channel's proxy, opened; None goes straight. Raises `SealBroken`."""
    if channel.sealed_proxy is None:
        return None
    return parse_proxy(sealer.open(channel.sealed_proxy))


def _host(host: str) -> str:
    if ":" in host:
        return str(ip_address(host))
    if not _HOST_NAME.fullmatch(host):
        raise ValueError("no host")
    return host


def _credentials(user: str | None, password: str | None) -> str:
    """Both in clear. A colon in the user would move where the password begins (RFC 7617, 2)."""
    if user is None:
        return ""
    name = unquote(user, errors="strict")
    credentials = f"{name}:{unquote(password or '', errors='strict')}"
    if not name or ":" in name or not credentials.isprintable():
        raise ValueError("no credentials")
    return credentials


def _invalid() -> InvalidChannel:
    return InvalidChannel(
        "The proxy must look like http://host:port or http://user:password@host:port.",
        field="proxy",
    )
