"""One process serves a SQLite database: a lock beside its file, and what holding it proves."""

import fcntl
from pathlib import Path
from typing import IO, Self

from sqlalchemy import Engine


class SecondProcess(SystemExit):
    """SQLite is served by one process only."""


class InstanceLock:
    """The right to serve. PostgreSQL, and SQLite without a file, need none: there it is empty.

    The system takes it from a process that ends, however it ends.
    """

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file

    @classmethod
    def take(cls, engine: Engine) -> Self:
        """Raises `SecondProcess` where another process has it, `SystemExit` without its folder."""
        if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
            return cls(None)
        database = Path(str(engine.url.database))
        try:
            file = database.with_name(f"{database.name}.lock").open("w")
        except OSError as error:
            raise SystemExit(f"The database cannot be used: {error}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise SecondProcess(
                f"Another process serves {database} already. Stop it first, give this one another "
                "INSTANCE_DIR, or use PostgreSQL for several processes."
            ) from None
        return cls(file)

    @property
    def is_held(self) -> bool:
        return self._file is not None

    def release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
