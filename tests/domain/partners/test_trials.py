"""Trial money: within the day's budgets, once a mailbox, returned when unspent."""

import threading
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.database import db, in_session
from app.domain.alerts.models import Alert
from app.domain.billing import ledger
from app.domain.billing.models import Transfer, Wallet
from app.domain.partners import budgets, trials
from app.domain.partners.models import TrialGrant
from app.domain.partners.trials import TrialSource
from app.domain.settings import in_force, set_value
from app.services import services
from tests.factories import credit, make_partner, make_user

GRANT_NANOS = 200_000_000
DAY_S = 86_400
OPEN = TrialSource(None, "203.0.113.0/24")


def grant(session, digester, user, source=OPEN):
    return trials.grant(
        session, digester, in_force(session), user=user, source=source, actor="anonymous"
    )


def new_user(session, email):
    return make_user(session, email=email, claimed=False)


def change(session, **settings: Any):
    for name, text in settings.items():
        set_value(session, name=name, text=str(text), author="operator", reason="test")


def trial_balance(session, user):
    return ledger.balances(in_session(session), user_id=user.id).trial_balance


def test_grant_is_a_transfer_into_the_trial_bucket(session, digester):
    user = new_user(session, "user@example.com")
    assert grant(session, digester, user) == GRANT_NANOS
    assert trial_balance(session, user) == GRANT_NANOS
    transfer = session.scalars(select(Transfer)).one()
    assert (transfer.kind, transfer.amount_nanos) == ("trial_grant", GRANT_NANOS)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("user@gmail.com", "u.s.e.r@gmail.com"),
        ("user@gmail.com", "user+2@googlemail.com"),
        ("user@gmail.com", "user+tag@gmail.com"),
        ("user@example.com", "user+tag@example.com"),
    ],
)
def test_one_grant_a_mailbox_however_it_is_spelt(session, digester, first, second):
    assert grant(session, digester, new_user(session, first)) == GRANT_NANOS
    used = budgets.used(session, name="trial:open")
    user = new_user(session, second)
    assert grant(session, digester, user) == 0
    assert trial_balance(session, user) == 0
    assert budgets.used(session, name="trial:open") == used


def test_grant_is_remembered_when_the_email_has_changed_hands(session, digester, frozen_time):
    user = new_user(session, "user@example.com")
    grant(session, digester, user)
    user.email = "other@example.com"
    session.flush()
    frozen_time.advance(400 * DAY_S)
    assert grant(session, digester, new_user(session, "user@example.com")) == 0


def test_vouched_call_draws_on_its_partners_budget_alone(session, digester):
    partner = make_partner(session)
    for number in range(4):
        user = new_user(session, f"user{number}@example.com")
        assert grant(session, digester, user, TrialSource(partner, OPEN.network))
    assert budgets.used(session, name=f"trial:partner:{partner.user_id}") == 4 * GRANT_NANOS
    assert budgets.used(session, name="trial:open") == 0


def test_partner_may_have_a_budget_of_its_own(session, digester):
    partner = make_partner(session, daily_trial_budget_nanos=GRANT_NANOS)
    source = TrialSource(partner, OPEN.network)
    granted = [
        grant(session, digester, new_user(session, f"user{n}@example.com"), source)
        for n in range(2)
    ]
    assert granted == [GRANT_NANOS, 0]


def test_partners_default_is_a_thousand_users_a_day(session):
    settings = in_force(session)
    assert settings["trial_budget_partner_usd"] // settings["trial_amount_usd"] == 1000


def test_open_budget_ends_and_the_operator_is_told(session, digester):
    change(session, trial_budget_open_usd="0.5", trial_network_share="1")
    granted = [grant(session, digester, new_user(session, f"user{n}@gmail.com")) for n in range(3)]
    assert granted == [GRANT_NANOS, GRANT_NANOS, 0]
    alert = session.scalars(select(Alert)).one()
    assert alert.kind == "trial_budget_spent"


def test_one_network_takes_a_fifth_of_the_open_budget(session, digester):
    change(session, trial_budget_open_usd="2")
    granted = [grant(session, digester, new_user(session, f"user{n}@gmail.com")) for n in range(3)]
    assert granted == [GRANT_NANOS, GRANT_NANOS, 0]
    elsewhere = TrialSource(None, "198.51.100.0/24")
    assert grant(session, digester, new_user(session, "user9@gmail.com"), elsewhere)
    assert session.scalar(select(func.count()).select_from(Alert)) == 0


def test_one_domain_takes_three_grants_with_its_subdomains(session, digester):
    emails = ("a@example.co.uk", "b@x.example.co.uk", "c@y.example.co.uk", "d@example.co.uk")
    granted = [grant(session, digester, new_user(session, email)) for email in emails]
    assert granted == [GRANT_NANOS] * 3 + [0]
    assert budgets.used(session, name="trial:open") == 3 * GRANT_NANOS
    assert grant(session, digester, new_user(session, "a@other.co.uk"))


def test_public_mail_providers_have_no_share_of_three(session, digester):
    granted = [grant(session, digester, new_user(session, f"user{n}@gmail.com")) for n in range(5)]
    assert all(granted)


def test_which_providers_are_public_is_the_operators_to_say(session, digester):
    change(session, public_mail_domains="mail.example", trial_network_share="1")
    for domain, count in (("mail.example", 5), ("gmail.com", 3)):
        users = [new_user(session, f"user{n}@{domain}") for n in range(5)]
        assert [grant(session, digester, user) > 0 for user in users].count(True) == count


def test_mailbox_refused_for_want_of_budget_gets_its_grant_later(session, digester, frozen_time):
    change(session, trial_budget_open_usd="0.1", trial_network_share="1")
    user = new_user(session, "user@example.com")
    assert grant(session, digester, user) == 0
    change(session, trial_budget_open_usd="20")
    assert grant(session, digester, user) == GRANT_NANOS


def test_trial_amount_of_zero_grants_nothing(session, digester):
    change(session, trial_amount_usd="0")
    assert grant(session, digester, new_user(session, "user@example.com")) == 0
    assert session.scalar(select(func.count()).select_from(TrialGrant)) == 0


def test_race_gives_exactly_what_the_budget_holds(any_app):
    digester = services(any_app).digester
    with any_app.app_context():
        engine = db.engine
    with Session(engine) as session:
        partner = make_partner(session, daily_trial_budget_nanos=5 * GRANT_NANOS)
        users = [new_user(session, f"user{n}@example.com").id for n in range(16)]
        session.commit()
        partner_id = partner.user_id
    granted = []

    def give(user_ids: list[int]) -> None:
        for user_id in user_ids:
            with Session(engine) as session:
                user = session.get_one(trials.User, user_id)
                source = TrialSource(session.get_one(trials.Partner, partner_id), "x")
                granted.append(grant(session, digester, user, source))
                session.commit()

    threads = [threading.Thread(target=give, args=(users[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 5 * GRANT_NANOS
    with Session(engine) as session:
        assert session.scalar(select(func.sum(Wallet.trial_balance_nanos))) == 5 * GRANT_NANOS
        assert session.scalar(select(func.count()).select_from(TrialGrant)) == 5


def test_unspent_trial_returns_after_30_days(session, digester, frozen_time):
    user = new_user(session, "user@example.com")
    grant(session, digester, user)
    credit(session, user.id, 7, "paid")
    frozen_time.advance(30 * DAY_S - 1)
    assert trials.return_expired(session) == 0
    frozen_time.advance(1)
    assert trials.return_expired(session) == 1
    assert trial_balance(session, user) == 0
    assert ledger.balances(in_session(session), user_id=user.id).paid_balance == 7
    assert trials.return_expired(session) == 0


def test_spent_trial_closes_its_grant_without_a_transfer(session, digester, frozen_time):
    user = new_user(session, "user@example.com")
    grant(session, digester, user)
    session.get_one(Wallet, user.id).trial_balance_nanos = 0
    session.flush()
    count = session.scalar(select(func.count()).select_from(Transfer))
    frozen_time.advance(30 * DAY_S)
    assert trials.return_expired(session) == 1
    assert session.scalar(select(func.count()).select_from(Transfer)) == count


def test_grant_waits_while_a_request_holds_trial_money(session, digester, frozen_time):
    user = new_user(session, "user@example.com")
    grant(session, digester, user)
    wallet = session.get_one(Wallet, user.id)
    wallet.trial_held_nanos = 5
    session.flush()
    frozen_time.advance(31 * DAY_S)
    assert trials.return_expired(session) == 0
    wallet.trial_held_nanos = 0
    session.flush()
    assert trials.return_expired(session) == 1


def test_other_trial_credit_stays_when_the_grant_returns(session, digester, frozen_time):
    user = new_user(session, "user@example.com")
    grant(session, digester, user)
    credit(session, user.id, 11, "trial")
    frozen_time.advance(31 * DAY_S)
    trials.return_expired(session)
    assert trial_balance(session, user) == 11
