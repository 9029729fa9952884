"""`flask demo` and `flask init`: something to try everything with, or an empty live instance."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import requests
from flask.cli import with_appcontext
from sqlalchemy import select

from app.cli import demonstration
from app.cli.groups import OperatorGroup, print_json
from app.core import clock
from app.core.crypto import random_token
from app.core.database import db
from app.core.errors import Conflict
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.models import User
from app.services import services


class AlreadyInUse(Conflict):
    number = 21
    reason = "already_in_use"
    message = "This instance has accounts already. `flask init` is for an empty one."


@click.group("demo", cls=OperatorGroup, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
@with_appcontext
def demo_commands(ctx: click.Context, as_json: bool) -> None:
    """The demonstration data, made where missing; refused in production."""
    if ctx.invoked_subcommand is not None:
        return
    made = demonstration.make(db.session(), services())
    db.session.commit()
    facts = facts_of(made)
    if as_json:
        print_json(facts)
        return
    click.echo(f"Address     {facts['base_url']}")
    click.echo(f"Admin       {made.admin_email}  {made.admin_password}")
    click.echo(f"User        {made.user_email}  {made.user_password}")
    click.echo(f"Inviter id  {made.inviter_id}")
    click.echo(f"API key     {made.api_key}")
    click.echo(f"Models      {len(facts['models'])} are sold: flask catalog list --sellable")


@demo_commands.command("remove")
@with_appcontext
def remove_demonstration() -> None:
    """End the demonstration: its keys, accounts, partner and channel; the books stay."""
    closed = demonstration.remove(db.session(), services())
    db.session.commit()
    click.echo(f"The demonstration has ended: {closed} accounts closed, balances returned.")


@click.command("init")
@click.option("--email", required=True, help="The admin's email.")
@with_appcontext
def init_command(email: str) -> None:
    """Make an empty live instance: one admin, no sandbox, no demonstration."""
    session = db.session()
    try:
        _init(email)
    except Conflict as error:
        raise click.ClickException(error.message) from None
    session.commit()


def _init(email: str) -> None:
    session = db.session()
    if session.scalar(select(User.id).limit(1)) is not None:
        raise AlreadyInUse
    password = random_token(18)
    admin = demonstration.open_claimed(session, email=normalise_email(email), password=password)
    demonstration.give_role(session, admin, "admin")
    click.echo(f"Admin {admin.email}, password {password} (shown once; change it after sign-in).")
    click.echo("Next: flask catalog add …, flask channels add …, flask users create …")


def facts_of(made: demonstration.Demonstration) -> dict[str, Any]:
    """The demonstration as `flask demo --json` prints it."""
    return {
        "base_url": running_base_url(),
        "admin": {"email": made.admin_email, "password": made.admin_password},
        "user": {"email": made.user_email, "password": made.user_password},
        "inviter_id": made.inviter_id,
        "api_key": made.api_key,
        "models": [offer.name for offer in services().offers.sellable()],
    }


def running_base_url() -> str:
    """Where the product runs now, by `instance/run.json`; else where it would run."""
    boot = services().boot
    try:
        running = json.loads((Path(boot["INSTANCE_PATH"]) / "run.json").read_text())
        requests.get(f"{running['base_url']}/healthz", timeout=2).raise_for_status()
    except (OSError, ValueError, KeyError, requests.RequestException):
        return str(boot["BASE_URL"])
    return str(running["base_url"])
