"""Trial money that is owed once the mailbox is confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "owed_trials",
        sa.Column(
            "user_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "vouched_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("network", sa.String(length=49), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_owed_trials_user_id")),
        sa.ForeignKeyConstraint(
            ["vouched_by"], ["partners.user_id"], name=op.f("fk_owed_trials_vouched_by")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_owed_trials")),
    )


def downgrade() -> None:
    op.drop_table("owed_trials")
