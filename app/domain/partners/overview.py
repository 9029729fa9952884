"""Every partner with what they brought and used, for the operator. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.domain.accounts.models import InviterState, User
from app.domain.partners import budgets, networks, signing_secrets, trials
from app.domain.partners.models import Partner
from app.domain.settings import SettingsView


@dataclass(frozen=True, slots=True)
class Brought:
    """How many accounts name the partner as inviter, and how far these came."""

    accounts: int = 0
    claimed: int = 0
    confirmed: int = 0


@dataclass(frozen=True, slots=True)
class PartnerOverview:
    """A partner. The budget is the trial money of today's vouched calls, in nanos."""

    partner: Partner
    email: str
    networks: Sequence[str]
    live_secrets: int
    budget_nanos: int
    budget_used_nanos: int
    brought: Brought


def overview(session: Session, settings: SettingsView) -> list[PartnerOverview]:
    """All partners, the first made first."""
    brought = _brought(session)
    found = session.execute(
        select(Partner, User.email).join(User, User.id == Partner.user_id).order_by(User.id)
    )
    return [
        PartnerOverview(
            partner=partner,
            email=email,
            networks=networks.listed(session, partner.user_id),
            live_secrets=len(signing_secrets.live(session, partner.user_id)),
            budget_nanos=trials.daily_budget_nanos(settings, partner),
            budget_used_nanos=budgets.used(session, name=trials.budget_name(partner.user_id)),
            brought=brought.get(partner.user_id, Brought()),
        )
        for partner, email in found.all()
    ]


def _brought(session: Session) -> Mapping[int, Brought]:
    """By inviter, in one pass over the accounts that have one."""
    rows = session.execute(
        select(
            User.inviter_id,
            func.count(),
            func.count(User.claimed_at),
            func.count(case((User.inviter_state == InviterState.CONFIRMED, 1))),
        )
        .where(User.inviter_id.is_not(None))
        .group_by(User.inviter_id)
    )
    return {
        inviter_id: Brought(accounts, claimed, confirmed)
        for inviter_id, accounts, claimed, confirmed in rows
        if inviter_id is not None
    }
