"""Partners, what vouches for their calls, trial money."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "partners",
        sa.Column(
            "user_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("name", sa.String(length=64), nullable=True),
        sa.Column("is_name_approved", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("require_signature", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=True),
        sa.Column("daily_trial_budget_nanos", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_partners_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_partners")),
    )
    op.create_table(
        "partner_networks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "partner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("network", sa.String(length=49), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.user_id"], name=op.f("fk_partner_networks_partner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_networks")),
        sa.UniqueConstraint(
            "partner_id", "network", name=op.f("uq_partner_networks_partner_id_network")
        ),
    )
    op.create_table(
        "partner_secrets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "partner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.user_id"], name=op.f("fk_partner_secrets_partner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_secrets")),
    )
    op.create_index(
        op.f("ix_partner_secrets_partner_id"), "partner_secrets", ["partner_id"], unique=False
    )
    op.create_table(
        "signature_nonces",
        sa.Column(
            "partner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.user_id"], name=op.f("fk_signature_nonces_partner_id")
        ),
        sa.PrimaryKeyConstraint("partner_id", "nonce", name=op.f("pk_signature_nonces")),
    )
    op.create_index(
        op.f("ix_signature_nonces_expires_at"), "signature_nonces", ["expires_at"], unique=False
    )
    op.create_table(
        "trial_grants",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("mailbox_digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "vouched_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("returned_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount_nanos > 0", name=op.f("ck_trial_grants_amount_positive")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_trial_grants_user_id")),
        sa.ForeignKeyConstraint(
            ["vouched_by"], ["partners.user_id"], name=op.f("fk_trial_grants_vouched_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trial_grants")),
        sa.UniqueConstraint("mailbox_digest", name=op.f("uq_trial_grants_mailbox_digest")),
    )
    op.create_index(
        "ix_trial_grants_expires_at",
        "trial_grants",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("returned_at IS NULL"),
        postgresql_where=sa.text("returned_at IS NULL"),
    )
    op.create_index(op.f("ix_trial_grants_user_id"), "trial_grants", ["user_id"], unique=False)
    op.create_table(
        "daily_budgets",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used >= 0", name=op.f("ck_daily_budgets_used_not_negative")),
        sa.PrimaryKeyConstraint("day", "name", name=op.f("pk_daily_budgets")),
    )
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
    op.drop_table("daily_budgets")
    op.drop_table("trial_grants")
    op.drop_table("signature_nonces")
    op.drop_table("partner_secrets")
    op.drop_table("partner_networks")
    op.drop_table("partners")
