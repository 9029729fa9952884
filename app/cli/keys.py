"""`flask keys …`: make a key by hand, look at a user's keys, bound one, revoke one."""

from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.groups import OperatorGroup, print_json
from app.cli.key_limits import cap_facts, in_words, limit_options, read_changes
from app.core.database import db
from app.core.moments import show_moment
from app.domain.accounts import keys, users
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.key_names import normalise_key_name
from app.domain.accounts.keys import NewKey
from app.domain.accounts.limits import change_limits, limits_of, plain, read_limits
from app.domain.accounts.models import ApiKey, KeyOrigin, KeyScope
from app.domain.usage.last_use import last_used
from app.services import services

OPERATOR = "operator"

keys_commands = OperatorGroup("keys", help="API keys.")


@keys_commands.command("create")
@click.argument("email")
@click.argument("name")
@click.option("--full", is_flag=True, help="May spend paid money; else trial credit alone.")
@limit_options
def create_key(email: str, name: str, full: bool, **given: str | None) -> None:
    """Make a key called NAME for EMAIL and print its secret, once."""
    session = db.session()
    user = users.by_email(session, normalise_email(email))
    new = NewKey(
        name=normalise_key_name(name),
        scope=KeyScope.FULL if full else KeyScope.TRIAL,
        origin=KeyOrigin.OPERATOR,
        limits=read_limits(read_changes(session, given)),
    )
    issued = keys.issue(session, services().digester, user=user, new=new, actor=OPERATOR)
    session.commit()
    click.echo(issued.secret)


@keys_commands.command("list")
@click.argument("email")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(email: str, as_json: bool) -> None:
    """Show the keys of EMAIL, what bounds them, and when they were last used."""
    session = db.session()
    user = users.by_email(session, normalise_email(email))
    used = last_used(session, user_id=user.id)
    found = keys.of_user(session, user.id)
    if as_json:
        print_json([_facts(session, key, used.get(key.id)) for key in found])
        return
    for key in found:
        head = f"{key.id:>8}  {key.prefix}…  {key.state.value:<8} {key.scope.value:<6} {key.name}"
        last = show_moment(used[key.id]) if key.id in used else "not lately"
        click.echo(f"{head}  {_limits_in_words(session, key)}  used {last}")


@keys_commands.command("limits")
@click.argument("email")
@click.argument("key_id", type=int)
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def limit_key(email: str, key_id: int, as_json: bool, **given: str | None) -> None:
    """Show, after any changes, what bounds the key KEY_ID of EMAIL.

    The limits are shared by all keys that were made by presenting it, and are changed on the first
    of them. They are in force within a second.
    """
    session = db.session()
    user = users.by_email(session, normalise_email(email))
    key = keys.get(session, user_id=user.id, key_id=key_id)
    changes = read_changes(session, given)
    if changes:
        change_limits(session, key=key, changes=changes, actor=OPERATOR)
        session.commit()
    if as_json:
        print_json(plain(limits_of(key)) | {"cap": cap_facts(session, key)})
        return
    click.echo(f"{key.name} ({key.prefix}…): {_limits_in_words(session, key)}")


@keys_commands.command("revoke")
@click.argument("email")
@click.argument("key_id", type=int)
def revoke_key(email: str, key_id: int) -> None:
    """Revoke the key KEY_ID of EMAIL, and the keys that were made with it, for ever."""
    session = db.session()
    user = users.by_email(session, normalise_email(email))
    key = keys.get(session, user_id=user.id, key_id=key_id)
    keys.revoke(session, key=key, actor=OPERATOR)
    session.commit()
    click.echo(f"{key.name} ({key.prefix}…) is {key.state.value}.")


def _limits_in_words(session: Session, key: ApiKey) -> str:
    return "; ".join(in_words(session, key)) or "no limits"


def _facts(session: Session, key: ApiKey, used_at: datetime | None) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scope": key.scope.value,
        "state": key.state.value,
        "origin": key.origin.value,
        "parent_id": key.parent_id,
        **plain(limits_of(key)),
        "cap": cap_facts(session, key),
        "created_at": show_moment(key.created_at),
        "last_used_at": None if used_at is None else show_moment(used_at),
    }
