"""What may be used up in a day: money in nanos, or a count. Guarded, so a race never exceeds it."""

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.partners.models import DailyBudget

KEPT_DAYS = 40


def today() -> int:
    """Days since the epoch, in UTC."""
    return clock.now_ms() // 86_400_000


def take(session: Session, *, name: str, amount: int, limit: int) -> bool:
    """Use `amount` of today's budget; False, and nothing used, where that would exceed `limit`.

    The row stays locked until the transaction ends, so take several always in the same order.
    """
    if amount > limit:
        return False
    new = insert(DailyBudget).values(day=today(), name=name, used=amount)
    taken = session.execute(
        new.on_conflict_do_update(
            index_elements=["day", "name"],
            set_={"used": DailyBudget.used + new.excluded.used},
            where=DailyBudget.used + new.excluded.used <= limit,
        ).returning(DailyBudget.used)
    )
    return taken.scalar_one_or_none() is not None


def used(session: Session, *, name: str) -> int:
    """How much of today's budget is used."""
    row = select(DailyBudget.used).where(DailyBudget.day == today(), DailyBudget.name == name)
    return session.scalar(row) or 0


def forget_old(session: Session) -> int:
    """Remove the counters of days long past. Returns how many."""
    last_kept = today() - timedelta(days=KEPT_DAYS).days
    removed = session.execute(delete(DailyBudget).where(DailyBudget.day < last_kept))
    assert isinstance(removed, CursorResult)
    return removed.rowcount
