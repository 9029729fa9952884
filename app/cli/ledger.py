"""`flask ledger …`: the books prove themselves."""

from dataclasses import asdict

import click

from app.cli.groups import OperatorGroup, print_json
from app.core.database import db
from app.domain.billing.verify import Examined, examine

ledger_commands = OperatorGroup("ledger", help="The books: double entry, append-only.")


@ledger_commands.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify_ledger(context: click.Context, as_json: bool) -> None:
    """Prove the invariants of the books, all at one moment; safe while the service runs.

    Exits with 1 where anything drifts.
    """
    results = examine(db.session())
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        _print_table(results)
    if any(result.drifts for result in results):
        context.exit(1)


def _print_table(results: list[Examined]) -> None:
    for result in results:
        verdict = f"{len(result.drifts)} DRIFT" if result.drifts else "ok"
        click.echo(f"{result.title:<68} {result.count:>10}  {verdict}")
    for result in results:
        for drift in result.drifts:
            click.echo(f"{drift.check}: {drift.subject}: {drift.expected}, but found {drift.found}")
