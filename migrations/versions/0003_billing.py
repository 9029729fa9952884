"""Wallets, the ledger, calls and process leases."""

import sqlalchemy as sa
from alembic import op

from app.core.append_only import AppendOnly

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "kind",
            sa.Enum(
                "user_trial",
                "user_paid",
                "revenue",
                "trial_grants",
                "operator_credits",
                "write_offs",
                "closed_accounts",
                name="account_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_ledger_accounts_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
    )
    op.create_index(
        op.f("ix_ledger_accounts_user_id"), "ledger_accounts", ["user_id"], unique=False
    )
    op.create_table(
        "wallets",
        sa.Column(
            "user_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("trial_balance_nanos", sa.BigInteger(), nullable=False),
        sa.Column("trial_held_nanos", sa.BigInteger(), nullable=False),
        sa.Column("paid_balance_nanos", sa.BigInteger(), nullable=False),
        sa.Column("paid_held_nanos", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "0 <= paid_held_nanos AND paid_held_nanos <= paid_balance_nanos",
            name=op.f("ck_wallets_paid_covered"),
        ),
        sa.CheckConstraint(
            "0 <= trial_held_nanos AND trial_held_nanos <= trial_balance_nanos",
            name=op.f("ck_wallets_trial_covered"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_wallets_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_wallets")),
    )
    op.create_table(
        "transfers",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("debit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("credit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "usage",
                "write_off",
                "trial_grant",
                "trial_return",
                "operator_credit",
                "operator_debit",
                "refund",
                "closing",
                name="transfer_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("call_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.String(length=128), nullable=True),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_nanos > 0", name=op.f("ck_transfers_amount_positive")),
        sa.CheckConstraint(
            "debit_account_id <> credit_account_id", name=op.f("ck_transfers_two_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index(
        "ix_transfers_user_id_id",
        "transfers",
        ["user_id", "id"],
        unique=False,
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_index(
        "uq_transfers_reference",
        "transfers",
        ["reference"],
        unique=True,
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_table(
        "process_leases",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("renewed_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process_leases")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "calls",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "posted",
                "voided",
                name="call_state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "scope",
            sa.Enum(
                "trial",
                "full",
                name="key_scope",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("price_version_id", sa.BigInteger(), nullable=False),
        sa.Column("lease_id", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at", sa.BigInteger(), nullable=False),
        sa.Column("held_trial_nanos", sa.BigInteger(), nullable=False),
        sa.Column("held_paid_nanos", sa.BigInteger(), nullable=False),
        sa.Column("cap_id", sa.BigInteger(), nullable=True),
        sa.Column("cap_period", sa.String(length=10), nullable=True),
        sa.Column("protocol", sa.String(length=32), nullable=False),
        sa.Column("is_streamed", sa.Boolean(), nullable=False),
        sa.Column("client_request_id", sa.String(length=128), nullable=True),
        sa.Column("delivered_frames", sa.Integer(), nullable=True),
        sa.Column("local_input_tokens", sa.Integer(), nullable=True),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("cost_version_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("is_estimated", sa.Boolean(), nullable=True),
        sa.Column("units", sa.String(), nullable=True),
        sa.Column("cost_nanos", sa.BigInteger(), nullable=True),
        sa.Column("trial_cost_nanos", sa.BigInteger(), nullable=True),
        sa.Column("written_off_nanos", sa.BigInteger(), nullable=True),
        sa.Column("upstream_cost_nanos", sa.BigInteger(), nullable=True),
        sa.Column("first_content_ms", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.String(), nullable=True),
        sa.Column("reported", sa.String(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "held_trial_nanos >= 0 AND held_paid_nanos >= 0",
            name=op.f("ck_calls_held_not_negative"),
        ),
        sa.CheckConstraint(
            "scope = 'full' OR held_paid_nanos = 0", name=op.f("ck_calls_trial_holds_no_paid")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index(
        "ix_calls_pending",
        "calls",
        ["lease_id"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_calls_user_id_id", "calls", ["user_id", "id"], unique=False)

    dialect_name = op.get_bind().dialect.name
    for statement in AppendOnly("transfers").create(dialect_name):
        op.execute(statement)
    accounts = sa.table("ledger_accounts", sa.column("id"), sa.column("kind"))
    op.bulk_insert(
        accounts,
        [
            {"id": 1, "kind": "revenue"},
            {"id": 2, "kind": "trial_grants"},
            {"id": 3, "kind": "operator_credits"},
            {"id": 4, "kind": "write_offs"},
            {"id": 5, "kind": "closed_accounts"},
        ],
    )


def downgrade() -> None:
    dialect_name = op.get_bind().dialect.name
    for statement in AppendOnly("transfers").drop(dialect_name):
        op.execute(statement)
    op.drop_table("calls")
    op.drop_table("process_leases")
    op.drop_table("transfers")
    op.drop_table("wallets")
    op.drop_table("ledger_accounts")
