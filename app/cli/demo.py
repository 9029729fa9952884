"""`flask demo` and `flask init`: something to try everything with, or an empty live instance."""

import logging
from typing import Any

import click
import flask_migrate
from flask.cli import with_appcontext
from sqlalchemy import inspect, select

from app.cli import demonstration, demonstration_end, run_file
from app.cli.groups import OperatorCommand, OperatorGroup, print_json
from app.core.crypto import random_token
from app.core.database import db
from app.core.errors import Conflict
from app.domain.accounts import roles
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.models import User
from app.domain.accounts.roles import RoleName
from app.services import services

NO_SANDBOX = "The product runs without the sandbox: restart it, and the models answer."


class AlreadyInUse(Conflict):
    number = 21
    reason = "already_in_use"
    message = (
        "This instance has accounts already; `flask init` is for an empty one. Another admin: "
        "flask users create EMAIL --role admin"
    )


@click.group("demo", cls=OperatorGroup, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
@with_appcontext
def demo_commands(context: click.Context, as_json: bool) -> None:
    """Show the demonstration's sign-ins, key and models; make what is missing of it.

    Refused in production.
    """
    if context.invoked_subcommand is not None:
        return
    _make_tables_where_none()
    running = run_file.read(services().boot["INSTANCE_PATH"])
    made = demonstration.make(db.session(), services())
    if running is not None and running.sandbox_base_url is not None:
        demonstration.follow_sandbox(db.session(), running.sandbox_base_url)
    db.session.commit()
    facts = _facts(made, running)
    if as_json:
        print_json(facts)
    else:
        _tell(facts, is_running=running is not None)
    if running is not None and running.sandbox_base_url is None:
        click.echo(NO_SANDBOX, err=True)


@demo_commands.command("remove")
@with_appcontext
def remove_demonstration() -> None:
    """End the demonstration: its keys, accounts, partner and channel; the books stay.

    Accounts that its partner registered are closed as well.
    """
    closed = demonstration_end.remove(db.session(), services())
    db.session.commit()
    if not closed:
        click.echo("There is no demonstration here.")
        return
    click.echo(f"The demonstration has ended: {closed} accounts closed, their balances returned.")


@click.command("init", cls=OperatorCommand)
@click.option("--email", required=True, help="The admin's email.")
@with_appcontext
def init_command(email: str) -> None:
    """Make an empty live instance: one admin, no sandbox, no demonstration."""
    _make_tables_where_none()
    session = db.session()
    if session.scalar(select(User.id).limit(1)) is not None:
        raise AlreadyInUse
    password = random_token(18)
    admin = demonstration.open_claimed(session, email=normalise_email(email), password=password)
    roles.give(session, user=admin, role=RoleName.ADMIN, actor="operator")
    session.commit()
    click.echo(f"Admin     {admin.email}")
    click.echo(f"Password  {password}  (shown this once)")
    click.echo("Next: flask catalog import --starting, then flask channels add …, then make run")


def _make_tables_where_none() -> None:
    """So that a new instance needs no other command first; an older one is never changed here."""
    if not inspect(db.engine).has_table("alembic_version"):
        logging.getLogger("alembic").setLevel(logging.WARNING)
        flask_migrate.upgrade()


def _facts(made: demonstration.Demonstration, running: run_file.Running | None) -> dict[str, Any]:
    boot = services().boot
    return {
        "base_url": boot["BASE_URL"] if running is None else running.base_url,
        "admin": {"email": made.admin_email, "password": made.admin_password},
        "user": {"email": made.user_email, "password": made.user_password},
        "inviter_id": made.inviter_id,
        "api_key": made.api_key,
        "models": [offer.name for offer in services().offers.sellable()],
    }


def _tell(facts: dict[str, Any], *, is_running: bool) -> None:
    state = "" if is_running else "  (not running: make run)"
    click.echo(f"Address     {facts['base_url']}{state}")
    click.echo(f"Admin       {facts['admin']['email']}  {facts['admin']['password']}")
    click.echo(f"User        {facts['user']['email']}  {facts['user']['password']}")
    click.echo(f"Partner id  {facts['inviter_id']}")
    click.echo(f"API key     {facts['api_key']}")
    click.echo(f"Models      {len(facts['models'])} are sold: flask catalog list --sellable")
