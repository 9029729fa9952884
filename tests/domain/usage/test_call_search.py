"""Finding calls by range of id: by user, model, channel, outcome, age."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.usage.call_search import search_calls
from app.services import services
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books
from tests.domain.usage.a_call import add_channels, post, void


@pytest.fixture
def any_books(any_app: Flask, frozen_time: FrozenTime) -> Books:
    return Books(services(any_app).engine)


@pytest.fixture
def books(app: Flask, frozen_time: FrozenTime) -> Books:
    return Books(services(app).engine)


def found(books: Books, **wanted: Any) -> list[int]:
    asked = {"since": clock.now() - timedelta(hours=24), "count": 50, **wanted}
    with Session(books.engine) as session:
        return [each.call.id for each in search_calls(session, **asked)]


def test_newest_first_of_the_span_and_no_more_than_asked(any_books: Books, frozen_time: FrozenTime):
    key = any_books.key(any_books.user(paid=1_000))
    old = any_books.hold(key, 10).call_id
    frozen_time.advance(86_401)
    newer = [any_books.hold(key, 10).call_id for _ in range(3)]
    assert found(any_books) == newer[::-1]
    assert found(any_books, count=2) == [newer[2], newer[1]]
    assert found(any_books, since=clock.now() - timedelta(days=2)) == [*newer[::-1], old]


def test_filters_narrow_together(any_books: Books):
    channels = add_channels(any_books, "one", "two")
    ann, bob = any_books.user(paid=1_000), any_books.user(paid=1_000)
    key, other = any_books.key(ann), any_books.key(bob)
    ok, failed, bobs = any_books.hold(key, 10), any_books.hold(key, 10), any_books.hold(other, 10)
    left = any_books.hold(key, 10)
    post(any_books, ok, 5, channel_id=channels["one"])
    void(any_books, failed, channel_id=channels["two"])
    post(any_books, bobs, 5, channel_id=channels["two"], reason="truncated")
    post(any_books, left, 5, channel_id=channels["two"], reason="client_left")
    assert found(any_books, user_id=ann) == [left.call_id, failed.call_id, ok.call_id]
    assert found(any_books, only_failed=True) == [bobs.call_id, failed.call_id]
    assert found(any_books, channel_id=channels["one"]) == [ok.call_id]
    assert found(any_books, user_id=ann, only_failed=True) == [failed.call_id]
    assert found(any_books, model_id=any_books.model_id + 1) == []


@pytest.mark.parametrize(
    ("wanted", "index"), [({}, "PRIMARY KEY"), ({"user_id": 10001}, "ix_calls_user_id_id")]
)
def test_calls_are_read_by_range_of_their_ids(books: Books, wanted: dict[str, int], index: str):
    statements: list[tuple[str, Any]] = []
    event.listen(
        books.engine, "before_cursor_execute",
        lambda conn, cursor, sql, parameters, *rest: statements.append((sql, parameters)),
    )  # fmt: skip
    found(books, **wanted)
    sql, parameters = next(each for each in statements if "FROM calls" in each[0])
    with books.engine.connect() as connection:
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).all())
    assert (
        f"SEARCH calls USING INDEX {index}" in plan or f"SEARCH calls USING INTEGER {index}" in plan
    )
    assert "SCAN calls" not in plan
    assert "TEMP B-TREE" not in plan
