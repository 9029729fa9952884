"""The command: goes through the table, tells what it found, exits 1 where something fails."""

import logging
import textwrap
from collections.abc import Iterator
from typing import Any

import click
from flask.cli import with_appcontext

from app.cli.doctor.table import CHECKS, DATABASE
from app.cli.doctor.values import Check, Finding, Patient, State, skip
from app.cli.groups import TERMINAL_COLUMNS, OperatorCommand, print_json
from app.core.database import db
from app.services import services

_INDENT = 27
_SIGNS = {State.OK: "ok  ", State.WARN: "warn", State.FAIL: "FAIL", State.SKIP: "skip"}


@click.command("doctor", cls=OperatorCommand)
@click.option("--online", is_flag=True, help="Also call BASE_URL from here.")
@click.option("--probe", is_flag=True,
              help="Also ask each channel a tiny question, for a fraction of a cent.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
@with_appcontext
def doctor_command(context: click.Context, online: bool, probe: bool, as_json: bool) -> None:
    """Go through the list for going live: settings, money, mail, models, channels, books.

    It reads and changes nothing. Exits with 1 where anything fails.
    """
    patient = Patient(services=services(), session=db.session(), is_online=online, may_probe=probe)
    found = list(_examine(patient))
    if as_json:
        print_json([_facts(check, finding) for check, finding in found])
    else:
        _tell(found)
    if any(finding.state is State.FAIL for _, finding in found):
        context.exit(1)


def _examine(patient: Patient) -> Iterator[tuple[Check, Finding]]:
    """The table in its order: the row of the database stands before those that need it."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    has_database = False
    for check in CHECKS:
        if check.needs_database and not has_database:
            yield check, skip("the database is not ready")
            continue
        finding = check.look(patient)
        if check.name == DATABASE:
            has_database = finding.state is State.OK
        yield check, finding


def _facts(check: Check, finding: Finding) -> dict[str, Any]:
    return {
        "check": check.name,
        "title": check.title,
        "state": finding.state.value,
        "detail": finding.detail,
        "advice": None if finding.state in (State.OK, State.SKIP) else check.advice,
    }


def _tell(found: list[tuple[Check, Finding]]) -> None:
    for check, finding in found:
        detail = _indented(finding.detail).lstrip()
        click.echo(f"{_SIGNS[finding.state]}  {check.title:<20} {detail}")
        if finding.state in (State.WARN, State.FAIL):
            click.echo(_indented(check.advice))
    counts = {state: sum(finding.state is state for _, finding in found) for state in State}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    click.echo(f"\n{told}.")


def _indented(text: str) -> str:
    """The text behind the titles. A word is never broken: a command must be there to be copied."""
    return textwrap.fill(
        text,
        width=TERMINAL_COLUMNS,
        initial_indent=" " * _INDENT,
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
