"""A lease says who is alive; its renewal carries the progress of the calls."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.billing.leases import (
    LEASE_S,
    Progress,
    RenewLease,
    dead_leases,
    end_other_leases,
    start_lease,
)
from app.domain.billing.models import ProcessLease
from app.services import services
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books


def dead(books: Books) -> list[int]:
    with Session(books.engine) as session:
        return dead_leases(session, at_ms=clock.now_ms())


def renew(books: Books, *progress: Progress, is_last: bool = False) -> bool:
    renewal = RenewLease(books.lease_id, clock.now_ms(), progress, is_last)
    renewed: bool = books.writer.submit(renewal)
    return renewed


def test_each_process_starts_a_lease_of_its_own(books: Books):
    with Session(books.engine) as session:
        assert start_lease(session) > books.lease_id


def test_lease_is_dead_when_it_was_not_renewed_in_time(any_books: Books, frozen_time: FrozenTime):
    any_books.hold(any_books.key(any_books.user(paid=100)), 10)
    renew(any_books)
    frozen_time.advance(LEASE_S)
    assert dead(any_books) == []
    frozen_time.advance(0.001)
    assert dead(any_books) == [any_books.lease_id]
    renew(any_books)
    assert dead(any_books) == []


def test_ended_lease_is_dead_at_once(any_books: Books):
    any_books.hold(any_books.key(any_books.user(paid=100)), 10)
    assert renew(any_books, is_last=True)
    assert dead(any_books) == [any_books.lease_id]


def test_dead_lease_without_pending_calls_is_nobodys_business(
    books: Books, frozen_time: FrozenTime
):
    books.void(books.hold(books.key(books.user(paid=100)), 10))
    frozen_time.advance(3600)
    assert dead(books) == []


def test_renewal_stores_the_progress_of_pending_calls(any_books: Books):
    key = any_books.key(any_books.user(paid=100))
    first, second = any_books.hold(key, 10), any_books.hold(key, 10)
    assert renew(any_books, Progress(second.call_id, 7, None), Progress(first.call_id, 3, 12))
    assert (any_books.call(first.call_id).delivered_frames) == 3
    assert (any_books.call(first.call_id).local_input_tokens) == 12
    assert (any_books.call(second.call_id).delivered_frames) == 7
    assert (any_books.call(second.call_id).local_input_tokens) is None


def test_progress_of_a_settled_call_is_ignored(books: Books):
    hold = books.hold(books.key(books.user(paid=100)), 10)
    books.post(hold, 5)
    assert renew(books, Progress(hold.call_id, 3, 12))
    assert books.call(hold.call_id).delivered_frames is None


@pytest.mark.parametrize("is_last", [False, True])
def test_renewal_of_an_unknown_lease_says_so(books: Books, is_last: bool):
    renewal = RenewLease(books.lease_id + 1, clock.now_ms(), is_last=is_last)
    assert books.writer.submit(renewal) is False


def test_who_serves_alone_ends_the_leases_of_the_dead(any_app: Flask):
    long_ago = clock.now() - timedelta(days=1)
    with Session(services(any_app).engine) as session:
        leases = [
            ProcessLease(started_at=long_ago, renewed_at=clock.now()),
            ProcessLease(started_at=long_ago, renewed_at=long_ago, ended_at=long_ago),
            ProcessLease(started_at=clock.now(), renewed_at=clock.now()),
        ]
        session.add_all(leases)
        session.flush()
        end_other_leases(session, lease_id=leases[2].id)
        session.commit()
        assert leases[2].ended_at is None
        assert leases[0].ended_at is not None
        assert leases[1].ended_at < clock.now() - timedelta(hours=1)
