"""Trial money that its day had no room for comes with the claim, within the same budgets."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.database import in_session
from app.domain.accounts import claims
from app.domain.accounts.models import InviterBlock
from app.domain.billing import ledger
from app.domain.partners import budgets, claiming, membership, trials
from app.domain.partners.models import OwedTrial
from app.domain.partners.trials import TrialSource
from app.domain.settings import in_force, set_value
from tests.factories import make_partner, make_user

GRANT_NANOS = 200_000_000
DAY_S = 86_400
CALLS_NETWORK = "203.0.113.0/24"
CLAIMANTS_NETWORK = "198.51.100.0/24"


@pytest.fixture
def app(any_app: Flask) -> Flask:
    return any_app


@pytest.fixture
def open_account(session, digester):
    """An account whose register call got what the budgets had left."""

    def _open(email="user@example.com", vouched_by=None):
        user = make_user(session, email=email, claimed=False, inviter=vouched_by)
        source = TrialSource(vouched_by, CALLS_NETWORK)
        trials.grant(
            session, digester, in_force(session), user=user, source=source, actor="anonymous"
        )
        return user

    return _open


@pytest.fixture
def claim(session, digester):
    def _claim(user):
        _, token = claims.make_link(session, digester, user=user, inviter_id=user.inviter_id)
        claiming.claim(
            session,
            digester,
            in_force(session),
            token=token,
            password_hash="hash",
            inviter_id=None,
            network=CLAIMANTS_NETWORK,
        )

    return _claim


@pytest.fixture
def tight_partner(session):
    """Its budget of the day is one grant."""
    return make_partner(session, daily_trial_budget_nanos=GRANT_NANOS)


def change(session, **settings: Any):
    for name, text in settings.items():
        set_value(session, name=name, text=str(text), author="operator", reason="test")


def trial_balance(session, user):
    return ledger.balances(in_session(session), user_id=user.id).trial_balance


def owed(session):
    rows = session.execute(select(OwedTrial.user_id, OwedTrial.vouched_by, OwedTrial.network))
    return [tuple(row) for row in rows]


def used(session, name):
    return budgets.used(session, name=f"trial:{name}")


def test_grant_without_room_is_owed_with_its_source(session, open_account, tight_partner):
    change(session, trial_budget_open_usd="0")
    open_account("first@example.com", tight_partner)
    vouched = open_account("second@example.com", tight_partner)
    stranger = open_account("third@example.com")
    assert owed(session) == [
        (vouched.id, tight_partner.user_id, CALLS_NETWORK),
        (stranger.id, None, CALLS_NETWORK),
    ]


def test_mailbox_that_had_its_grant_is_owed_nothing(session, open_account):
    assert trial_balance(session, open_account("user@example.com")) == GRANT_NANOS
    open_account("user+tag@example.com")
    assert owed(session) == []


def test_vouched_grant_comes_from_its_partner(
    session, open_account, claim, tight_partner, frozen_time
):
    open_account("first@example.com", tight_partner)
    user = open_account("second@example.com", tight_partner)
    frozen_time.advance(DAY_S)
    claim(user)
    assert trial_balance(session, user) == GRANT_NANOS
    assert used(session, f"partner:{tight_partner.user_id}") == GRANT_NANOS
    assert used(session, "open") == 0
    assert owed(session) == []


def test_open_grant_counts_for_the_network_and_domain_of_the_call(
    session, open_account, claim, frozen_time
):
    change(session, trial_budget_open_usd="0")
    user = open_account()
    change(session, trial_budget_open_usd="20")
    claim(user)
    assert trial_balance(session, user) == GRANT_NANOS
    assert used(session, "open") == used(session, f"network:{CALLS_NETWORK}") == GRANT_NANOS
    assert used(session, f"network:{CLAIMANTS_NETWORK}") == 0
    assert used(session, "domain:example.com") == 1


def test_claims_from_many_networks_take_no_more_than_the_share_of_the_call(
    session, open_account, claim, frozen_time
):
    change(session, trial_budget_open_usd="1")  # a network's fifth is one grant
    users = [open_account(f"user{n}@gmail.com") for n in range(4)]
    frozen_time.advance(DAY_S)
    for user in users[1:]:
        claim(user)
    assert [trial_balance(session, user) for user in users] == [GRANT_NANOS, GRANT_NANOS, 0, 0]
    assert [row[0] for row in owed(session)] == [user.id for user in users[2:]]


def test_partner_without_room_at_the_claim_leaves_the_open_budget_alone(
    session, open_account, claim, tight_partner
):
    open_account("first@example.com", tight_partner)
    user = open_account("second@example.com", tight_partner)
    claim(user)
    assert user.is_claimed
    assert trial_balance(session, user) == 0
    assert used(session, "open") == 0
    assert owed(session) == [(user.id, tight_partner.user_id, CALLS_NETWORK)]


@pytest.mark.parametrize("ended_by", ["operator", "owner"])
def test_partner_that_vouches_no_more_pays_no_more(
    session, open_account, claim, tight_partner, frozen_time, ended_by
):
    open_account("first@example.com", tight_partner)
    user = open_account("second@example.com", tight_partner)
    frozen_time.advance(DAY_S)
    partner_id = tight_partner.user_id
    if ended_by == "operator":
        membership.change(session, partner_id=partner_id, actor="operator", is_active=False)
    else:
        session.add(
            InviterBlock(user_id=user.id, inviter_id=partner_id, created_at=user.created_at)
        )
    session.flush()
    claim(user)
    assert trial_balance(session, user) == GRANT_NANOS
    assert used(session, f"partner:{partner_id}") == 0
    assert used(session, "open") == used(session, f"network:{CALLS_NETWORK}") == GRANT_NANOS


def test_mailbox_granted_meanwhile_under_another_spelling_is_owed_nothing_more(
    session, open_account, claim, frozen_time
):
    change(session, trial_budget_open_usd="0")
    user = open_account("user@example.com")
    change(session, trial_budget_open_usd="20")
    open_account("user+tag@example.com")
    claim(user)
    assert trial_balance(session, user) == 0
    assert owed(session) == []
