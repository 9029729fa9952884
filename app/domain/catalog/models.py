"""What is sold, at which price, since when."""

from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.columns import BigId, Id, LongText, Moment, choice
from app.core.database import Base
from app.domain.catalog.kinds import ModelKind


class Model(Base):
    """A model that is sold under `name` (``gpt-4o``). Limits are tokens; None means unstated."""

    __tablename__ = "models"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(128), unique=True)
    provider: Mapped[str] = mapped_column(String(64))
    kind: Mapped[ModelKind] = mapped_column(choice(ModelKind))
    abilities: Mapped[list[Any]] = mapped_column(JSON)
    max_input_tokens: Mapped[int | None]
    max_output_tokens: Mapped[int | None]
    max_tokens_per_input_image: Mapped[int | None]
    max_tokens_per_output_image: Mapped[int | None]
    embedding_size: Mapped[int | None]
    is_published: Mapped[bool]
    allows_trial: Mapped[bool]
    retires_on: Mapped[Any | None] = mapped_column(Date)
    replacement_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("models.id"))
    created_at: Mapped[Moment]


class PriceVersion(Base):
    """A model's sale price from `effective_at` on; `sheet` is a `PriceSheet` as JSON."""

    __tablename__ = "price_versions"
    __table_args__ = (
        Index("ix_price_versions_model_id_effective_at", "model_id", "effective_at"),
        {"info": {"append_only": True}, "sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    model_id: Mapped[int] = mapped_column(BigId, ForeignKey("models.id"))
    effective_at: Mapped[Moment]
    sheet: Mapped[LongText]
    author: Mapped[str] = mapped_column(String(254))
    reason: Mapped[LongText]
    created_at: Mapped[Moment]
