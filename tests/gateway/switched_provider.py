"""A provider whose behaviour a test switches while it runs."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from app.domain.channels.breaker import BreakerRules
from app.domain.channels.models import Channel
from tests.gateway.failing_provider import answer_bytes, url_of
from tests.gateway.shop import Customer, Shop
from tests.gateway.wire_server import Wire, WireServer

CONNECTIONS_MAX = 300
PAUSE_S = 0.3
QUICK_RULES = BreakerRules(first_pause_s=PAUSE_S, longest_pause_s=PAUSE_S)

Act = Callable[[Wire], None]

GOOD_ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "model": "talk",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


def answers(wire: Wire) -> None:
    wire.send(answer_bytes(200, body=json.dumps(GOOD_ANSWER).encode()))


def refuses(status: int, *headers: str, **error: Any) -> Act:
    body = json.dumps({"error": error}).encode()
    return lambda wire: wire.send(answer_bytes(status, *headers, body=body))


KEY_REFUSED = refuses(401, message="Incorrect API key provided.", code="invalid_api_key")


def hangs_up(wire: Wire) -> None:
    wire.reset()


@dataclass
class SwitchedProvider:
    """`does` is what happens to every request from now on; `to_probe`, where it is set, happens to
    the requests that are our own."""

    server: WireServer
    does: Act = answers
    to_probe: Act | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return url_of(self.server)

    @property
    def probes(self) -> list[dict[str, Any]]:
        return [body for body in self.bodies if is_probe(body)]

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [body for body in self.bodies if not is_probe(body)]


def is_probe(body: dict[str, Any]) -> bool:
    messages = body.get("messages") or [{}]
    return bool(messages[0].get("content") == "Say ok." or body.get("input") == "ok")


@contextmanager
def switched_provider() -> Iterator[SwitchedProvider]:
    """One request a connection, so that each finds the behaviour of its moment."""

    def script(wire: Wire) -> None:
        body = json.loads(wire.read_request())
        with provider.lock:
            provider.bodies.append(body)
            act = provider.does
            if provider.to_probe is not None and is_probe(body):
                act = provider.to_probe
        act(wire)

    with WireServer(*[script] * CONNECTIONS_MAX) as server:
        provider = SwitchedProvider(server)
        yield provider


def fail_until_open(shop: Shop, customer: Customer) -> None:
    for _ in range(QUICK_RULES.calls_min):
        shop.chat(customer)


def is_enabled(shop: Shop, name: str = "bad") -> bool:
    with shop.session() as session:
        return session.scalars(select(Channel.is_enabled).where(Channel.name == name)).one()
