"""A hundred identical calls at once: one user, one grant, one key, one plaintext."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.core.database import db
from app.domain.accounts.models import ApiKey, User
from app.domain.billing.models import Transfer
from app.domain.partners import budgets
from app.domain.partners.models import TrialGrant
from tests.api.conftest import new_registrar
from tests.api.registering import EMAIL, answered, count, mails


@pytest.fixture
def any_session(any_app):
    with any_app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture
def any_partner(any_app, any_session):
    return new_registrar(any_app, any_session)


def at_once(calls):
    with ThreadPoolExecutor(16) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_hundred_identical_calls_give_one_of_each(any_session, any_partner):
    before = count(any_session, User)
    answers = [answered(each) for each in at_once([any_partner.call] * 100)]
    assert {answer.status for answer in answers} == {200}
    assert len([answer for answer in answers if answer.key]) == 1
    assert len([answer for answer in answers if answer.data["is_new_user"]]) == 1
    assert len({answer.data["user"]["id"] for answer in answers}) == 1
    assert len({answer.data["api_key"]["id"] for answer in answers}) == 1
    assert {answer.data["balance"] for answer in answers} == {"0.2"}
    any_session.expire_all()
    assert count(any_session, User) == before + 1
    for model in (ApiKey, TrialGrant, Transfer):
        assert count(any_session, model) == 1
    assert [mail.recipient for mail in mails(any_session)] == [EMAIL]


@pytest.mark.parametrize(("failures", "status"), [(1, 200), (2, 503)])
def test_call_that_the_database_breaks_off_is_tried_once_more(
    any_app, any_session, any_partner, failures, status
):
    left = [OperationalError("INSERT", None, Exception("deadlock detected"))] * failures

    def break_off(conn, cursor, statement, parameters, context, executemany):
        if statement.startswith("INSERT INTO api_keys") and left:
            raise left.pop()

    with any_app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", break_off)
    response = any_partner.call()
    event.remove(engine, "before_cursor_execute", break_off)
    assert response.status_code == status
    assert count(any_session, ApiKey) == (1 if status == 200 else 0)
    assert len(mails(any_session)) == count(any_session, ApiKey)


def test_many_names_at_once_make_no_more_than_five_keys(any_session, any_partner):
    calls = [lambda n=n: any_partner.call(key_name=f"key {n}") for n in range(24)]
    statuses = [response.status_code for response in at_once(calls)]
    assert statuses.count(200) == 5
    assert statuses.count(403) == 19
    assert count(any_session, ApiKey) == 5


def test_spellings_of_one_mailbox_at_once_get_one_grant(any_session, any_partner):
    emails = [f"u{'.' * (n % 2)}ser+{n}@gmail.com" for n in range(16)]
    calls = [lambda email=email: any_partner.call(email) for email in emails]
    balances = [answered(each).data["balance"] for each in at_once(calls)]
    assert sorted(balances) == ["0"] * 15 + ["0.2"]
    assert budgets.used(any_session, name="trial:open") == 200_000_000


def test_one_signed_call_sent_many_times_at_once_acts_once(any_session, any_partner):
    raw = b'{"email":"%s","inviter_id":%d,"key_name":"a"}' % (
        EMAIL.encode(),
        any_partner.inviter_id,
    )
    headers = any_partner.signature(raw) | {"X-Reissue": "1"}
    calls = [lambda: any_partner.send(raw, headers=headers)] * 16
    statuses = [response.status_code for response in at_once(calls)]
    assert sorted(statuses) == [200] + [401] * 15
