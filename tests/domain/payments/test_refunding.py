"""The operator's refund: trial money comes back while its grant runs, and an act leaves a trace."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.audit.models import AuditEntry
from app.domain.billing.errors import CallUnknown, NothingToRefund
from app.domain.billing.refunds import Refunded, Split
from app.domain.partners import trials
from app.domain.partners.models import TrialGrant
from app.domain.payments.refunding import refund_request
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books


def give_back(books: Books, call_id: int, reference: str | None = None) -> Refunded:
    with Session(books.engine) as session:
        given = refund_request(
            session, call_id=call_id, amount_nanos=None, actor="operator", reason="bad answer",
            reference=reference,
        )  # fmt: skip
        session.commit()
    return given


def grant(books: Books, user_id: int, *, amount_nanos: int) -> None:
    """The row of the trial money that the wallet was given, good for a day."""
    now = clock.now()
    with Session(books.engine) as session:
        session.add(
            TrialGrant(
                mailbox_digest="x",
                user_id=user_id,
                amount_nanos=amount_nanos,
                granted_at=now,
                expires_at=now + timedelta(days=1),
            )
        )
        session.commit()


def sweep(books: Books) -> None:
    with Session(books.engine) as session:
        trials.return_expired(session)
        session.commit()


def charged(books: Books, *, trial: int, paid: int, cost: int) -> tuple[int, int]:
    user_id = books.user(trial=trial, paid=paid)
    hold = books.hold(books.key(user_id), cost)
    books.post(hold, cost)
    return user_id, hold.call_id


def test_trial_part_comes_back_while_the_grant_runs(any_books: Books):
    user_id, call_id = charged(any_books, trial=30, paid=100, cost=50)
    grant(any_books, user_id, amount_nanos=30)
    assert give_back(any_books, call_id).given == Split(trial_nanos=30, paid_nanos=20)
    assert any_books.drifts() == []


def test_trial_part_stays_once_the_grant_was_closed(any_books: Books, frozen_time: FrozenTime):
    user_id, call_id = charged(any_books, trial=40, paid=100, cost=50)
    grant(any_books, user_id, amount_nanos=40)
    frozen_time.advance(86_401)
    sweep(any_books)
    assert give_back(any_books, call_id).given == Split(trial_nanos=0, paid_nanos=10)
    assert any_books.wallet(user_id) == (0, 0, 100, 0)
    with pytest.raises(NothingToRefund):
        give_back(any_books, call_id)
    assert any_books.drifts() == []


def test_what_came_back_before_the_end_is_returned_with_the_grant(
    books: Books, frozen_time: FrozenTime
):
    user_id, call_id = charged(books, trial=40, paid=100, cost=50)
    grant(books, user_id, amount_nanos=40)
    frozen_time.advance(86_401)
    give_back(books, call_id)
    sweep(books)
    assert books.wallet(user_id) == (0, 0, 100, 0)


def test_replay_leaves_no_second_trace(books: Books):
    user_id, call_id = charged(books, trial=0, paid=100, cost=50)
    for _ in range(2):
        give_back(books, call_id, reference="case 7")
    with Session(books.engine) as session:
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor, entry.user_id) == ("request_refunded", "operator", user_id)
    assert entry.details == {"call_id": call_id, "amount_nanos": 50}


def test_unknown_call_is_told(books: Books):
    with pytest.raises(CallUnknown):
        give_back(books, 1)
