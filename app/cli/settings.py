"""`flask settings …`: read and change the business settings."""

import json
from typing import Any

import click

from app.cli.groups import OperatorGroup, print_json
from app.core.database import db
from app.domain import settings
from app.domain.settings.catalogue import SETTINGS

SHOWN_CHARACTERS = 60

settings_commands = OperatorGroup("settings", help="Business settings: in force within a second.")


@settings_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_settings(as_json: bool) -> None:
    """Show every setting, its value and since when."""
    stored = settings.stored_values(db.session())
    rows = [
        {
            "name": spec.name,
            "value": stored[spec.name].value if spec.name in stored else spec.read(spec.default),
            "set_at": stored[spec.name].set_at.isoformat() if spec.name in stored else None,
            "help": spec.help,
        }
        for spec in SETTINGS
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        since = "default" if row["set_at"] is None else f"set {row['set_at'][:16]}"
        click.echo(f"{row['name']:<36} {_short(row['value']):<36} {since}")
        click.echo(f"    {row['help']}")


@settings_commands.command("set")
@click.argument("name")
@click.argument("value")
@click.option("--reason", required=True, help="Why; it is kept with the value.")
@click.option("--author", default="operator", show_default=True, help="Who; an email, or a role.")
def set_setting(name: str, value: str, reason: str, author: str) -> None:
    """Put VALUE in force for NAME, such as: flask settings set rate_vnd 26300 --reason bank."""
    session = db.session()
    row = settings.set_value(session, name=name, text=value, author=author, reason=reason)
    session.commit()
    click.echo(f"{name} is {_plain(json.loads(row.value))} from now on.")


@settings_commands.command("history")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_history(name: str, as_json: bool) -> None:
    """Show every value NAME ever had, newest first."""
    versions = settings.history(db.session(), name)
    rows = [
        {
            "value": json.loads(version.value),
            "author": version.author,
            "reason": version.reason,
            "set_at": version.created_at.isoformat(),
        }
        for version in versions
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(
            f"{row['set_at'][:19]}  {_plain(row['value'])}  {row['author']}: {row['reason']}"
        )


def _short(value: Any) -> str:
    """As much of a value as a line holds."""
    text = _plain(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… (--json)"


def _plain(value: Any) -> str:
    """A stored value on one line, text without quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
