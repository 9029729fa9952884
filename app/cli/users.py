"""`flask users …`: open accounts by hand, look at them, close them."""

from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app.cli.dollars import bucket_facts
from app.cli.groups import OperatorGroup, print_json
from app.core.database import db, in_session
from app.core.i18n import LOCALES
from app.domain.accounts import claims, keys, roles, users
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.errors import EmailTaken
from app.domain.accounts.models import InviterState, User
from app.domain.accounts.roles import RoleName
from app.domain.audit import trail
from app.domain.billing import ledger
from app.domain.partners import opening
from app.services import services

OPERATOR = "operator"

users_commands = OperatorGroup("users", help="Accounts.")


@users_commands.command("create")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in RoleName]), help="Make it staff.")
@click.option(
    "--language", type=click.Choice([row.tag for row in LOCALES]), help="Language of its mails."
)
def create_user(email: str, role: str | None, language: str | None) -> None:
    """Open an account for EMAIL and print the link, good for 24 hours, by which it is claimed."""
    session, process = db.session(), services()
    user, is_new = opening.open_account(
        session,
        email=normalise_email(email),
        inviter_id=None,
        inviter_state=InviterState.NONE,
        language=language,
        actor=OPERATOR,
    )
    if not is_new:
        raise EmailTaken
    if role is not None:
        roles.give(session, user=user, role=RoleName(role), actor=OPERATOR)
    _, token = claims.make_link(session, process.digester, user=user, inviter_id=None)
    session.commit()
    click.echo(f"User {user.id}, {user.email}.")
    click.echo(f"Claim link, good once and for 24 hours: {process.boot['BASE_URL']}/claim/{token}")


@users_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--count", default=50, show_default=True, help="How many of the newest.")
def list_users(as_json: bool, count: int) -> None:
    """Show the newest accounts, newest first."""
    newest = select(User).order_by(User.id.desc()).limit(count).options(selectinload(User.roles))
    rows = [_facts(user) for user in db.session.scalars(newest)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        states = ", ".join(_states(row))
        click.echo(f"{row['id']:>8}  {row['created_at'][:16]}  {row['email']}  {states}")


@users_commands.command("show")
@click.argument("email")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_user(email: str, as_json: bool) -> None:
    """Show the account of EMAIL: its state, money, keys, inviter, and what was done to it last."""
    session = db.session()
    user = users.by_email(session, normalise_email(email))
    facts = _dossier(session, user)
    if as_json:
        print_json(facts)
        return
    click.echo(f"{facts['email']}  {facts['id']}  {', '.join(_states(facts))}")
    click.echo(
        f"  opened    {facts['created_at'][:16]}, claimed {(facts['claimed_at'] or 'not yet')[:16]}"
    )
    inviter = facts["inviter"]
    click.echo(
        f"  inviter   {inviter or 'none'}" + (f", {facts['inviter_state']}" if inviter else "")
    )
    for bucket in ("trial", "paid"):
        money = facts["wallet"][bucket]
        click.echo(f"  {bucket:<8}  ${money['balance']}, ${money['held']} of it held")
    for key in facts["keys"]:
        told = f"{key['prefix']}…  {key['state']:<8} {key['scope']:<6} {key['name']}"
        click.echo(f"  key       {key['id']:>6}  {told}")
    for act in facts["acts"]:
        click.echo(f"  {act['at'][:19]}  {act['actor']}: {act['action']}")


@users_commands.command("disable")
@click.argument("email")
def disable_user(email: str) -> None:
    """Close the account of EMAIL: its keys and sessions stop within a second."""
    _change(email, enable=False)


@users_commands.command("enable")
@click.argument("email")
def enable_user(email: str) -> None:
    """Open the account of EMAIL again."""
    _change(email, enable=True)


def _change(email: str, *, enable: bool) -> None:
    session = db.session()
    user = users.by_email(session, normalise_email(email))
    (users.enable if enable else users.disable)(session, user=user, actor=OPERATOR)
    session.commit()
    click.echo(f"{user.email} is {'active' if enable else 'disabled'}.")


def _states(facts: dict[str, Any]) -> tuple[str, ...]:
    return (
        "active" if facts["active"] else "disabled",
        "claimed" if facts["claimed_at"] else "unclaimed",
        *facts["roles"],
    )


def _dossier(session: Session, user: User) -> dict[str, Any]:
    wallet = ledger.look(in_session(session), user_id=user.id)
    inviter = None if user.inviter_id is None else session.get_one(User, user.inviter_id)
    return _facts(user) | {
        "language": user.language,
        "inviter": None if inviter is None else inviter.email,
        "has_password": user.password is not None,
        "wallet": {
            "trial": bucket_facts(wallet.trial_balance, wallet.trial_held),
            "paid": bucket_facts(wallet.paid_balance, wallet.paid_held),
        },
        "keys": [
            {
                "id": key.id,
                "name": key.name,
                "prefix": key.prefix,
                "scope": key.scope.value,
                "state": key.state.value,
            }
            for key in keys.of_user(session, user.id)
        ],
        "acts": [
            {"at": entry.at.isoformat(), "actor": entry.actor, "action": entry.action}
            for entry in trail.of_user(session, user.id, count=10)
        ],
    }


def _facts(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "active": user.active,
        "created_at": user.created_at.isoformat(),
        "claimed_at": user.claimed_at.isoformat() if user.claimed_at else None,
        "roles": [role.name for role in user.roles],
        "inviter_id": user.inviter_id,
        "inviter_state": user.inviter_state.value,
    }
