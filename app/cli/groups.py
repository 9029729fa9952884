"""Commands whose refusals are one sentence and exit code 1, never a traceback."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy import inspect
from sqlalchemy.exc import OperationalError, ProgrammingError

from app.core.database import db
from app.core.errors import AppError

OLD_SCHEMA = "The database's tables are older than this program. Run: flask --app wsgi db upgrade"
NO_TABLES = (
    "There is no instance here yet: the database is empty. Make one by flask init --email YOU, or "
    "name another by INSTANCE_DIR or DATABASE_URL. (An older one: flask --app wsgi db upgrade)"
)
TERMINAL_COLUMNS = 100
_NAME = re.compile(r"[!-~]+")
_SCHEMA_SQLSTATES = ("42P01", "42703")  # PostgreSQL: no such table, no such column


class OperatorGroup(AppGroup):
    """An `AppGroup` that shows an `AppError`, or a database that is out, as a sentence."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings.setdefault("context_settings", {"max_content_width": TERMINAL_COLUMNS})
        super().__init__(*arguments, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        with _one_sentence():
            return super().invoke(ctx)


class OperatorCommand(click.Command):
    """The same for a command that stands alone."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings.setdefault("context_settings", {"max_content_width": TERMINAL_COLUMNS})
        super().__init__(*arguments, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        with _one_sentence():
            return super().invoke(ctx)


class Text(click.ParamType[str]):
    """A name without spaces: printable ASCII, as long as the database keeps."""

    name = "text"

    def __init__(self, *, most_characters: int) -> None:
        self._most_characters = most_characters

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not _NAME.fullmatch(text) or len(text) > self._most_characters:
            most = f"1 to {self._most_characters} visible ASCII characters without spaces"
            self.fail(f"{text[:80]!r} must be {most}.", param, ctx)
        return text


class Line(click.ParamType[str]):
    """One printable line that is not blank, as long as the database keeps; blanks around it go."""

    name = "text"

    def __init__(self, *, most_characters: int) -> None:
        self._most_characters = most_characters

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        if not text or not text.isprintable() or len(text) > self._most_characters:
            most = f"1 to {self._most_characters} printable characters"
            self.fail(f"{text[:80]!r} must be {most}.", param, ctx)
        return text


def print_json(value: Any) -> None:
    """Print a value for a program to read."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except AppError as error:
        raise click.ClickException(error.message) from None
    except (OperationalError, ProgrammingError) as error:
        if _is_old_schema(error):
            raise click.ClickException(OLD_SCHEMA if _has_tables() else NO_TABLES) from None
        if isinstance(error, OperationalError):
            raise click.ClickException(f"The database cannot be used: {error.orig}") from None
        raise


def _has_tables() -> bool:
    """Whether any migration ever ran; asked anew, because the command's own context has ended."""
    app = click.get_current_context().ensure_object(ScriptInfo).load_app()
    with app.app_context():
        return inspect(db.engine).has_table("alembic_version")


def _is_old_schema(error: OperationalError | ProgrammingError) -> bool:
    if getattr(error.orig, "sqlstate", None) in _SCHEMA_SQLSTATES:
        return True
    return str(error.orig).startswith(("no such table", "no such column"))
