"""What a key may do: rate limits, the period of its cap, lists of models and networks."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NEW = ("requests_per_minute", "tokens_per_minute", "models", "networks")


def _key_caps() -> sa.Table:
    """The whole table: a rebuild on SQLite keeps no CHECK that is not written here."""
    columns: list[sa.SchemaItem] = [
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("limit_nanos", sa.BigInteger(), nullable=True),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.CheckConstraint("limit_nanos >= 0", name="ck_key_caps_limit_not_negative"),
        sa.CheckConstraint("running >= 0", name="ck_key_caps_running_not_negative"),
        sa.PrimaryKeyConstraint("id", name="pk_key_caps"),
        *_new_columns(),
        *(sa.CheckConstraint(rule, name=name) for name, rule in _CHECKS.items()),
    ]
    return sa.Table("key_caps", sa.MetaData(), *columns)


def _new_columns() -> list[sa.Column]:
    return [
        sa.Column("period", sa.String(length=32), nullable=False, server_default="month"),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("tokens_per_minute", sa.Integer(), nullable=True),
        sa.Column("models", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("networks", sa.JSON(none_as_null=True), nullable=True),
    ]


_CHECKS = {
    "ck_key_caps_cap_period": "period IN ('day', 'week', 'month')",
    "ck_key_caps_requests_positive": "requests_per_minute > 0",
    "ck_key_caps_tokens_positive": "tokens_per_minute > 0",
}


def upgrade() -> None:
    for column in _new_columns():
        op.add_column("key_caps", column)
    if op.get_bind().dialect.name == "postgresql":
        for name, rule in _CHECKS.items():
            op.create_check_constraint(op.f(name), "key_caps", rule)
        op.alter_column("key_caps", "period", server_default=None)
    else:
        with op.batch_alter_table("key_caps", copy_from=_key_caps(), recreate="always") as batch:
            batch.alter_column("period", server_default=None)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name in _CHECKS:
            op.drop_constraint(op.f(name), "key_caps")
        for name in ("period", *_NEW):
            op.drop_column("key_caps", name)
    else:
        with op.batch_alter_table("key_caps", copy_from=_key_caps(), recreate="always") as batch:
            for name in _CHECKS:
                batch.drop_constraint(name)
            for name in ("period", *_NEW):
                batch.drop_column(name)
