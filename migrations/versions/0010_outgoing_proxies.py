"""A proxy on the way to a channel; a mark, no longer an empty name, on what it does not serve."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("channels", sa.Column("sealed_proxy", sa.Text(), nullable=True))
    op.add_column("channel_models", _is_served())
    op.execute("UPDATE channel_models SET is_served = false WHERE upstream_name = ''")
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("channel_models", "is_served", server_default=None)
        return
    table = _channel_models()
    with op.batch_alter_table(table.name, copy_from=table, recreate="always") as batch:
        batch.alter_column("is_served", server_default=None)


def downgrade() -> None:
    """A channel that had a proxy is disabled: it must not be reached without."""
    op.execute("UPDATE channel_models SET upstream_name = '' WHERE NOT is_served")
    op.drop_column("channel_models", "is_served")
    op.execute("UPDATE channels SET is_enabled = false WHERE sealed_proxy IS NOT NULL")
    op.drop_column("channels", "sealed_proxy")


def _is_served() -> sa.Column[bool]:
    return sa.Column("is_served", sa.Boolean(), nullable=False, server_default=sa.true())


def _channel_models() -> sa.Table:
    """The whole table: a rebuild on SQLite keeps no CHECK or index by itself."""
    claims = (
        "cancel_stops_billing",
        "base64_embeddings",
        "knows_service_tier",
        "knows_safety_identifier",
        "retry_after_timeout",
    )
    table = sa.Table(
        "channel_models",
        sa.MetaData(),
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("channel_id", _BIG_ID, nullable=False),
        sa.Column("model_id", _BIG_ID, nullable=False),
        sa.Column("upstream_name", sa.String(length=256), nullable=False),
        sa.Column("limit_field", sa.String(length=32), nullable=False),
        sa.Column("limit_includes_reasoning", sa.Boolean(), nullable=False),
        sa.Column("enforces_limit", sa.Boolean(), nullable=False),
        sa.Column("stream_usage", sa.String(length=32), nullable=False),
        sa.Column("cut_member", sa.String(length=64), nullable=True),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in claims),
        _is_served(),
        sa.CheckConstraint(
            "limit_field IN ('max_tokens', 'max_completion_tokens')",
            name="ck_channel_models_limit_field",
        ),
        sa.CheckConstraint(
            "stream_usage IN ('ask', 'always', 'never')", name="ck_channel_models_stream_usage"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name="fk_channel_models_channel_id"
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_channel_models_model_id"),
        sa.PrimaryKeyConstraint("id", name="pk_channel_models"),
        sa.UniqueConstraint("channel_id", "model_id", name="uq_channel_models_channel_id_model_id"),
        sqlite_autoincrement=True,
    )
    sa.Index("ix_channel_models_model_id", table.c.model_id)
    return table
