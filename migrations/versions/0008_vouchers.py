"""Vouchers, and the account and the kind of transfer that book them."""

import sqlalchemy as sa
from alembic import op

from app.core.append_only import AppendOnly

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ACCOUNTS = (
    "user_trial", "user_paid", "revenue", "trial_grants", "operator_credits", "write_offs",
    "closed_accounts",
)  # fmt: skip
_KINDS = (
    "usage", "write_off", "trial_grant", "trial_return", "operator_credit", "operator_debit",
    "refund", "closing",
)  # fmt: skip
_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _allow((*_ACCOUNTS, "vouchers"), (*_KINDS, "voucher"))
    accounts = sa.table("ledger_accounts", sa.column("id"), sa.column("kind"))
    op.bulk_insert(accounts, [{"id": 6, "kind": "vouchers"}])
    op.create_table(
        "vouchers",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=8), nullable=False),
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(length=254), nullable=False),
        sa.Column("reason", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=True),
        sa.Column("redeemed_at", sa.BigInteger(), nullable=True),
        sa.Column("redeemed_by", _BIG_ID, nullable=True),
        sa.CheckConstraint("amount_nanos > 0", name=op.f("ck_vouchers_amount_positive")),
        sa.CheckConstraint(
            "(redeemed_by IS NULL) = (redeemed_at IS NULL)",
            name=op.f("ck_vouchers_redeemed_by_someone"),
        ),
        sa.ForeignKeyConstraint(
            ["redeemed_by"], ["users.id"], name=op.f("fk_vouchers_redeemed_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vouchers")),
        sa.UniqueConstraint("digest", name=op.f("uq_vouchers_digest")),
    )
    op.create_index(op.f("ix_vouchers_batch"), "vouchers", ["batch"], unique=False)
    op.create_index(
        "ix_vouchers_redeemed_by",
        "vouchers",
        ["redeemed_by"],
        unique=False,
        sqlite_where=sa.text("redeemed_by IS NOT NULL"),
        postgresql_where=sa.text("redeemed_by IS NOT NULL"),
    )


def downgrade() -> None:
    """Refused by the CHECKs where a voucher was redeemed: the books would lose a transfer."""
    op.drop_table("vouchers")
    op.execute("DELETE FROM ledger_accounts WHERE id = 6")
    _allow(_ACCOUNTS, _KINDS)


def _allow(accounts: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """Let the two tables hold these kinds and no others."""
    if op.get_bind().dialect.name == "postgresql":
        _replace_check("ledger_accounts", "ck_ledger_accounts_account_kind", accounts)
        _replace_check("transfers", "ck_transfers_transfer_kind", kinds)
        return
    for table in (_ledger_accounts(accounts), _transfers(kinds)):
        with op.batch_alter_table(table.name, copy_from=table, recreate="always"):
            pass
    for statement in AppendOnly("transfers").create("sqlite"):
        op.execute(statement)


def _replace_check(table: str, name: str, values: tuple[str, ...]) -> None:
    op.drop_constraint(op.f(name), table)
    op.create_check_constraint(op.f(name), table, _is_one_of(values))


def _is_one_of(values: tuple[str, ...]) -> str:
    return "kind IN ({})".format(", ".join(f"'{value}'" for value in values))


def _ledger_accounts(kinds: tuple[str, ...]) -> sa.Table:
    table = sa.Table(
        "ledger_accounts",
        sa.MetaData(),
        sa.Column("id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("user_id", _BIG_ID, nullable=True),
        sa.CheckConstraint(_is_one_of(kinds), name="ck_ledger_accounts_account_kind"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_ledger_accounts_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_accounts"),
    )
    sa.Index("ix_ledger_accounts_user_id", table.c.user_id)
    return table


def _transfers(kinds: tuple[str, ...]) -> sa.Table:
    """The whole table: a rebuild on SQLite keeps no CHECK, index or trigger by itself."""
    table = sa.Table(
        "transfers",
        sa.MetaData(),
        sa.Column("id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("debit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("credit_account_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("call_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.String(length=128), nullable=True),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_nanos > 0", name="ck_transfers_amount_positive"),
        sa.CheckConstraint(
            "debit_account_id <> credit_account_id", name="ck_transfers_two_accounts"
        ),
        sa.CheckConstraint(_is_one_of(kinds), name="ck_transfers_transfer_kind"),
        sa.PrimaryKeyConstraint("id", name="pk_transfers"),
    )
    has_reference = sa.text("reference IS NOT NULL")
    sa.Index("ix_transfers_user_id_id", table.c.user_id, table.c.id, sqlite_where=has_reference)
    sa.Index("uq_transfers_reference", table.c.reference, unique=True, sqlite_where=has_reference)
    return table
