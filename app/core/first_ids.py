"""Where a table's ids start: declared by its model as ``"info": {"first_id": 10001}``.

A batch change on SQLite rebuilds its table and may lose the start, so migrations call
`set_first_id` again after one, and a test compares.
"""

from collections.abc import Iterator


def set_first_id(table: str, first_id: int, dialect_name: str) -> Iterator[str]:
    """The statements that make the next id of an empty `table` be `first_id`."""
    if dialect_name == "postgresql":
        yield f"ALTER SEQUENCE {table}_id_seq RESTART WITH {first_id}"
        return
    yield f"DELETE FROM sqlite_sequence WHERE name = '{table}'"  # noqa: S608
    yield f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {first_id - 1})"  # noqa: S608
