"""The outbox: a mail is a row written with the effect it tells of, and sent afterwards."""

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.columns import Id, LongText, Moment, OptionalMoment
from app.core.database import Base


class OutboxMail(Base):
    """One mail, rendered when it was written; waits while the mail server is down."""

    __tablename__ = "outbox_mails"
    __table_args__ = (
        CheckConstraint("attempts >= 0", name="attempts_not_negative"),
        Index(
            "ix_outbox_mails_waiting",
            "next_attempt_at",
            sqlite_where=text("sent_at IS NULL"),
            postgresql_where=text("sent_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    recipient: Mapped[str] = mapped_column(String(254))
    message: Mapped[str] = mapped_column(String(48))
    language: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(254))
    text_body: Mapped[LongText]
    html_body: Mapped[LongText]
    created_at: Mapped[Moment]
    next_attempt_at: Mapped[Moment]
    attempts: Mapped[int]
    last_error: Mapped[str | None] = mapped_column(String(254))
    sent_at: Mapped[OptionalMoment]
