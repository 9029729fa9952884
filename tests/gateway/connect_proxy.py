"""A little proxy that tunnels: it knows hosts by names that nobody else can resolve."""

import select
import socket
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from app.domain.channels.proxies import OutgoingProxy
from tests.gateway.wire_server import CONNECTION_PATIENCE_S, Script, Wire, WireServer

CONNECTIONS_MAX = 50
USER = "proxy-user-canary"
PASSWORD = "proxy-pass word-canary"
CREDENTIALS = f"{USER}:{PASSWORD}"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
WHO_ARE_YOU = (
    b'HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm="x"\r\n'
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def connect_proxy(
    leads_to: Mapping[str, int], *, credentials: str | None = CREDENTIALS
) -> Iterator[WireServer]:
    """`leads_to` are the ports of 127.0.0.1 behind ``host:port``; 502 is the answer for others, 407
    for who does not give the `credentials`, where there are any. Its `heads` are what it was asked.
    """
    with WireServer(*[_tunnel(leads_to, credentials)] * CONNECTIONS_MAX) as server:
        yield server


def through(server: WireServer, credentials: str = CREDENTIALS) -> OutgoingProxy:
    return OutgoingProxy("127.0.0.1", server.port, credentials)


def url_of_proxy(server: WireServer) -> str:
    """With our credentials, as an operator writes it."""
    return f"http://{USER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{server.port}"


def _tunnel(leads_to: Mapping[str, int], credentials: str | None) -> Script:
    def script(wire: Wire) -> None:
        head = wire.read_head()
        method, host, version = head.split(b"\r\n")[0].decode("ascii").split(" ")
        if credentials is not None and not _is_from(head, credentials):
            wire.send(WHO_ARE_YOU)
        elif (method, version) != ("CONNECT", "HTTP/1.1") or host not in leads_to:
            wire.send(BAD_GATEWAY)
        else:
            with socket.create_connection(("127.0.0.1", leads_to[host])) as behind:
                wire.note(behind)
                wire.send(ESTABLISHED)
                _relay(wire.socket, behind)

    return script


def _is_from(head: bytes, credentials: str) -> bool:
    line = b"Proxy-Authorization: Basic " + b64encode(credentials.encode())
    return line in head.split(b"\r\n")


def _relay(before: socket.socket, behind: socket.socket) -> None:
    """Pass bytes both ways until one side ends."""
    other = {before: behind, behind: before}
    while True:
        readable, _, _ = select.select([before, behind], [], [], CONNECTION_PATIENCE_S)
        for each in readable:
            data = each.recv(65_536)
            if not data:
                return
            other[each].sendall(data)
