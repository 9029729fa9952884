"""Migration 0010: what was there before means the same after, and on the way back."""

import flask_migrate
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select, text

from app.core.crypto import Sealer
from app.core.database import db
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import add_model
from app.domain.channels.buying import NewChannel, add_channel
from app.domain.channels.models import Channel, ChannelModel, CostVersion
from app.domain.channels.serving import find_served, set_cost, stop_serving

SEALER = Sealer((Fernet.generate_key().decode(),))
SHEET = PriceSheet(Prices.from_usd(per_million={"input": "1", "output": "2"}))


def stock() -> None:
    """A channel that no longer serves one of two models, whose cost is known; one with a proxy."""
    session = db.session()
    for name in ("talk", "think"):
        new = NewModel(name=name, provider="acme", kind=ModelKind.CHAT, sheet=SHEET)
        add_model(session, new, is_published=True, author="anna", reason="opening")
    for name, proxy_url in (("straight", None), ("proxied", "http://proxy.example:3128")):
        channel = NewChannel(
            name=name,
            base_url="https://provider.example/v1",
            api_key="sk",
            models={"talk": "talk-2026", "think": "think-2026"},
            proxy_url=proxy_url,
        )
        add_channel(session, channel, sealer=SEALER)
    channel = session.scalars(select(Channel).where(Channel.name == "straight")).one()
    served = find_served(session, channel=channel, sold="think")
    set_cost(session, channel_model=served, sheet=SHEET, author="anna", reason="contract")
    stop_serving(session, channel=channel, sold="think")
    session.commit()
    db.session.remove()


def texts(statement: str) -> list[str]:
    found = list(db.session.execute(text(statement)).scalars())
    db.session.remove()
    return found


def test_an_empty_name_was_the_mark_and_no_channel_is_reached_without_its_proxy(any_app: Flask):
    with any_app.app_context():
        stock()
        flask_migrate.downgrade(revision="0009")
        order = "SELECT upstream_name FROM channel_models ORDER BY id"
        assert texts(order) == ["talk-2026", "", "talk-2026", "think-2026"]
        assert texts("SELECT name FROM channels WHERE is_enabled") == ["straight"]

        flask_migrate.upgrade()
        rows = db.session.scalars(select(ChannelModel).order_by(ChannelModel.id)).all()
        assert [row.is_served for row in rows] == [True, False, True, True]
        cost = db.session.scalars(select(CostVersion)).one()
        assert cost.channel_model_id == rows[1].id
        assert set(db.session.scalars(select(Channel.sealed_proxy))) == {None}
