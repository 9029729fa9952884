"""A key's calls by pages: complete, in order, within its own, and found by the index."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.domain.accounts.models import ApiKey
from app.domain.billing.models import CallState
from app.domain.catalog.models import Model
from app.domain.usage import listing
from app.domain.usage.listing import CallRange, id_at, list_calls
from app.services import services
from tests.domain.usage.calls import make_call, make_model
from tests.factories import make_key, make_user


@pytest.fixture
def any_session(any_app: Flask) -> Iterator[Session]:
    with Session(services(any_app).engine) as session:
        yield session


@pytest.fixture
def model(any_session: Session) -> Model:
    return make_model(any_session)


@pytest.fixture
def key(any_app: Flask, any_session: Session) -> ApiKey:
    made, _ = make_key(any_session, services(any_app).digester, make_user(any_session))
    return made


def sibling_of(app: Flask, session: Session, key: ApiKey) -> ApiKey:
    made, _ = make_key(session, services(app).digester, key.user)
    return made


def within(key: ApiKey, **bounds: int) -> CallRange:
    return CallRange(key.user_id, key.id, **bounds)


def walk(session: Session, asked: CallRange, *, count: int) -> list[list[int]]:
    """The ids of every page, to the end."""
    pages, before_id = [], asked.before_id
    while True:
        here = CallRange(asked.user_id, asked.key_id, asked.from_id, before_id)
        page = list_calls(session, here, count=count)
        pages.append([receipt.call.id for receipt in page.receipts])
        if page.next_before_id is None:
            return pages
        before_id = page.next_before_id


def walked(session: Session, asked: CallRange, *, count: int) -> list[int]:
    """The ids of all pages, one after the other."""
    return [call_id for page in walk(session, asked, count=count) for call_id in page]


def test_pages_hold_every_call_once_newest_first(any_session: Session, key: ApiKey, model: Model):
    made = [make_call(any_session, key, model).id for _ in range(7)]
    pages = walk(any_session, within(key), count=3)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert walked(any_session, within(key), count=3) == made[::-1]


def test_full_last_page_is_the_end(any_session: Session, key: ApiKey, model: Model):
    for _ in range(3):
        make_call(any_session, key, model)
    assert list_calls(any_session, within(key), count=3).next_before_id is None


def test_key_without_calls_has_one_empty_page(any_session: Session, key: ApiKey):
    assert walk(any_session, within(key), count=3) == [[]]


def test_calls_made_while_paging_neither_repeat_nor_hide_one(
    any_session: Session, key: ApiKey, model: Model
):
    made = [make_call(any_session, key, model).id for _ in range(6)]
    first = list_calls(any_session, within(key), count=2)
    seen = [receipt.call.id for receipt in first.receipts]
    before_id = first.next_before_id
    while before_id is not None:
        make_call(any_session, key, model)
        page = list_calls(any_session, within(key, before_id=before_id), count=2)
        seen += [receipt.call.id for receipt in page.receipts]
        before_id = page.next_before_id
    assert seen == made[::-1]


def test_other_keys_of_the_account_and_other_accounts_are_not_there(
    any_app: Flask, any_session: Session, key: ApiKey, model: Model
):
    sibling = sibling_of(any_app, any_session, key)
    stranger, _ = make_key(any_session, services(any_app).digester, make_user(any_session))
    own = make_call(any_session, key, model).id
    for other in (sibling, stranger):
        make_call(any_session, other, model)
    assert walk(any_session, within(key), count=10) == [[own]]


def test_one_page_looks_at_a_bounded_number_of_the_account_s_calls(
    any_app: Flask, any_session: Session, key: ApiKey, model: Model, monkeypatch
):
    """The key that made one call long ago still comes to it, by empty pages."""
    monkeypatch.setattr(listing, "SCANNED_MAX", 5)
    own = make_call(any_session, key, model).id
    sibling = sibling_of(any_app, any_session, key)
    for _ in range(12):
        make_call(any_session, sibling, model)
    assert walk(any_session, within(key), count=3) == [[], [], [own]]
    assert len(walked(any_session, within(sibling), count=3)) == 12


@pytest.mark.parametrize("scanned_max", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_no_call_is_lost_at_the_edge_of_what_a_page_looks_at(
    app: Flask, session: Session, monkeypatch, scanned_max: int, count: int
):
    monkeypatch.setattr(listing, "SCANNED_MAX", scanned_max)
    model = make_model(session)
    key, _ = make_key(session, services(app).digester, make_user(session))
    sibling = sibling_of(app, session, key)
    turns = [key, sibling, sibling, key, key, sibling, key]
    made = [(who, make_call(session, who, model).id) for who in turns]
    for who in (key, sibling):
        expected = [call_id for owner, call_id in made if owner is who][::-1]
        assert walked(session, within(who), count=count) == expected


def test_range_of_time_is_a_range_of_ids(any_session: Session, key: ApiKey, model: Model):
    hours = [datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in range(4)]
    made = [make_call(any_session, key, model, id=id_at(hour)).id for hour in hours]
    asked = within(key, from_id=id_at(hours[1]), before_id=id_at(hours[3]))
    assert walk(any_session, asked, count=10) == [[made[2], made[1]]]


def test_model_narrows_the_list_and_an_unheard_one_empties_it(
    any_session: Session, key: ApiKey, model: Model
):
    other = make_model(any_session, "think")
    make_call(any_session, key, model)
    wanted = make_call(any_session, key, other).id
    found = list_calls(any_session, within(key), count=10, model_name="think")
    assert [receipt.call.id for receipt in found.receipts] == [wanted]
    assert found.receipts[0].model_name == "think"
    assert list_calls(any_session, within(key), count=10, model_name="x").receipts == ()


def test_running_call_is_listed(any_session: Session, key: ApiKey, model: Model):
    running = {"state": CallState.PENDING, "status": None, "cost_nanos": None}
    make_call(any_session, key, model, **running)
    (receipt,) = list_calls(any_session, within(key), count=1).receipts
    assert receipt.is_running


def test_page_is_found_by_the_index_of_the_account(
    any_app: Flask, any_session: Session, key: ApiKey, model: Model
):
    for _ in range(50):
        make_call(any_session, key, model)
    any_session.commit()
    asked: list[tuple[str, object]] = []
    engine = services(any_app).engine
    event.listen(
        engine,
        "before_cursor_execute",
        lambda conn, cursor, statement, parameters, *rest: asked.append((statement, parameters)),
    )
    list_calls(any_session, within(key), count=10, model_name="talk")
    selects = [each for each in asked if "FROM calls" in each[0]]
    assert len(selects) == 2
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET enable_seqscan = off"))
            connection.execute(text("SET enable_bitmapscan = off"))
        for statement, parameters in selects:
            word = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
            plan = connection.exec_driver_sql(f"{word} {statement}", parameters).fetchall()
            shown = "\n".join(str(row) for row in plan)
            assert "ix_calls_user_id_id" in shown, shown
            assert "TEMP B-TREE" not in shown and "Sort" not in shown, shown
