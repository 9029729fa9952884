"""Migrations reach the declared schema, go back, and keep what a rebuild of a table would lose."""

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import CheckConstraint, inspect, text
from sqlalchemy.exc import DBAPIError

from app.core.append_only import append_only_tables
from app.core.database import Base, db


def test_migrations_leave_no_drift_and_can_be_undone(any_app: Flask):
    with any_app.app_context():
        flask_migrate.check()
        db.session.remove()
        flask_migrate.downgrade(revision="base")
        assert set(inspect(db.engine).get_table_names()) <= {"alembic_version", "sqlite_sequence"}
        flask_migrate.upgrade()
        flask_migrate.check()


def test_append_only_tables_refuse_update_and_delete(any_app: Flask):
    tables = [protected.table for protected in append_only_tables(Base.metadata)]
    assert "transfers" in tables
    with any_app.app_context():
        _insert_one_row_each(tables)
        for table in tables:
            for sql in (f"UPDATE {table} SET id = id + 1", f"DELETE FROM {table}"):
                with pytest.raises(DBAPIError, match="append-only"):
                    db.session.execute(text(sql))
                db.session.rollback()


def test_ids_start_where_the_models_say(any_app: Flask):
    declared = {
        t.name: t.info["first_id"] for t in Base.metadata.tables.values() if "first_id" in t.info
    }
    assert declared == {"users": 10001, "api_keys": 30001}
    with any_app.app_context():
        for table, first_id in declared.items():
            assert _next_id(table) == first_id


def test_sqlite_tables_keep_autoincrement(sqlite_app: Flask):
    declared = {
        table.name
        for table in Base.metadata.tables.values()
        if table.dialect_options["sqlite"]["autoincrement"]
    }
    with sqlite_app.app_context():
        live = db.session.execute(
            text("SELECT name FROM sqlite_master WHERE type='table' AND sql LIKE '%AUTOINCREMENT%'")
        ).scalars()
        assert set(live) == declared


def test_every_declared_check_is_in_the_database(any_app: Flask):
    """A rebuilt table keeps no CHECK by itself, and the drift check does not look at them."""
    with any_app.app_context():
        seen = inspect(db.engine)
        for table in Base.metadata.sorted_tables:
            declared = {
                str(constraint.name)
                for constraint in table.constraints
                if isinstance(constraint, CheckConstraint)
            }
            assert {row["name"] for row in seen.get_check_constraints(table.name)} == declared


def _insert_one_row_each(tables: list[str]) -> None:
    is_sqlite = db.engine.dialect.name == "sqlite"
    db.session.execute(
        text("PRAGMA foreign_keys=OFF" if is_sqlite else "SET session_replication_role = replica")
    )
    for name in tables:
        table = Base.metadata.tables[name]
        row = {column.name: _some_value(column) for column in table.columns}
        db.session.execute(table.insert().values(row))
    db.session.commit()
    if not is_sqlite:
        db.session.execute(text("SET session_replication_role = DEFAULT"))
        db.session.commit()


def _some_value(column):
    if column.name in ("id", "amount_nanos", "debit_account_id"):
        return 1
    if column.name == "credit_account_id":
        return 2
    if column.name == "kind":
        return "usage"
    if column.name in ("details",):
        return {}
    return (
        1
        if "INT" in str(column.type.compile()) or column.name.endswith("_at") or column.name == "at"
        else "x"
    )


def _next_id(table: str) -> int:
    if db.engine.dialect.name == "sqlite":
        seen = db.session.execute(
            text("SELECT seq FROM sqlite_sequence WHERE name = :t"), {"t": table}
        )
        return int(seen.scalar_one()) + 1
    return int(db.session.execute(text(f"SELECT nextval('{table}_id_seq')")).scalar_one())
