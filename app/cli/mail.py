"""`flask mail …`: look into the outbox and send what is due."""

from typing import Any

import click
from flask import current_app
from sqlalchemy.orm import sessionmaker

from app.cli.groups import OperatorGroup, print_json
from app.core.database import db
from app.domain import mail
from app.domain.mail.models import OutboxMail

mail_commands = OperatorGroup("mail", help="The outbox: mails written, waiting and sent.")


@mail_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--show", "mail_id", type=int, help="Print the whole text of the mail of this id.")
@click.option("--count", default=50, show_default=True, help="How many of the newest.")
def list_mails(as_json: bool, mail_id: int | None, count: int) -> None:
    """Show the newest mails, newest first."""
    if mail_id is not None:
        _show(mail_id, as_json=as_json)
        return
    rows = [_facts(row) for row in mail.latest(db.session(), count=count)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        head = f"{row['id']:>6}  {row['created_at']}  {row['state']:<8}"
        click.echo(f"{head}  {row['recipient']}  {row['subject']}")


@mail_commands.command("send")
def send_due() -> None:
    """Send the mails that are due now."""
    try:
        transport = mail.transport_for(current_app.config)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if transport is None:
        raise click.ClickException("SMTP_URL is empty: mail stays in the outbox.")
    report = mail.deliver_due(
        sessionmaker(db.engine), transport, sender=current_app.config["MAIL_FROM"]
    )
    click.echo(f"{report.sent} sent, {report.refused} refused.")
    if report.server_error:
        raise click.ClickException(f"The mail server is down: {report.server_error}")


def _show(mail_id: int, *, as_json: bool) -> None:
    row = mail.find(db.session(), mail_id)
    if as_json:
        bodies = {"text_body": row.text_body, "html_body": row.html_body}
        print_json(_facts(row) | bodies)
        return
    click.echo(f"To: {row.recipient}\nSubject: {row.subject}\n\n{row.text_body}")


def _facts(row: OutboxMail) -> dict[str, Any]:
    return {
        "id": row.id,
        "recipient": row.recipient,
        "message": row.message,
        "language": row.language,
        "subject": row.subject,
        "created_at": row.created_at.isoformat(),
        "state": mail.state_of(row).value,
        "attempts": row.attempts,
        "last_error": row.last_error,
    }
