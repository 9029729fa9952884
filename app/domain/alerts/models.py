"""What the operator must know and act on."""

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.columns import Id, LongText, Moment, OptionalMoment
from app.core.database import Base


class Alert(Base):
    """One cause (`kind`, `subject`): open until resolved, counted while it recurs."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index(
            "uq_alerts_open",
            "kind",
            "subject",
            unique=True,
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(48))
    subject: Mapped[str] = mapped_column(String(128))
    message: Mapped[LongText]
    occurrences: Mapped[int]
    opened_at: Mapped[Moment]
    last_seen_at: Mapped[Moment]
    mailed_at: Mapped[OptionalMoment]
    resolved_at: Mapped[OptionalMoment]
