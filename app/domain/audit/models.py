"""Who did what to whom: rows that are never changed."""

from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.columns import BigId, Id, Moment
from app.core.database import Base


class AuditEntry(Base):
    """One act. `actor` is an email, ``partner:<id>``, ``system`` or ``anonymous``."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_user_id_id", "user_id", "id"),
        {"info": {"append_only": True}, "sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    at: Mapped[Moment]
    actor: Mapped[str] = mapped_column(String(254))
    action: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int | None] = mapped_column(BigId)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
