"""Claiming: the mailbox's owner takes the account by a single-use link, or says it wasn't them.

A link is stored hashed and good for a day. GET shows it (`find_link`), POST uses it (`claim`,
`disown`); using one kills every other link of its user, and claiming ends every session. An
unclaimed account has no credential, so this is the only way in. Mails are written by
``partners/claiming.py``, which knows who onboarded whom.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Digester, random_token
from app.domain.accounts import keys, users
from app.domain.accounts.errors import ClaimLinkInvalid, InviterNotOffered
from app.domain.accounts.models import (
    ApiKey,
    ClaimLink,
    InviterBlock,
    InviterState,
    KeyState,
    User,
)
from app.domain.audit import trail
from app.domain.audit.actions import AuditAction

LINK_LIFETIME = timedelta(hours=24)


def make_link(
    session: Session, digester: Digester, *, user: User, inviter_id: int | None
) -> tuple[ClaimLink, str]:
    """A new link and its token, which goes into one mail. `inviter_id`: whom the mail names."""
    token = random_token()
    now = clock.now()
    link = ClaimLink(
        user_id=user.id,
        digest=_link_digest(digester, token),
        inviter_id=inviter_id,
        created_at=now,
        expires_at=now + LINK_LIFETIME,
    )
    session.add(link)
    session.flush()
    return link, token


def count_links(session: Session, *, user_id: int, within: timedelta) -> int:
    """How many links this user was sent lately."""
    made = select(func.count()).where(
        ClaimLink.user_id == user_id, ClaimLink.created_at > clock.now() - within
    )
    return session.scalar(made) or 0


def find_link(session: Session, digester: Digester, token: str) -> ClaimLink:
    """The link, to be shown; nothing is used up. Raises ClaimLinkInvalid."""
    digest = _link_digest(digester, token)
    link = session.scalar(select(ClaimLink).where(ClaimLink.digest == digest))
    if link is None or not _is_good(link, session.get_one(User, link.user_id)):
        raise ClaimLinkInvalid
    return link


def inviters_offered(session: Session, user: User) -> list[int]:
    """Whom the owner may accept as inviter: the provisional one first, then who else made a key."""
    if user.inviter_state is InviterState.CONFIRMED:
        return []
    callers = session.scalars(
        select(ApiKey.inviter_id)
        .where(ApiKey.user_id == user.id, ApiKey.inviter_id.is_not(None))
        .order_by(ApiKey.id)
    )
    blocked = set(
        session.scalars(select(InviterBlock.inviter_id).where(InviterBlock.user_id == user.id))
    )
    offered = dict.fromkeys([user.inviter_id, *callers])
    return [each for each in offered if each is not None and each not in blocked]


def claim(
    session: Session,
    digester: Digester,
    *,
    token: str,
    password_hash: str,
    inviter_id: int | None,
) -> User:
    """Use the link: the account is claimed under this password, its keys stay trial-only.

    `inviter_id` is the inviter whom the owner accepts, None for none; one that was confirmed by a
    signed call stays. Raises ClaimLinkInvalid, InviterNotOffered.
    """
    user, link = _use_link(session, digester, token)
    _settle_inviter(session, user, inviter_id)
    now = clock.now()
    user.password = password_hash
    user.claimed_at = now
    user.confirmed_at = now
    users.end_sessions(user)
    _kill_links(session, user)
    trail.record(
        session,
        actor=user.email,
        action=AuditAction.ACCOUNT_CLAIMED,
        user_id=user.id,
        details={"link_id": link.id, "inviter_id": user.inviter_id},
    )
    return user


def disown(session: Session, digester: Digester, *, token: str) -> None:
    """ "This wasn't me": the named inviter's keys are revoked and it may make none here again.

    A mail that names no inviter revokes every key. Raises ClaimLinkInvalid.
    """
    user, link = _use_link(session, digester, token)
    _kill_links(session, user)
    for key in _keys_of(session, user, link.inviter_id):
        keys.revoke(session, key=key, actor=user.email)
    if link.inviter_id is None:
        return
    if not users.is_blocked(session, user_id=user.id, inviter_id=link.inviter_id):
        session.add(
            InviterBlock(user_id=user.id, inviter_id=link.inviter_id, created_at=clock.now())
        )
    if user.inviter_id == link.inviter_id:
        user.inviter_id = None
        user.inviter_state = InviterState.NONE
    trail.record(
        session,
        actor=user.email,
        action=AuditAction.INVITER_BLOCKED,
        user_id=user.id,
        details={"inviter_id": link.inviter_id},
    )


def _link_digest(digester: Digester, token: str) -> str:
    return digester.digest("claim-link", token)


def _is_good(link: ClaimLink, user: User) -> bool:
    return (
        link.used_at is None
        and link.expires_at > clock.now()
        and user.active
        and not user.is_claimed
    )


def _use_link(session: Session, digester: Digester, token: str) -> tuple[User, ClaimLink]:
    """Behind the user's lock the link is looked at again, so that it serves once."""
    link = find_link(session, digester, token)
    user = users.lock(session, link.user_id)
    session.refresh(link)
    if not _is_good(link, user):
        raise ClaimLinkInvalid
    return user, link


def _kill_links(session: Session, user: User) -> None:
    session.execute(
        update(ClaimLink)
        .where(ClaimLink.user_id == user.id, ClaimLink.used_at.is_(None))
        .values(used_at=clock.now())
    )


def _settle_inviter(session: Session, user: User, accepted_id: int | None) -> None:
    if user.inviter_state is InviterState.CONFIRMED:
        return
    if accepted_id is not None and accepted_id not in inviters_offered(session, user):
        raise InviterNotOffered(field="inviter_id")
    user.inviter_id = accepted_id
    user.inviter_state = InviterState.NONE if accepted_id is None else InviterState.CONFIRMED
    if accepted_id is not None:
        trail.record(
            session,
            actor=user.email,
            action=AuditAction.INVITER_ACCEPTED,
            user_id=user.id,
            details={"inviter_id": accepted_id},
        )


def _keys_of(session: Session, user: User, inviter_id: int | None) -> Sequence[ApiKey]:
    made = select(ApiKey).where(
        ApiKey.user_id == user.id, ApiKey.state.in_((KeyState.ACTIVE, KeyState.PENDING))
    )
    if inviter_id is not None:
        made = made.where(ApiKey.inviter_id == inviter_id)
    return session.scalars(made).all()
