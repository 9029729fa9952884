"""How each channel served each model, as the operator reads it."""

import json
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.core import clock, ids
from app.domain.billing.models import CallState
from app.domain.catalog.models import Model
from app.domain.usage.channel_figures import channel_figures
from app.services import services
from tests import factories
from tests.domain.channels.test_states import stock
from tests.domain.usage.calls import make_call

HOUR = timedelta(hours=1)


class Calls:
    """Makes calls of ``talk`` at the channels ``one`` and ``two``."""

    def __init__(self, app: Flask, session: Session) -> None:
        (self.one, self.two), model_id = stock(session, "one", "two")
        self._session = session
        self._model = session.get_one(Model, model_id)
        user = factories.make_user(session)
        self._key, _ = factories.make_key(session, services(app).digester, user)

    def add(self, channel_id: int | None, **columns: Any) -> None:
        make_call(self._session, self._key, self._model, channel_id=channel_id, **columns)

    def add_void(self, channel_id: int | None, reason: str, **columns: Any) -> None:
        self.add(
            channel_id,
            **{
                "state": CallState.VOIDED,
                "reason": reason,
                "status": 502,
                "cost_nanos": 0,
                **columns,
            },
        )


def attempts(*rows: tuple[int, str]) -> str:
    return json.dumps(
        [
            {"channel_id": channel_id, "outcome": outcome, "status": None, "duration_ms": 1}
            for channel_id, outcome in rows
        ]
    )


def test_no_calls_no_figures(any_app: Flask) -> None:
    with Session(services(any_app).engine) as session:
        Calls(any_app, session)
        assert channel_figures(session, since=clock.now() - HOUR) == []


def test_outcomes_are_counted_by_channel(any_app: Flask) -> None:
    with Session(services(any_app).engine) as session:
        calls = Calls(any_app, session)
        calls.add(calls.one)
        calls.add(calls.one, reason="client_left")
        calls.add(calls.one, reason="upstream_broken")
        calls.add_void(calls.one, "upstream_timeout")
        calls.add_void(calls.one, "upstream_timeout")
        calls.add(calls.two, attempts=attempts((calls.one, "status_500"), (calls.two, "ok")))
        calls.add_void(None, "internal_error")
        calls.add(calls.one, state=CallState.PENDING)
        one, two = channel_figures(session, since=clock.now() - HOUR)
        assert (one.channel_name, one.model_name) == ("one", "talk")
        assert (one.calls, one.succeeded, one.attempts) == (5, 2, 6)
        assert one.failures == {"upstream_broken": 1, "upstream_timeout": 2}
        assert one.moved_on == {"status_500": 1}
        assert (two.calls, two.succeeded, two.failures, two.moved_on) == (1, 1, {}, {})


def test_channel_that_only_ever_failed_first_is_shown(any_app: Flask) -> None:
    with Session(services(any_app).engine) as session:
        calls = Calls(any_app, session)
        calls.add(calls.two, attempts=attempts((calls.one, "no_credit"), (calls.two, "ok")))
        one, _ = channel_figures(session, since=clock.now() - HOUR)
        assert (one.calls, one.attempts, one.median_first_content_ms) == (0, 1, None)


def test_speeds_are_measured_values(any_app: Flask) -> None:
    with Session(services(any_app).engine) as session:
        calls = Calls(any_app, session)
        for milliseconds in range(100, 0, -1):
            calls.add(calls.one, first_content_ms=milliseconds)
        calls.add(calls.two, first_content_ms=9)
        calls.add(calls.two)
        one, two = channel_figures(session, since=clock.now() - HOUR)
        assert (one.median_first_content_ms, one.p95_first_content_ms) == (50, 95)
        assert (two.median_first_content_ms, two.p95_first_content_ms) == (9, 9)


def test_margin_is_over_calls_of_known_cost(any_app: Flask) -> None:
    with Session(services(any_app).engine) as session:
        calls = Calls(any_app, session)
        calls.add(calls.one, cost_nanos=1_000, upstream_cost_nanos=400)
        calls.add(calls.one, cost_nanos=10, upstream_cost_nanos=70)
        calls.add(calls.one, cost_nanos=5_000_000_000_000)
        (one,) = channel_figures(session, since=clock.now() - HOUR)
        assert one.sale_nanos == 5_000_000_001_010
        assert (one.cost_nanos, one.costed_calls, one.margin_nanos) == (470, 2, 540)
        assert {type(value) for value in (one.sale_nanos, one.cost_nanos, one.margin_nanos)} == {
            int
        }


def test_older_calls_are_left_out(any_app: Flask) -> None:
    with Session(services(any_app).engine) as session:
        calls = Calls(any_app, session)
        now_ms = clock.now_ms()
        calls.add(calls.one, id=ids.first_id_at(now_ms - 3_600_001))
        calls.add(calls.one, id=ids.first_id_at(now_ms - 3_500_000))
        (one,) = channel_figures(session, since=clock.now() - HOUR)
        assert one.calls == 1


def test_only_the_range_of_ids_is_read(app: Flask, session: Session) -> None:
    Calls(app, session)
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    engine = services(app).engine
    event.listen(engine, "before_cursor_execute", note)
    channel_figures(session, since=clock.now() - HOUR)
    event.remove(engine, "before_cursor_execute", note)
    plans = [
        str(session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).all())
        for sql, parameters in statements
        if "FROM calls" in sql
    ]
    assert len(plans) == 4
    assert all("USING INTEGER PRIMARY KEY (rowid>?)" in plan for plan in plans)
