"""The operator's list of partners, on both databases."""

from flask import Flask
from sqlalchemy.orm import Session

from app.domain import settings
from app.domain.accounts.models import InviterState
from app.domain.partners import budgets, trials
from app.domain.partners.overview import Brought, overview
from app.services import services
from tests.factories import make_partner, make_user


def test_each_partner_has_its_own_counts_and_budget(any_app: Flask):
    with Session(services(any_app).engine) as session:
        busy = make_partner(session, networks=["203.0.113.0/24"])
        idle = make_partner(session, daily_trial_budget_nanos=7)
        make_user(session, inviter=busy, claimed=False)
        make_user(session, inviter=busy, inviter_state=InviterState.CONFIRMED)
        budgets.take(session, name=trials.budget_name(busy.user_id), amount=5, limit=10)
        first, second = overview(session, settings.in_force(session))
    assert (first.brought, first.budget_used_nanos, first.budget_nanos) == (
        Brought(accounts=2, claimed=1, confirmed=1), 5, 200_000_000_000,
    )  # fmt: skip
    assert list(first.networks) == ["203.0.113.0/24"]
    assert (second.partner.user_id, second.brought) == (idle.user_id, Brought())
    assert (second.budget_used_nanos, second.budget_nanos) == (0, 7)
