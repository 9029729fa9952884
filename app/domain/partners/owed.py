"""Trial money that is owed: the day's budget was used up when the account was opened.

Who vouched and from which network is kept, because the mailbox's owner confirms it from elsewhere
and the grant must then count for the same budgets.
"""

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.partners.models import OwedTrial


def note(session: Session, *, user_id: int, vouched_by: int | None, network: str) -> None:
    """Owe the user their grant. What was noted first stays: that is the call that counts."""
    session.execute(
        insert(OwedTrial)
        .values(user_id=user_id, vouched_by=vouched_by, network=network, created_at=clock.now())
        .on_conflict_do_nothing(index_elements=["user_id"])
    )


def find(session: Session, user_id: int) -> OwedTrial | None:
    return session.get(OwedTrial, user_id)


def forget(session: Session, user_id: int) -> None:
    """Nothing is owed any more: the grant was given, now or once before."""
    session.execute(delete(OwedTrial).where(OwedTrial.user_id == user_id))
