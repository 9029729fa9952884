"""How money comes in."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.columns import BigId, Id, Moment, Nanos, OptionalMoment
from app.core.database import Base


class Voucher(Base):
    """A redemption code worth money, once. Stored hashed: `hint` is its first letters, for people.

    Codes are made in batches (`batch` names one); a cancelled or expired one buys nothing.
    """

    __tablename__ = "vouchers"
    __table_args__ = (
        CheckConstraint("amount_nanos > 0", name="amount_positive"),
        CheckConstraint(
            "(redeemed_by IS NULL) = (redeemed_at IS NULL)", name="redeemed_by_someone"
        ),
        Index(
            "ix_vouchers_redeemed_by",
            "redeemed_by",
            sqlite_where=text("redeemed_by IS NOT NULL"),
            postgresql_where=text("redeemed_by IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(8))
    batch: Mapped[str] = mapped_column(String(64), index=True)
    amount_nanos: Mapped[Nanos]
    author: Mapped[str] = mapped_column(String(254))
    reason: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Moment]
    expires_at: Mapped[OptionalMoment]
    cancelled_at: Mapped[OptionalMoment]
    redeemed_at: Mapped[OptionalMoment]
    redeemed_by: Mapped[int | None] = mapped_column(BigId, ForeignKey("users.id"))
