"""What a key was charged, by day and model."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.core import ids
from app.domain.billing.models import CallState
from app.domain.usage.listing import CallRange, id_at
from app.domain.usage.totals import DayTotal, charged_by_day
from app.services import services
from tests.domain.usage.calls import make_call, make_model
from tests.factories import make_key, make_user


@pytest.fixture
def any_session(any_app: Flask) -> Iterator[Session]:
    with Session(services(any_app).engine) as session:
        yield session


def id_in(day: int, hour: int, minute: int = 0, *, sequence: int = 0) -> int:
    return id_at(datetime(2026, 11, day, hour, minute, tzinfo=UTC)) + sequence


def test_charges_are_summed_by_day_and_model(any_app: Flask, any_session: Session):
    digester = services(any_app).digester
    user = make_user(any_session)
    key, _ = make_key(any_session, digester, user)
    sibling, _ = make_key(any_session, digester, user)
    talk, think = make_model(any_session, "talk"), make_model(any_session, "think")
    make_call(any_session, key, talk, id=id_in(23, 0), cost_nanos=1)
    make_call(any_session, key, talk, id=id_in(23, 23, 59), cost_nanos=2)
    make_call(any_session, key, think, id=id_in(23, 12), cost_nanos=4)
    make_call(any_session, key, talk, id=id_in(24, 0), cost_nanos=100, written_off_nanos=92)
    make_call(any_session, key, talk, id=id_in(24, 1), cost_nanos=0, state=CallState.VOIDED)
    make_call(any_session, key, talk, id=id_in(24, 2), cost_nanos=None, state=CallState.PENDING)
    make_call(any_session, sibling, talk, id=id_in(24, 3), cost_nanos=1_000)
    make_call(any_session, key, talk, id=id_in(25, 0), cost_nanos=10_000)
    within = CallRange(user.id, key.id, from_id=id_in(23, 0), before_id=id_in(25, 0))
    assert charged_by_day(any_session, within) == (
        DayTotal(date(2026, 11, 23), "talk", 3),
        DayTotal(date(2026, 11, 23), "think", 4),
        DayTotal(date(2026, 11, 24), "talk", 8),
    )


def test_sums_beyond_32_bits_are_exact(any_app: Flask, any_session: Session):
    key, _ = make_key(any_session, services(any_app).digester, make_user(any_session))
    model = make_model(any_session)
    amounts = (3_000_000_000_000_000_001, 1)
    for sequence, amount in enumerate(amounts):
        make_call(any_session, key, model, id=id_in(24, 1, sequence=sequence), cost_nanos=amount)
    (total,) = charged_by_day(any_session, CallRange(key.user_id, key.id))
    assert total.charged_nanos == sum(amounts)
    assert type(total.charged_nanos) is int


def test_id_of_a_far_day_is_one_that_the_database_can_hold():
    assert ids.moment_ms_of(id_at(datetime(2026, 11, 24, tzinfo=UTC))) == 1_795_478_400_000
    assert id_at(datetime(2099, 12, 31, tzinfo=UTC)) < 2**63
    assert id_at(datetime(2001, 1, 1, tzinfo=UTC)) == 0
