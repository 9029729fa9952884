"""A dossier holds everything on record of a call, whatever its end."""

import json

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.domain.billing.errors import CallUnknown
from app.domain.billing.models import CallState
from app.domain.catalog.units import Unit
from app.domain.payments.refunding import refund_request
from app.domain.usage.dossiers import Attempt, Dossier, find_dossier
from app.services import services
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books
from tests.domain.usage.a_call import add_channels, cost_version, post, void


@pytest.fixture
def books(app: Flask, frozen_time: FrozenTime) -> Books:
    return Books(services(app).engine)


def dossier_of(books: Books, call_id: int) -> Dossier:
    with Session(books.engine, expire_on_commit=False) as session:
        return find_dossier(session, call_id=call_id)


def test_posted_call_tells_its_prices_attempts_and_margin(books: Books):
    channels = add_channels(books, "first", "second")
    version_id = cost_version(books, channels["second"])
    hold = books.hold(books.key(books.user(trial=30, paid=100)), 60)
    attempts = [
        {"channel_id": channels["first"], "outcome": "http_500", "status": 500, "duration_ms": 9},
        {"channel_id": channels["second"], "outcome": "ok", "status": 200, "duration_ms": 70},
    ]
    post(
        books, hold, 50, channel_id=channels["second"], cost_version_id=version_id,
        upstream_cost_nanos=25, attempts=json.dumps(attempts), duration_ms=80,
        reported=json.dumps({"facts": {"cost": 0.1}}),
    )  # fmt: skip
    dossier = dossier_of(books, hold.call_id)
    assert dossier.channel_name == "second"
    assert dossier.attempts == (
        Attempt("first", "http_500", 500, 9),
        Attempt("second", "ok", 200, 70),
    )
    assert dossier.price is not None
    assert dossier.cost is not None
    assert [(line.unit, line.quantity) for line in dossier.price.lines] == [(Unit.INPUT, 50)]
    assert dossier.cost.version_id == version_id
    assert (dossier.call.charged_nanos, dossier.refunded_nanos, dossier.margin_nanos) == (50, 0, 25)
    assert dossier.reported == {"facts": {"cost": 0.1}}
    assert dossier.call.started_at.isoformat().startswith("2026-11-24")


def test_first_answer_of_the_only_channel_is_told_as_an_attempt(books: Books):
    channels = add_channels(books, "only")
    hold = books.hold(books.key(books.user(paid=100)), 60)
    post(books, hold, 50, channel_id=channels["only"], duration_ms=80)
    dossier = dossier_of(books, hold.call_id)
    assert dossier.attempts == (Attempt("only", "ok", 200, 80),)
    assert (dossier.cost, dossier.margin_nanos) == (None, None)


def test_refunds_lower_the_margin(books: Books):
    channels = add_channels(books, "only")
    version_id = cost_version(books, channels["only"])
    hold = books.hold(books.key(books.user(trial=30, paid=100)), 60)
    post(
        books, hold, 50, channel_id=channels["only"], cost_version_id=version_id,
        upstream_cost_nanos=25,
    )  # fmt: skip
    with Session(books.engine) as session:
        refund_request(
            session, call_id=hold.call_id, amount_nanos=30, actor="operator", reason="bad",
            reference="case 7",
        )  # fmt: skip
        session.commit()
    dossier = dossier_of(books, hold.call_id)
    assert [transfer.amount_nanos for transfer in dossier.refunds] == [20, 10]
    assert (dossier.refunded_nanos, dossier.margin_nanos) == (30, -5)


def test_running_and_voided_calls_have_no_lines(books: Books):
    key = books.key(books.user(paid=100))
    running, voided = books.hold(key, 10), books.hold(key, 10)
    void(books, voided)
    assert dossier_of(books, running.call_id).call.state is CallState.PENDING
    dossier = dossier_of(books, voided.call_id)
    assert dossier.price is not None
    assert (dossier.price.lines, dossier.attempts, dossier.call.charged_nanos) == ((), (), 0)


def test_what_is_gone_leaves_the_dossier_readable(books: Books):
    hold = books.hold(books.key(books.user(paid=100)), 60)
    attempts = [
        {"channel_id": 99, "outcome": "http_500", "status": 500, "duration_ms": 1},
        {"channel_id": 98, "outcome": "ok", "status": 200, "duration_ms": 1},
    ]
    post(books, hold, 50, channel_id=98, attempts=json.dumps(attempts))
    books.execute("DELETE FROM api_keys")
    dossier = dossier_of(books, hold.call_id)
    assert dossier.key is None
    assert [attempt.channel for attempt in dossier.attempts] == ["channel 99", "channel 98"]


def test_unknown_call_is_told(books: Books):
    with pytest.raises(CallUnknown):
        dossier_of(books, 1)
