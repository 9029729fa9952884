"""Alembic's environment: the app's engine and metadata, numbered revisions."""

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import Connection

from app.core.columns import Instant
from app.core.database import db

target = db.metadata


def number_revision(migration_context: Any, revision: Any, directives: list[Any]) -> None:
    """Give a new revision the next number, as ``0007``."""
    head = context.script.get_current_head()
    for script in directives:
        script.rev_id = f"{int(head or 0) + 1:04}"


def render_item(kind: str, item: Any, autogen_context: Any) -> str | bool:
    """Freeze our column types to what the database stores, so that a migration never changes later."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, Instant) else False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=target,
        process_revision_directives=number_revision,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
        render_item=render_item,
    )
    with context.begin_transaction():
        context.run_migrations()


with current_app.extensions["migrate"].db.engine.connect() as connection:
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        # A batch change rebuilds a table: with foreign keys on, dropping the old one would cascade.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.commit()
    run(connection)
    if is_sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        connection.commit()
