"""Models, prices, and the channels that serve them."""

import sqlalchemy as sa
from alembic import op

from app.core.append_only import AppendOnly

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "chat",
                "embedding",
                "image_generation",
                "audio_transcription",
                "audio_speech",
                "moderation",
                name="model_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("abilities", sa.JSON(), nullable=False),
        sa.Column("max_input_tokens", sa.Integer(), nullable=True),
        sa.Column("max_output_tokens", sa.Integer(), nullable=True),
        sa.Column("max_tokens_per_input_image", sa.Integer(), nullable=True),
        sa.Column("max_tokens_per_output_image", sa.Integer(), nullable=True),
        sa.Column("embedding_size", sa.Integer(), nullable=True),
        sa.Column("is_published", sa.Boolean(), nullable=False),
        sa.Column("allows_trial", sa.Boolean(), nullable=False),
        sa.Column("retires_on", sa.Date(), nullable=True),
        sa.Column(
            "replacement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["replacement_id"], ["models.id"], name=op.f("fk_models_replacement_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("name", name=op.f("uq_models_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "price_versions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("sheet", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=254), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_price_versions_model_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_versions")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_price_versions_model_id_effective_at",
        "price_versions",
        ["model_id", "effective_at"],
        unique=False,
    )
    op.create_table(
        "channels",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("base_url", sa.String(length=512), nullable=False),
        sa.Column("sealed_key", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("allow_private", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("weight > 0", name=op.f("ck_channels_weight_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        sa.UniqueConstraint("name", name=op.f("uq_channels_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "channel_models",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("model_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("upstream_name", sa.String(length=256), nullable=False),
        sa.Column(
            "limit_field",
            sa.Enum(
                "max_tokens",
                "max_completion_tokens",
                name="limit_field",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("limit_includes_reasoning", sa.Boolean(), nullable=False),
        sa.Column("enforces_limit", sa.Boolean(), nullable=False),
        sa.Column(
            "stream_usage",
            sa.Enum(
                "ask",
                "always",
                "never",
                name="stream_usage",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("cancel_stops_billing", sa.Boolean(), nullable=False),
        sa.Column("cut_member", sa.String(length=64), nullable=True),
        sa.Column("base64_embeddings", sa.Boolean(), nullable=False),
        sa.Column("knows_service_tier", sa.Boolean(), nullable=False),
        sa.Column("knows_safety_identifier", sa.Boolean(), nullable=False),
        sa.Column("retry_after_timeout", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_channel_models_channel_id")
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_channel_models_model_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_models")),
        sa.UniqueConstraint(
            "channel_id", "model_id", name=op.f("uq_channel_models_channel_id_model_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_channel_models_model_id"), "channel_models", ["model_id"], unique=False
    )
    op.create_table(
        "cost_versions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "channel_model_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("sheet", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=254), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_model_id"],
            ["channel_models.id"],
            name=op.f("fk_cost_versions_channel_model_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_versions")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_cost_versions_channel_model_id_effective_at",
        "cost_versions",
        ["channel_model_id", "effective_at"],
        unique=False,
    )
    op.create_table(
        "unserved_hours",
        sa.Column(
            "model_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_unserved_hours_model_id")
        ),
        sa.PrimaryKeyConstraint("model_id", "hour", name=op.f("pk_unserved_hours")),
    )

    dialect_name = op.get_bind().dialect.name
    for statement in AppendOnly("price_versions").create(dialect_name):
        op.execute(statement)
    for statement in AppendOnly("cost_versions").create(dialect_name):
        op.execute(statement)


def downgrade() -> None:
    dialect_name = op.get_bind().dialect.name
    for statement in AppendOnly("price_versions").drop(dialect_name):
        op.execute(statement)
    for statement in AppendOnly("cost_versions").drop(dialect_name):
        op.execute(statement)
    op.drop_table("unserved_hours")
    op.drop_table("cost_versions")
    op.drop_table("channel_models")
    op.drop_table("channels")
    op.drop_table("price_versions")
    op.drop_table("models")
