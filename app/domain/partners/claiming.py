"""Claim mails, and claiming with what comes beside the account: trial money that is still owed."""

from datetime import timedelta

from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Digester
from app.core.database import in_session
from app.domain.accounts import claims, users
from app.domain.accounts.models import User
from app.domain.audit import ANONYMOUS, AuditAction, record
from app.domain.billing import ledger
from app.domain.mail import MailMessage, queue
from app.domain.partners import budgets, membership, owed, trials
from app.domain.partners.models import Partner
from app.domain.partners.trials import TrialSource
from app.domain.settings import SettingsView, in_force

MAIL_PAUSE = timedelta(days=7)
FRESH_LINKS_A_DAY = 3
_DAY = timedelta(days=1)


def mail_onboarded(
    session: Session,
    digester: Digester,
    settings: SettingsView,
    *,
    user: User,
    inviter: Partner,
    source: TrialSource,
    language: str,
    base_url: str,
    actor: str,
) -> bool:
    """Tell the mailbox of an unclaimed account who onboarded it; False where that must wait.

    Once a week at most for each mailbox, and within the day's caps of inviter and network.
    """
    mailed_at = user.claim_mailed_at
    if mailed_at is not None and mailed_at > clock.now() - MAIL_PAUSE:
        return False
    if not _take_mail(session, settings, inviter=inviter, source=source):
        return False
    user.claim_mailed_at = clock.now()
    _mail_link(
        session,
        digester,
        user=user,
        inviter_id=inviter.user_id,
        language=language,
        base_url=base_url,
        actor=actor,
    )
    return True


def request_link(
    session: Session,
    digester: Digester,
    *,
    email: str,
    language: str,
    base_url: str,
    network: str,
) -> None:
    """Mail a fresh link to an unclaimed account, three a day at most.

    Says nothing about the outcome, so that whoever asks learns nothing about the email. The mail
    counts for the `network` of whoever asks.
    """
    user = users.lock_by_email(session, email)
    if user is None or user.is_claimed or not user.active:
        return
    sent = claims.count_links(session, user_id=user.id, within=_DAY)
    mailed_at = user.claim_mailed_at
    was_onboarded_today = mailed_at is not None and mailed_at > clock.now() - _DAY
    if sent - was_onboarded_today >= FRESH_LINKS_A_DAY:
        return
    if not _take_network_mail(session, in_force(session), network):
        return
    _mail_link(
        session,
        digester,
        user=user,
        inviter_id=user.inviter_id,
        language=language,
        base_url=base_url,
        actor=ANONYMOUS,
    )


def claim(
    session: Session,
    digester: Digester,
    settings: SettingsView,
    *,
    token: str,
    password_hash: str,
    inviter_id: int | None,
    network: str,
) -> User:
    """Claim the account (see ``accounts/claims.py``) and pay the trial money that it never got.

    What is owed comes from the budgets of the call that opened the account; else, as of somebody
    who signed up, from the open one, where it counts for the claimant's `network`. Raises
    ClaimLinkInvalid, InviterNotOffered.
    """
    user = claims.claim(
        session, digester, token=token, password_hash=password_hash, inviter_id=inviter_id
    )
    source = _owed_source(session, user) or TrialSource(None, network)
    trials.grant(session, digester, settings, user=user, source=source, actor=user.email)
    return user


def _owed_source(session: Session, user: User) -> TrialSource | None:
    found = owed.find(session, user.id)
    if found is None:
        return None
    return TrialSource(_still_vouching(session, user, found.vouched_by), found.network)


def _still_vouching(session: Session, user: User, partner_id: int | None) -> Partner | None:
    """The partner, unless it was switched off since, or this user wants nothing of it."""
    if partner_id is None or users.is_blocked(session, user_id=user.id, inviter_id=partner_id):
        return None
    return membership.find_accepted(session, partner_id)


def _take_mail(
    session: Session, settings: SettingsView, *, inviter: Partner, source: TrialSource
) -> bool:
    """Both counters or none. A partner's own calls come from few networks, so none is counted."""
    if source.vouched_by is not None:
        return budgets.take(
            session,
            name=f"claim-mail:vouched:{inviter.user_id}",
            amount=1,
            limit=settings["claim_mails_per_vouched_inviter"],
        )
    attempt = session.begin_nested()
    taken = budgets.take(
        session,
        name=f"claim-mail:inviter:{inviter.user_id}",
        amount=1,
        limit=settings["claim_mails_per_inviter"],
    ) and _take_network_mail(session, settings, source.network)
    if taken:
        attempt.commit()
    else:
        attempt.rollback()
    return taken


def _take_network_mail(session: Session, settings: SettingsView, network: str) -> bool:
    return budgets.take(
        session,
        name=f"claim-mail:network:{network}",
        amount=1,
        limit=settings["claim_mails_per_network"],
    )


def _mail_link(
    session: Session,
    digester: Digester,
    *,
    user: User,
    inviter_id: int | None,
    language: str,
    base_url: str,
    actor: str,
) -> None:
    link, token = claims.make_link(session, digester, user=user, inviter_id=inviter_id)
    url = f"{base_url}/claim/{token}"
    values = {"claim_url": url, "expires_at": link.expires_at}
    if inviter_id is not None:
        wallet = ledger.look(in_session(session), user_id=user.id)
        values |= {
            "inviter_id": inviter_id,
            "inviter_name": membership.approved_name(session, inviter_id),
            "trial_nanos": wallet.trial_available,
            "refuse_url": f"{url}/refuse",
        }
    queue(
        session,
        message=MailMessage.SIGN_UP if inviter_id is None else MailMessage.CLAIM,
        recipient=user.email,
        language=language,
        values=values,
    )
    record(
        session,
        actor=actor,
        action=AuditAction.CLAIM_MAILED,
        user_id=user.id,
        details={"inviter_id": inviter_id, "link_id": link.id},
    )
