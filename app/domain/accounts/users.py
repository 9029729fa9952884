"""Finding, locking and opening accounts.

The user's row is the lock of everything that belongs to the account: whoever adds a key or claims
the account holds it, so a hundred identical calls take turns.

The lock excludes itself but lets rows be written that only refer to the user (`key_share`). Else it
would deadlock with the writer on PostgreSQL: a batch that changes one wallet twice has its foreign
key checked while it holds the wallet and the key's cap, which a holder of this lock may wait for.
"""

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import random_token
from app.domain.accounts.emails import local_part
from app.domain.accounts.errors import UserNotFound
from app.domain.accounts.models import InviterBlock, InviterState, User
from app.domain.audit import trail
from app.domain.audit.actions import AuditAction


def by_email(session: Session, email: str) -> User:
    """Raises UserNotFound."""
    user = session.scalar(select(User).where(User.email == email))
    if user is None:
        raise UserNotFound(f"There is no user {email}.")
    return user


def lock(session: Session, user_id: int) -> User:
    """The user as the database has it now, locked until the transaction ends."""
    locked = select(User).where(User.id == user_id).with_for_update(key_share=True)
    return session.scalars(locked.execution_options(populate_existing=True)).one()


def lock_by_email(session: Session, email: str) -> User | None:
    locked = select(User).where(User.email == email).with_for_update(key_share=True)
    return session.scalars(locked.execution_options(populate_existing=True)).one_or_none()


def lock_or_insert(
    session: Session,
    *,
    email: str,
    inviter_id: int | None,
    inviter_state: InviterState,
    language: str | None = None,
) -> tuple[User, bool]:
    """The account of a normalised email, locked, and whether this very call inserted it.

    A new one is unclaimed and has no wallet yet: see ``partners/opening.py``.
    """
    user = lock_by_email(session, email)
    if user is not None:
        return user, False
    # Where two calls meet here, the second waits for the first and then inserts nothing.
    inserted = session.execute(
        insert(User)
        .values(
            email=email,
            nickname=local_part(email),
            language=language,
            active=True,
            created_at=clock.now(),
            inviter_id=inviter_id,
            inviter_state=inviter_state,
            fs_uniquifier=random_token(),
        )
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(User.id)
    ).scalar_one_or_none()
    user = lock_by_email(session, email)
    assert user is not None
    return user, inserted is not None


def is_blocked(session: Session, *, user_id: int, inviter_id: int) -> bool:
    """Whether the mailbox's owner said of this inviter that it was not them."""
    block = exists().where(InviterBlock.user_id == user_id, InviterBlock.inviter_id == inviter_id)
    return bool(session.scalar(select(block)))


def disable(session: Session, *, user: User, actor: str) -> None:
    """Close the account to its owner, its keys and its sessions, until it is enabled again."""
    locked = lock(session, user.id)
    if not locked.active:
        return
    locked.active = False
    end_sessions(locked)
    trail.record(session, actor=actor, action=AuditAction.ACCOUNT_DISABLED, user_id=locked.id)


def enable(session: Session, *, user: User, actor: str) -> None:
    locked = lock(session, user.id)
    if locked.active:
        return
    locked.active = True
    trail.record(session, actor=actor, action=AuditAction.ACCOUNT_ENABLED, user_id=locked.id)


def end_sessions(user: User) -> None:
    """Every session names the uniquifier, so a new one ends them all."""
    user.fs_uniquifier = random_token()
