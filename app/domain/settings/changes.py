"""Changing a business setting, and who changed it when and why."""

import json
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.settings.catalogue import spec_of
from app.domain.settings.errors import ReasonMissing
from app.domain.settings.models import BusinessSetting


def set_value(
    session: Session, *, name: str, text: str, author: str, reason: str
) -> BusinessSetting:
    """Add the row that puts `text` in force from the commit on; the caller commits.

    Setting the value that is in force already counts: a rate confirmed today shows today's date.
    Raises UnknownSetting, InvalidSetting, ReasonMissing.
    """
    stored = spec_of(name).read(text)
    if not reason.strip():
        raise ReasonMissing(field="reason")
    row = BusinessSetting(
        name=name,
        value=json.dumps(stored, ensure_ascii=False),
        author=author,
        reason=reason.strip(),
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return row


def history(session: Session, name: str) -> Sequence[BusinessSetting]:
    """Every value the setting ever had, newest first. Raises UnknownSetting."""
    rows = select(BusinessSetting).where(BusinessSetting.name == spec_of(name).name)
    return session.scalars(rows.order_by(BusinessSetting.id.desc())).all()
