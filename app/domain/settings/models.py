"""Business settings as rows: every change keeps its author, time and reason."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.columns import Id, LongText, Moment
from app.core.database import Base


class BusinessSetting(Base):
    """One version of one setting; the newest row of a name is in force. Never edited."""

    __tablename__ = "business_settings"
    __table_args__ = (
        Index("ix_business_settings_name_id", "name", "id"),
        {"info": {"append_only": True}, "sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(64))
    value: Mapped[LongText]
    author: Mapped[str] = mapped_column(String(254))
    reason: Mapped[LongText]
    created_at: Mapped[Moment]


class Revision(Base):
    """A counter per cached subject; a process reloads its snapshot when the number has moved."""

    __tablename__ = "revisions"

    subject: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int]
