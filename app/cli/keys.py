"""`flask keys …`: make a key by hand, look at a user's keys, revoke one."""

from typing import Any

import click

from app.cli.groups import OperatorGroup, print_json
from app.core.database import db
from app.core.money import format_usd, parse_usd
from app.domain.accounts import keys, users
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.key_names import normalise_key_name
from app.domain.accounts.keys import NewKey
from app.domain.accounts.models import ApiKey, KeyCap, KeyOrigin, KeyScope
from app.services import services

OPERATOR = "operator"

keys_commands = OperatorGroup("keys", help="API keys.")


@keys_commands.command("create")
@click.argument("email")
@click.argument("name")
@click.option("--full", is_flag=True, help="May spend paid money; else trial credit alone.")
@click.option("--cap", metavar="USD", help="Spend cap a calendar month, such as 5 or 0.5.")
def create_key(email: str, name: str, full: bool, cap: str | None) -> None:
    """Make a key called NAME for EMAIL and print its secret, once."""
    session = db.session()
    user = users.by_email(session, normalise_email(email))
    new = NewKey(
        name=normalise_key_name(name),
        scope=KeyScope.FULL if full else KeyScope.TRIAL,
        origin=KeyOrigin.OPERATOR,
        cap=None if cap is None else _cap(parse_usd(cap, field="cap")),
    )
    issued = keys.issue(session, services().digester, user=user, new=new, actor=OPERATOR)
    session.commit()
    click.echo(issued.secret)


@keys_commands.command("list")
@click.argument("email")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(email: str, as_json: bool) -> None:
    """Show the keys of EMAIL."""
    session = db.session()
    user = users.by_email(session, normalise_email(email))
    rows = [_facts(key) for key in keys.of_user(session, user.id)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        cap = "no cap" if row["cap_usd"] is None else f"${row['cap_usd']} a month"
        head = f"{row['id']:>8}  {row['prefix']}…  {row['state']:<8} {row['scope']:<6}"
        click.echo(f"{head} {row['name']}  {cap}")


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


def _cap(limit_nanos: int) -> KeyCap:
    return KeyCap(limit_nanos=limit_nanos, max_running=None, running=0)


def _facts(key: ApiKey) -> dict[str, Any]:
    limit_nanos = key.cap.limit_nanos if key.cap is not None else None
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scope": key.scope.value,
        "state": key.state.value,
        "origin": key.origin.value,
        "parent_id": key.parent_id,
        "cap_usd": None if limit_nanos is None else format_usd(limit_nanos),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "created_at": key.created_at.isoformat(),
    }
