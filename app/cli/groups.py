"""Command groups whose refusals are one sentence and exit code 1, never a traceback."""

import json
from typing import Any

import click
from flask.cli import AppGroup

from app.core.errors import AppError


class OperatorGroup(AppGroup):
    """An `AppGroup` that shows an `AppError` as the sentence it carries."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AppError as error:
            raise click.ClickException(error.message) from None


def print_json(value: Any) -> None:
    """Print a value for a program to read."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
