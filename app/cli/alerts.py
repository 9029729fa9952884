"""`flask alerts …`: what the operator must act on."""

from typing import Any

import click

from app.cli.groups import Line, OperatorGroup, print_json
from app.core.database import db
from app.domain.alerts import ALERTS, AlertKind, open_alerts
from app.domain.alerts.models import Alert
from app.domain.alerts.reviewing import latest, resolve_by_hand

alerts_commands = OperatorGroup("alerts", help="Alerts: what waits for the operator.")


@alerts_commands.command("list")
@click.option("--all", "show_all", is_flag=True, help="The newest, resolved ones too.")
@click.option("--count", type=click.IntRange(min=1), default=100, show_default=True,
              help="With --all, how many.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_alerts(show_all: bool, count: int, as_json: bool) -> None:
    """Show the open alerts, the latest first, and what to do about each."""
    session = db.session()
    found = latest(session, count=count) if show_all else open_alerts(session)
    rows = [_facts(alert) for alert in found]
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("None." if show_all else "No alert is open.")
    for row in rows:
        state = "open" if row["resolved_at"] is None else f"resolved {row['resolved_at'][:16]}"
        head = f"{row['id']:>5}  {state:<26} {row['title']}: {row['subject']}"
        click.echo(f"{head}  ({row['occurrences']} times, last {row['last_seen_at'][:16]})")
        click.echo(f"       {row['message']}")
        if row["resolved_at"] is None:
            click.echo(f"       {row['advice']}")


@alerts_commands.command("resolve")
@click.argument("alert_ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.option("--reason", type=Line(most_characters=1_000), default="resolved by hand",
              show_default=True, help="Why; it is kept in the audit trail.")  # fmt: skip
@click.option("--actor", default="operator", show_default=True, help="Who; an email, or a role.")
def resolve_alerts(alert_ids: tuple[int, ...], reason: str, actor: str) -> None:
    """Close the alerts of these IDs. A cause that comes back opens a new one."""
    session = db.session()
    closed = resolve_by_hand(session, alert_ids=alert_ids, actor=actor, reason=reason)
    session.commit()
    click.echo(f"{len(closed)} resolved, {len(set(alert_ids)) - len(closed)} were so before.")


def _facts(alert: Alert) -> dict[str, Any]:
    row = ALERTS[AlertKind(alert.kind)]
    return {
        "id": alert.id,
        "kind": alert.kind,
        "title": row.title,
        "subject": alert.subject,
        "message": alert.message,
        "advice": row.advice,
        "occurrences": alert.occurrences,
        "opened_at": alert.opened_at.isoformat(),
        "last_seen_at": alert.last_seen_at.isoformat(),
        "mailed_at": alert.mailed_at.isoformat() if alert.mailed_at else None,
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
    }
