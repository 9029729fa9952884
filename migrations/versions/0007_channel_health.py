"""Which preset a channel was made from; what the breakers did."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channels", sa.Column("preset", sa.String(length=32), nullable=True))
    op.create_table(
        "breaker_states",
        sa.Column(
            "channel_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "model_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "turn",
            sa.Enum(
                "closed",
                "open",
                "half_open",
                name="breaker_turn",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("turned_at", sa.BigInteger(), nullable=False),
        sa.Column("last_failure", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_breaker_states_channel_id")
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_breaker_states_model_id")
        ),
        sa.PrimaryKeyConstraint("channel_id", "model_id", name=op.f("pk_breaker_states")),
    )


def downgrade() -> None:
    op.drop_table("breaker_states")
    op.drop_column("channels", "preset")
