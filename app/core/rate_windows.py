"""The hits of rate limits, where several processes share them and there is no Redis."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.columns import Moment
from app.core.database import Base


class RateWindow(Base):
    """How often `subject` was hit in the window that starts at `starts_at`."""

    __tablename__ = "rate_windows"

    subject: Mapped[str] = mapped_column(String(200), primary_key=True)
    starts_at: Mapped[Moment] = mapped_column(primary_key=True)
    hits: Mapped[int]
    expires_at: Mapped[Moment] = mapped_column(index=True)
