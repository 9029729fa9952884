"""Rows of calls as settlements leave them, made directly: lists need many."""

from typing import Any

from sqlalchemy.orm import Session

from app.core import clock, ids
from app.domain.accounts.models import ApiKey, KeyScope
from app.domain.billing.models import Call, CallState
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.models import Model
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import add_model


def make_model(session: Session, name: str = "talk") -> Model:
    sheet = PriceSheet(Prices.from_usd(per_million={"input": "1", "output": "2"}))
    new = NewModel(name=name, provider="acme", kind=ModelKind.CHAT, sheet=sheet)
    model = add_model(session, new, is_published=True, author="test", reason="test")
    session.flush()
    return model


def make_call(session: Session, key: ApiKey, model: Model, **columns: Any) -> Call:
    """A posted call of 1,000 nanos now, unless `columns` say otherwise."""
    call = Call(
        **{
            "id": ids.mint(),
            "state": CallState.POSTED,
            "user_id": key.user_id,
            "key_id": key.id,
            "scope": KeyScope.FULL,
            "model_id": model.id,
            "price_version_id": 1,
            "lease_id": 1,
            "deadline_at": clock.now(),
            "held_trial_nanos": 0,
            "held_paid_nanos": 5_000,
            "protocol": "chat",
            "is_streamed": False,
            "status": 200,
            "cost_nanos": 1_000,
            "trial_cost_nanos": 0,
            "written_off_nanos": 0,
            "settled_at": clock.now(),
            **columns,
        }
    )
    session.add(call)
    session.flush()
    return call
