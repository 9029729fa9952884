"""When a user's keys were last used, told by the ids of their calls. Reads only."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core import ids
from app.domain.billing.models import Call

SCANNED_MAX = 100_000
_EPOCH = datetime.fromtimestamp(0, UTC)


def last_used(session: Session, *, user_id: int) -> dict[int, datetime]:
    """By key id. Only the account's latest `SCANNED_MAX` calls are looked at: a key that none of
    them used is not in it."""
    latest = (
        select(Call.key_id, Call.id)
        .where(Call.user_id == user_id)
        .order_by(Call.id.desc())
        .limit(SCANNED_MAX)
        .subquery()
    )
    rows = session.execute(select(latest.c.key_id, func.max(latest.c.id)).group_by(latest.c.key_id))
    return {key_id: _moment(call_id) for key_id, call_id in rows}


def _moment(call_id: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ids.moment_ms_of(call_id))
