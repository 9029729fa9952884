"""Opening an account: the user's row with its wallet, whoever asks for it."""

from sqlalchemy.orm import Session

from app.core.database import in_session
from app.domain.accounts import users
from app.domain.accounts.models import InviterState, User
from app.domain.audit import AuditAction, record
from app.domain.billing import ledger


def open_account(
    session: Session,
    *,
    email: str,
    inviter_id: int | None,
    inviter_state: InviterState,
    language: str | None,
    actor: str,
) -> tuple[User, bool]:
    """The account of a normalised email, locked, and whether this very call opened it.

    A new one is unclaimed, with an empty wallet. Of a hundred calls at once one opens it.
    """
    user, is_new = users.lock_or_insert(
        session,
        email=email,
        inviter_id=inviter_id,
        inviter_state=inviter_state,
        language=language,
    )
    if is_new:
        ledger.open_wallet(in_session(session), user_id=user.id)
        record(
            session,
            actor=actor,
            action=AuditAction.ACCOUNT_CREATED,
            user_id=user.id,
            details={"inviter_id": inviter_id, "inviter_state": inviter_state.value},
        )
    return user, is_new
