"""What people see of the breakers."""

from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Sealer
from app.domain.channels.buying import NewChannel, add_channel
from app.domain.channels.models import BreakerTurn
from app.domain.channels.states import StoreTurn, breaker_states
from app.services import services
from tests.conftest import FrozenTime
from tests.domain.usage.calls import make_model


def stock(session: Session, *names: str, sealer: Sealer | None = None) -> tuple[list[int], int]:
    """Channels that sell ``talk``: their ids, and the model's."""
    model = make_model(session)
    sealer = sealer or Sealer((Fernet.generate_key().decode(),))
    made = [
        add_channel(
            session,
            NewChannel(
                name=name,
                base_url="https://provider.example/v1",
                api_key="sk-test",
                models={"talk": "talk"},
            ),
            sealer=sealer,
        ).id
        for name in names
    ]
    session.commit()
    return made, model.id


def turn(channel_id: int, model_id: int, to: BreakerTurn, *, failure: str | None) -> StoreTurn:
    now_ms = clock.now_ms()
    opened_ms = None if to is BreakerTurn.CLOSED else now_ms
    return StoreTurn(channel_id, model_id, to, opened_ms, now_ms, failure)


def test_last_turn_is_kept(any_app: Flask, frozen_time: FrozenTime) -> None:
    writer = services(any_app).writer
    with Session(services(any_app).engine) as session:
        (one, two), model_id = stock(session, "one", "two")
        writer.submit(turn(two, model_id, BreakerTurn.OPEN, failure="x" * 500))
        writer.submit(turn(one, model_id, BreakerTurn.OPEN, failure="status_500"))
        frozen_time.advance(5)
        writer.submit(turn(one, model_id, BreakerTurn.CLOSED, failure=None))
        first, second = breaker_states(session)
        assert (first.channel_name, first.model_name) == ("one", "talk")
        assert (first.state.turn, first.state.opened_at) == (BreakerTurn.CLOSED, None)
        assert first.state.turned_at == clock.now()
        assert second.state.last_failure == "x" * 64
        assert [view.channel_name for view in breaker_states(session, is_troubled=True)] == ["two"]
