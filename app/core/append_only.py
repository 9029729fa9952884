"""Tables whose rows are never changed: triggers that refuse UPDATE and DELETE, on both databases.

A batch change on SQLite rebuilds its table and loses its triggers, so their wording stands here
once: migrations create them from it, and a test compares the live database with the models.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import MetaData


@dataclass(frozen=True, slots=True)
class AppendOnly:
    table: str

    def trigger_names(self) -> tuple[str, str]:
        return (f"{self.table}_refuse_update", f"{self.table}_refuse_delete")

    def create(self, dialect_name: str) -> Iterator[str]:
        """The DDL statements that protect the table."""
        if dialect_name == "postgresql":
            yield (
                f"CREATE OR REPLACE FUNCTION {self.table}_refuse() RETURNS trigger AS $$ "
                f"BEGIN RAISE EXCEPTION '{self.table} is append-only'; END $$ LANGUAGE plpgsql"
            )
        for name, verb in zip(self.trigger_names(), ("UPDATE", "DELETE"), strict=True):
            head = f"CREATE TRIGGER {name} BEFORE {verb} ON {self.table} FOR EACH ROW"
            if dialect_name == "postgresql":
                yield f"{head} EXECUTE FUNCTION {self.table}_refuse()"
            else:
                yield f"{head} BEGIN SELECT RAISE(ABORT, '{self.table} is append-only'); END"

    def drop(self, dialect_name: str) -> Iterator[str]:
        for name in self.trigger_names():
            on = f" ON {self.table}" if dialect_name == "postgresql" else ""
            yield f"DROP TRIGGER {name}{on}"
        if dialect_name == "postgresql":
            yield f"DROP FUNCTION {self.table}_refuse()"


def append_only_tables(metadata: MetaData) -> list[AppendOnly]:
    """The protected tables: those whose model says ``"info": {"append_only": True}``."""
    return [
        AppendOnly(table.name) for table in metadata.sorted_tables if table.info.get("append_only")
    ]
