"""A stocked shop for the tests of ``/v1``: models, one channel to the sandbox, customers, books.

The prices are such that a cost can be read off: 1 dollar per million input tokens, 2 per million
output tokens, so 1,000 and 2,000 nanos a token.
"""

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.core.crypto import Sealer
from app.core.database import in_session
from app.domain.accounts.limits import change_limits
from app.domain.accounts.models import ApiKey, KeyScope
from app.domain.alerts.models import Alert
from app.domain.billing import ledger
from app.domain.billing.models import Call, CallState
from app.domain.billing.values import Balances
from app.domain.billing.verify import verify
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.models import Model
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import REVISION, add_model, find_model, set_price
from app.domain.channels.buying import NewChannel, add_channel, set_cost
from app.domain.channels.models import Channel, ChannelModel
from app.domain.settings.revisions import bump
from app.services import Services, services
from tests import factories
from tests.sandbox_server import RunningSandbox

CHAT_PATH = "/v1/chat/completions"
EMBEDDINGS_PATH = "/v1/embeddings"
IMAGES_PATH = "/v1/images/generations"

SEALING_KEY = Fernet.generate_key().decode()
PROVIDER_KEY = "sk-provider-canary-7f3a"

INPUT_NANOS = 1_000
OUTPUT_NANOS = 2_000
EMBEDDING_NANOS = 100
PICTURE_INPUT_NANOS = 5_000
PICTURE_OUTPUT_NANOS = 40_000
PICTURE_NANOS = 39_000_000
PLENTY_NANOS = 5_000_000_000
MAX_OUTPUT_TOKENS = 4_096

MESSAGES = [{"role": "user", "content": "Hello there, how are you today?"}]
PATIENCE_S = 5.0


def _sheet(input_usd: str, output_usd: str) -> PriceSheet:
    return PriceSheet(Prices.from_usd(per_million={"input": input_usd, "output": output_usd}))


_CHAT = _sheet("1", "2")
_EMBEDDING = PriceSheet(Prices.from_usd(per_million={"input": "0.1"}))
_PICTURE_TOKENS = PriceSheet(Prices.from_usd(per_million={"input": "5", "image_output": "40"}))
_PICTURE = PriceSheet(Prices.from_usd(per_one={"image": "0.039"}))
_LIMITS = {"max_input_tokens": 128_000, "max_output_tokens": MAX_OUTPUT_TOKENS}


def _chat(name: str, **more: Any) -> NewModel:
    facts: dict[str, Any] = {**_LIMITS, **more}
    return NewModel(name=name, provider="acme", kind=ModelKind.CHAT, sheet=_CHAT, **facts)


STOCK = (
    _chat("talk"),
    _chat("thinker", abilities=("reasoning",), max_output_tokens=32_768),
    _chat("vendor/family/talk"),
    _chat("renamed"),
    _chat("for-payers"),
    _chat("retired", retires_on=date(2020, 1, 1)),
    _chat("hidden"),
    _chat("nowhere"),
    NewModel(
        name="embed",
        provider="acme",
        kind=ModelKind.EMBEDDING,
        sheet=_EMBEDDING,
        max_input_tokens=8_192,
    ),
    NewModel(
        name="draw",
        provider="acme",
        kind=ModelKind.IMAGE_GENERATION,
        sheet=_PICTURE_TOKENS,
        max_tokens_per_output_image=6_240,
    ),
    NewModel(name="draw-each", provider="acme", kind=ModelKind.IMAGE_GENERATION, sheet=_PICTURE),
)
UPSTREAM_NAMES = {"renamed": "upstream-secret-name"}


def stock(session: Session, *, base_url: str, sealing_key: str = SEALING_KEY) -> None:
    """Every model of `STOCK`, all but ``nowhere`` on the channel ``main``."""
    for new in STOCK:
        add_model(
            session, new, is_published=new.name != "hidden", author="test", reason="opening stock"
        )
    session.execute(update(Model).where(Model.name == "for-payers").values(allows_trial=False))
    served = [new.name for new in STOCK if new.name != "nowhere"]
    new_channel(
        session,
        "main",
        base_url,
        models={name: UPSTREAM_NAMES.get(name, name) for name in served},
        sealing_key=sealing_key,
    )


def new_channel(
    session: Session,
    name: str,
    base_url: str,
    *,
    models: dict[str, str],
    sealing_key: str = SEALING_KEY,
    **columns: Any,
) -> Channel:
    return add_channel(
        session,
        NewChannel(
            **{
                "name": name,
                "base_url": base_url,
                "api_key": PROVIDER_KEY,
                "models": models,
                "allow_private": True,
                **columns,
            }
        ),
        sealer=Sealer((sealing_key,)),
    )


@dataclass(frozen=True)
class Customer:
    user_id: int
    key_id: int
    secret: str
    cap_id: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


@dataclass(frozen=True)
class Shop:
    """An app on a stocked database, and the provider its channel leads to."""

    app: Flask
    provider: RunningSandbox

    @property
    def services(self) -> Services:
        return services(self.app)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A fresh session; what was done in it is committed at the end."""
        with Session(self.services.engine) as session:
            yield session
            session.commit()

    def customer(
        self,
        *,
        paid_nanos: int = PLENTY_NANOS,
        trial_nanos: int = 0,
        scope: KeyScope = KeyScope.FULL,
        **key: Any,
    ) -> Customer:
        with self.session() as session:
            user = factories.make_user(session)
            made, secret = factories.make_key(
                session, self.services.digester, user, scope=scope, **key
            )
            for amount_nanos, bucket in ((paid_nanos, "paid"), (trial_nanos, "trial")):
                if amount_nanos:
                    factories.credit(session, user.id, amount_nanos, bucket)
            return Customer(user.id, made.id, secret, made.cap_id)

    def child(self, customer: Customer) -> Customer:
        """Another key of the same family."""
        with self.session() as session:
            parent = session.get_one(ApiKey, customer.key_id)
            made, secret = factories.make_key(
                session, self.services.digester, parent.user, parent=parent
            )
            return Customer(customer.user_id, made.id, secret, made.cap_id)

    def trial_customer(self, *, trial_nanos: int = 200_000_000, **more: Any) -> Customer:
        return self.customer(
            paid_nanos=more.pop("paid_nanos", 0),
            trial_nanos=trial_nanos,
            scope=KeyScope.TRIAL,
            **more,
        )

    def set_served(self, model: str, **columns: Any) -> None:
        """Change how every channel serves a model; before the first request of a test."""
        with self.session() as session:
            which = select(Model.id).where(Model.name == model).scalar_subquery()
            session.execute(
                update(ChannelModel).where(ChannelModel.model_id == which).values(**columns)
            )
            bump(session, REVISION)

    def set_price(self, model: str, *, input_usd: str, output_usd: str) -> None:
        """A new price of a chat model, in force at once."""
        with self.session() as session:
            set_price(
                session,
                model=find_model(session, model),
                sheet=_sheet(input_usd, output_usd),
                effective_at=datetime.now(UTC),
                author="test",
                reason="test",
            )

    def set_cost(self, model: str, *, input_usd: str, output_usd: str) -> None:
        """What ``main`` charges for a chat model from now on."""
        with self.session() as session:
            served = session.scalars(
                select(ChannelModel).where(ChannelModel.model_id == find_model(session, model).id)
            )
            set_cost(
                session,
                channel_model=served.one(),
                sheet=_sheet(input_usd, output_usd),
                author="test",
                reason="test",
            )

    def set_channel(self, name: str, **columns: Any) -> None:
        with self.session() as session:
            session.execute(update(Channel).where(Channel.name == name).values(**columns))
            bump(session, REVISION)

    def add_channel(self, name: str, base_url: str, *, priority: int, **columns: Any) -> int:
        """One more channel for ``talk``; the highest priority is asked first."""
        with self.session() as session:
            models = {"talk": "talk"}
            made = new_channel(session, name, base_url, models=models, priority=priority, **columns)
            return made.id

    def post(
        self,
        customer: Customer,
        path: str = CHAT_PATH,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> TestResponse:
        """Send `raw`, or the members as JSON, through the app in this thread."""
        body = raw if raw is not None else json.dumps(members).encode()
        return self.app.test_client().post(
            path,
            data=body,
            headers={"Content-Type": "application/json", **customer.headers, **(headers or {})},
        )

    def chat(self, customer: Customer, **members: Any) -> TestResponse:
        """A chat request to ``talk`` with one short message, unless `members` say otherwise."""
        return self.post(customer, **{"model": "talk", "messages": MESSAGES, **members})

    def calls(self) -> list[Call]:
        with self.session() as session:
            found = list(session.scalars(select(Call).order_by(Call.id)))
            session.expunge_all()
            return found

    def only_call(self) -> Call:
        (call,) = self.calls()
        return call

    def alerts(self) -> list[str]:
        with self.session() as session:
            return [str(kind) for kind in session.scalars(select(Alert.kind))]

    def balances(self, customer: Customer) -> Balances:
        with self.session() as session:
            return ledger.balances(in_session(session), user_id=customer.user_id)

    def assert_at_rest(self) -> None:
        """Nothing is held, running or taken, and the books add up."""
        gateway = self.services.gateway
        assert wait_until(lambda: gateway.slots.taken == 0 and not gateway.running)
        assert len(gateway.running_counts) == 0
        assert [call.id for call in self.calls() if call.state is CallState.PENDING] == []
        with Session(self.services.engine) as session:
            assert verify(session) == []


def limited(shop: Shop, *, paid_nanos: int = PLENTY_NANOS, **limits: Any) -> Customer:
    """A customer whose key has these limits."""
    customer = shop.customer(paid_nanos=paid_nanos)
    with shop.session() as session:
        key = session.get_one(ApiKey, customer.key_id)
        change_limits(session, key=key, changes=limits, actor="test")
        return replace(customer, cap_id=key.cap_id)


def wait_until(condition: Callable[[], bool], *, patience_s: float = PATIENCE_S) -> bool:
    """Whether `condition` comes true in time."""
    by_s = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > by_s:
            return False
        time.sleep(0.005)
    return True


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def frames_of(body: bytes) -> list[dict[str, Any]]:
    """The data frames of a stream, without [DONE]."""
    lines = (line for line in body.decode().splitlines() if line.startswith("data: "))
    return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


def text_of(frames: list[dict[str, Any]]) -> str:
    """What the deltas of a stream say, put together."""
    deltas = (choice["delta"] for frame in frames for choice in frame.get("choices", ()))
    return "".join(delta.get("content") or "" for delta in deltas)


def send_raw(
    base_url: str, customer: Customer, path: str = CHAT_PATH, **members: Any
) -> socket.socket:
    """Open a connection to the product and send one request; the answer waits to be read."""
    host, _, port = base_url.removeprefix("http://").partition(":")
    body = json.dumps({"model": "talk", "messages": MESSAGES, **members}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: product\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {customer.secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    connection.sendall(head.encode() + body)
    return connection


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    """Read until `mark` has come."""
    received = b""
    while mark not in received:
        data = connection.recv(65_536)
        assert data, f"the answer ended before {mark!r}: {received[-300:]!r}"
        received += data
    return received


def hang_up(connection: socket.socket) -> None:
    """Leave as a crashed client does: with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
