"""Where a model is bought."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.columns import BigId, Id, LongText, Moment, OptionalMoment, choice
from app.core.database import Base


class StreamUsage(StrEnum):
    """Whether a channel reports usage in streams: when asked, always, or never."""

    ASK = "ask"
    ALWAYS = "always"
    NEVER = "never"


class LimitField(StrEnum):
    """The name under which a channel takes the output limit."""

    MAX_TOKENS = "max_tokens"
    MAX_COMPLETION_TOKENS = "max_completion_tokens"


class Channel(Base):
    """A provider account: an OpenAI-compatible base URL and a sealed key.

    Nothing is appended to the URL but the endpoint's path. `allow_private` admits a private host.
    `preset` names the row of `presets.py` it was made from: how this provider reports usage and
    words its errors; None is a plain OpenAI-compatible server. `sealed_proxy` is the URL of the
    proxy that leads there, sealed because it may hold a password; None goes straight.
    """

    __tablename__ = "channels"
    __table_args__ = (
        CheckConstraint("weight > 0", name="weight_positive"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    preset: Mapped[str | None] = mapped_column(String(32))
    base_url: Mapped[str] = mapped_column(String(512))
    sealed_key: Mapped[LongText]
    sealed_proxy: Mapped[str | None] = mapped_column(Text)
    is_enabled: Mapped[bool]
    allow_private: Mapped[bool]
    priority: Mapped[int]
    weight: Mapped[int]
    created_at: Mapped[Moment]

    models: Mapped[list["ChannelModel"]] = relationship(back_populates="channel")


class ChannelModel(Base):
    """How one channel serves one model: its name there, and the facts the gateway must know.

    Costs are kept for ever and hang on this row; so a model that has some keeps it when it is no
    longer served.
    """

    __tablename__ = "channel_models"
    __table_args__ = (
        UniqueConstraint("channel_id", "model_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    channel_id: Mapped[int] = mapped_column(BigId, ForeignKey("channels.id"))
    model_id: Mapped[int] = mapped_column(BigId, ForeignKey("models.id"), index=True)
    is_served: Mapped[bool]
    upstream_name: Mapped[str] = mapped_column(String(256))
    limit_field: Mapped[LimitField] = mapped_column(choice(LimitField))
    limit_includes_reasoning: Mapped[bool]
    enforces_limit: Mapped[bool]
    stream_usage: Mapped[StreamUsage] = mapped_column(choice(StreamUsage))
    cancel_stops_billing: Mapped[bool]
    cut_member: Mapped[str | None] = mapped_column(String(64))
    base64_embeddings: Mapped[bool]
    knows_service_tier: Mapped[bool]
    knows_safety_identifier: Mapped[bool]
    retry_after_timeout: Mapped[bool]

    channel: Mapped[Channel] = relationship(back_populates="models")


class BreakerTurn(StrEnum):
    """What a breaker does: lets calls through, keeps them away, or tries with one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerState(Base):
    """What a breaker last did, for people to see; each process decides by its own window.

    `opened_at` is when it first opened since it was last closed.
    """

    __tablename__ = "breaker_states"

    channel_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("channels.id"), primary_key=True, autoincrement=False
    )
    model_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("models.id"), primary_key=True, autoincrement=False
    )
    turn: Mapped[BreakerTurn] = mapped_column(choice(BreakerTurn))
    opened_at: Mapped[OptionalMoment]
    turned_at: Mapped[Moment]
    last_failure: Mapped[str | None] = mapped_column(String(64))


class UnservedHour(Base):
    """Calls refused in one hour because no channel could take the model; nothing was held."""

    __tablename__ = "unserved_hours"

    model_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("models.id"), primary_key=True, autoincrement=False
    )
    hour: Mapped[Moment] = mapped_column(primary_key=True)
    calls: Mapped[int]


class CostVersion(Base):
    """What a channel charges us for a model from `effective_at` on, as a `PriceSheet`."""

    __tablename__ = "cost_versions"
    __table_args__ = (
        Index("ix_cost_versions_channel_model_id_effective_at", "channel_model_id", "effective_at"),
        {"info": {"append_only": True}, "sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    channel_model_id: Mapped[int] = mapped_column(BigId, ForeignKey("channel_models.id"))
    effective_at: Mapped[Moment]
    sheet: Mapped[LongText]
    author: Mapped[str] = mapped_column(String(254))
    reason: Mapped[LongText]
    created_at: Mapped[Moment]
