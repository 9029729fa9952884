"""Trial money: bounded per day by money, given once to one mailbox, returned when it is unspent.

A call that is vouched for draws on its partner's budget of the day. All others draw together on the
open one, of which a network and a domain may take a part only; they never draw on a partner's.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Digester
from app.core.database import in_session
from app.core.money import format_usd
from app.domain.accounts.emails import canonical_mailbox, domain_of
from app.domain.accounts.models import User
from app.domain.alerts import AlertKind, raise_alert
from app.domain.audit import SYSTEM, AuditAction, record
from app.domain.billing import ledger
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import AccountKind, TransferKind
from app.domain.partners import budgets, owed
from app.domain.partners.mail_domains import registrable_domain
from app.domain.partners.models import Partner, TrialGrant
from app.domain.settings import SettingsView


@dataclass(frozen=True, slots=True)
class TrialSource:
    """Where a grant would come from: the partner who vouches, else the open budget of a network."""

    vouched_by: Partner | None
    network: str

    @property
    def vouched_by_id(self) -> int | None:
        return None if self.vouched_by is None else self.vouched_by.user_id


@dataclass(frozen=True, slots=True)
class _Share:
    """One counter of a day: the amount to add and how far it may go."""

    name: str
    amount: int
    limit: int


def grant(
    session: Session,
    digester: Digester,
    settings: SettingsView,
    *,
    user: User,
    source: TrialSource,
    actor: str,
) -> int:
    """Give the mailbox its trial money within the day's budgets; the nanos given, 0 for none.

    Mailbox and budgets are taken together or not at all. What a budget has no room for is owed
    (see ``owed.py``). The caller holds the user's lock.
    """
    amount_nanos: int = settings["trial_amount_usd"]
    if amount_nanos == 0:
        return 0
    shares = _shares(settings, user=user, source=source, amount_nanos=amount_nanos)
    attempt = session.begin_nested()
    grant_id = _enter_mailbox(session, digester, settings, user=user, source=source)
    missing = None if grant_id is None else _first_not_taken(session, shares)
    if missing is not None:
        attempt.rollback()
        _owe(session, user=user, source=source)
        _tell_operator(session, missing)
        return 0
    attempt.commit()
    owed.forget(session, user.id)
    if grant_id is None:
        return 0
    _pay(session, user=user, grant_id=grant_id, amount_nanos=amount_nanos, actor=actor)
    return amount_nanos


def return_expired(session: Session, *, count_max: int = 200) -> int:
    """Take back what is left of grants that are past their days. Returns how many were closed.

    Where a request still holds trial money its grant waits for the next round. Run it again while
    it returns `count_max`; the caller commits each round.
    """
    due = (
        select(TrialGrant)
        .where(TrialGrant.returned_at.is_(None), TrialGrant.expires_at <= clock.now())
        .order_by(TrialGrant.expires_at)
        .limit(count_max)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    # Wallets are locked in the order of their ids, as everywhere.
    grants = sorted(session.scalars(due).all(), key=lambda grant: grant.user_id or 0)
    return sum(_close(session, grant) for grant in grants)


def is_over(session: Session, user_id: int) -> bool:
    """Whether the account's grant was closed: what comes back to the trial bucket then would stay
    for ever. Exact behind the wallet's lock. False for an account that never had one."""
    grants = session.scalars(
        select(TrialGrant.returned_at).where(TrialGrant.user_id == user_id)
    ).all()
    return bool(grants) and all(returned_at is not None for returned_at in grants)


def daily_budget_nanos(settings: SettingsView, partner: Partner) -> int:
    """The trial money a day of the calls that this partner vouches for."""
    own = partner.daily_trial_budget_nanos
    limit: int = settings["trial_budget_partner_usd"] if own is None else own
    return limit


def budget_name(partner_id: int) -> str:
    """Under which name `budgets` counts it."""
    return f"trial:partner:{partner_id}"


def _shares(
    settings: SettingsView, *, user: User, source: TrialSource, amount_nanos: int
) -> list[_Share]:
    """The counters to take, always in this order."""
    partner = source.vouched_by
    if partner is not None:
        limit = daily_budget_nanos(settings, partner)
        return [_Share(budget_name(partner.user_id), amount_nanos, limit)]
    open_limit: int = settings["trial_budget_open_usd"]
    network_limit = int(open_limit * settings["trial_network_share"])
    shares = [
        _Share("trial:open", amount_nanos, open_limit),
        _Share(f"trial:network:{source.network}", amount_nanos, network_limit),
    ]
    domain = domain_of(user.email)
    if domain not in settings["public_mail_domains"]:
        name = f"trial:domain:{registrable_domain(domain)}"[:128]
        shares.append(_Share(name, 1, settings["trial_domain_grants"]))
    return shares


def _enter_mailbox(
    session: Session,
    digester: Digester,
    settings: SettingsView,
    *,
    user: User,
    source: TrialSource,
) -> int | None:
    """The grant's id; None where this mailbox had its grant, under whatever spelling."""
    now = clock.now()
    return session.execute(
        insert(TrialGrant)
        .values(
            mailbox_digest=digester.digest("trial-mailbox", canonical_mailbox(user.email)),
            user_id=user.id,
            vouched_by=source.vouched_by_id,
            amount_nanos=settings["trial_amount_usd"],
            granted_at=now,
            expires_at=now + timedelta(days=settings["trial_days"]),
        )
        .on_conflict_do_nothing(index_elements=["mailbox_digest"])
        .returning(TrialGrant.id)
    ).scalar_one_or_none()


def _first_not_taken(session: Session, shares: list[_Share]) -> _Share | None:
    for share in shares:
        if not budgets.take(session, name=share.name, amount=share.amount, limit=share.limit):
            return share
    return None


def _owe(session: Session, *, user: User, source: TrialSource) -> None:
    owed.note(session, user_id=user.id, vouched_by=source.vouched_by_id, network=source.network)


def _tell_operator(session: Session, missing: _Share) -> None:
    """A network's or a domain's share is there to be used up; a whole budget is news."""
    if missing.name == "trial:open" or missing.name.startswith("trial:partner:"):
        raise_alert(
            session,
            kind=AlertKind.TRIAL_BUDGET_SPENT,
            subject=f"{missing.name} {clock.now():%Y-%m-%d}",
            message=f"The day's budget is {format_usd(missing.limit)} USD.",
        )


def _pay(session: Session, *, user: User, grant_id: int, amount_nanos: int, actor: str) -> None:
    ledger.credit(
        in_session(session),
        Movement(
            user_id=user.id,
            bucket=Bucket.TRIAL,
            amount_nanos=amount_nanos,
            counterpart=AccountKind.TRIAL_GRANTS,
            kind=TransferKind.TRIAL_GRANT,
            reference=f"trial-grant:{grant_id}",
            actor=actor,
            reason="trial credit",
        ),
    )
    record(
        session,
        actor=actor,
        action=AuditAction.TRIAL_GRANTED,
        user_id=user.id,
        details={"grant_id": grant_id, "amount_nanos": amount_nanos},
    )


def _close(session: Session, grant: TrialGrant) -> bool:
    if grant.user_id is not None:
        wallet = ledger.balances(in_session(session), user_id=grant.user_id)
        if wallet.trial_held:
            return False
        unspent_nanos = min(wallet.trial_available, grant.amount_nanos)
        if unspent_nanos:
            _take_back(session, grant, user_id=grant.user_id, unspent_nanos=unspent_nanos)
    grant.returned_at = clock.now()
    return True


def _take_back(session: Session, grant: TrialGrant, *, user_id: int, unspent_nanos: int) -> None:
    ledger.debit(
        in_session(session),
        Movement(
            user_id=user_id,
            bucket=Bucket.TRIAL,
            amount_nanos=unspent_nanos,
            counterpart=AccountKind.TRIAL_GRANTS,
            kind=TransferKind.TRIAL_RETURN,
            reference=f"trial-return:{grant.id}",
            actor=SYSTEM,
            reason="unspent trial credit",
        ),
    )
    record(
        session,
        actor=SYSTEM,
        action=AuditAction.TRIAL_RETURNED,
        user_id=user_id,
        details={"grant_id": grant.id, "amount_nanos": unspent_nanos},
    )
