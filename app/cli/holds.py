"""`flask holds …`: the money that running calls hold."""

import click

from app.cli.groups import OperatorGroup, print_json
from app.core import clock
from app.core.database import db, in_session
from app.domain.billing.leases import dead_leases
from app.domain.billing.sweep import sweep

holds_commands = OperatorGroup("holds", help="Holds: money set aside while a call runs.")


@holds_commands.command("sweep")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sweep_holds(as_json: bool) -> None:
    """Settle the calls of dead processes and those long past their deadline.

    What was delivered is charged as an estimate, never above its hold; everything else is returned.
    The service does the same by itself, at its start and every minute.
    """
    dead = dead_leases(db.session(), at_ms=clock.now_ms())
    posted = voided = 0
    has_more = True
    while has_more:
        result = sweep(in_session(db.session()), at_ms=clock.now_ms())
        db.session.commit()
        posted, voided, has_more = posted + result.posted, voided + result.voided, result.has_more
    if as_json:
        print_json({"dead_leases": dead, "posted": posted, "voided": voided})
        return
    click.echo(f"{posted} posted as estimates, {voided} voided; dead processes: {len(dead)}.")
