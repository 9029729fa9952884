"""Calls with everything that a real one has on record: channels, attempts, costs."""

import json
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Sealer
from app.domain.billing.settle import CallRecord, Post, Void
from app.domain.billing.values import Hold
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import MILLION, Prices, PriceSheet
from app.domain.catalog.units import Unit
from app.domain.channels.buying import NewChannel, add_channel, set_cost
from app.domain.channels.models import Channel
from tests.domain.billing.books import Books

HALF_A_NANO_A_TOKEN = PriceSheet(Prices({Unit.INPUT: MILLION // 2, Unit.OUTPUT: MILLION // 2}))


def add_channels(books: Books, *names: str) -> dict[str, int]:
    """Channels that serve the books' model, by name: their ids."""
    with Session(books.engine) as session:
        model = session.get_one(Model, books.model_id)
        sealer = Sealer((Fernet.generate_key().decode(),))
        made = {
            name: add_channel(
                session,
                NewChannel(
                    name=name,
                    base_url="https://provider.example/v1",
                    api_key="sk-provider-canary",
                    models={model.name: "upstream-name"},
                ),
                sealer=sealer,
            ).id
            for name in names
        }
        session.commit()
    return made


def cost_version(books: Books, channel_id: int) -> int:
    """The channel charges half of what the books' model is sold for."""
    with Session(books.engine) as session:
        channel = session.get_one(Channel, channel_id)
        version = set_cost(
            session,
            channel_model=channel.models[0],
            sheet=HALF_A_NANO_A_TOKEN,
            author="test",
            reason="test",
        )
        session.commit()
        return version.id


def post(books: Books, hold: Hold, cost: int, **record: Any) -> None:
    """Charge a call as the gateway does; `record` fills the row."""
    given = {"status": 200, "reason": None, "units": json.dumps({"input": cost}), **record}
    books.writer.submit(
        Post(hold=hold, cost_nanos=cost, at_ms=clock.now_ms(), record=CallRecord(**given))
    )


def void(books: Books, hold: Hold, **record: Any) -> None:
    given = {"status": 502, "reason": "upstream_failed", **record}
    books.writer.submit(Void(hold=hold, at_ms=clock.now_ms(), record=CallRecord(**given)))
