"""`flask partners …`: who may invite, what they sign with, where their servers call from."""

from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.groups import OperatorGroup, print_json
from app.core.database import db
from app.core.i18n import LOCALES
from app.core.money import parse_usd
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.models import InviterState, User
from app.domain.partners import membership, networks, opening, signing_secrets
from app.domain.partners.models import Partner
from app.services import services

OPERATOR = "operator"

partners_commands = OperatorGroup("partners", help="Partners: users who may invite others.")


@partners_commands.command("create")
@click.argument("email")
@click.option("--name", help="Their name, as mails to the people they invite shall quote it.")
@click.option(
    "--language", type=click.Choice([row.tag for row in LOCALES]), help="Language of these mails."
)
def create_partner(email: str, name: str | None, language: str | None) -> None:
    """Make EMAIL a partner, opening the account where there is none; print their inviter_id."""
    session = db.session()
    user, _ = opening.open_account(
        session,
        email=normalise_email(email),
        inviter_id=None,
        inviter_state=InviterState.NONE,
        language=language,
        actor=OPERATOR,
    )
    membership.make_partner(session, user=user, name=name, language=language, actor=OPERATOR)
    session.commit()
    click.echo(f"Partner {user.id}: {user.email} sends inviter_id {user.id}.")


@partners_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_partners(as_json: bool) -> None:
    """Show all partners."""
    session = db.session()
    found = session.execute(
        select(Partner, User.email).join(User, User.id == Partner.user_id).order_by(User.id)
    )
    rows = [_facts(session, partner, email) for partner, email in found]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        state = "active" if row["active"] else "disabled"
        click.echo(f"{row['id']:>8}  {row['email']}  {row['name'] or '-'}  {state}")


@partners_commands.command("change")
@click.argument("partner_id", type=int)
@click.option("--enable/--disable", "is_active", default=None, help="Whether they may invite.")
@click.option(
    "--require-signature/--allow-unsigned",
    "require_signature",
    default=None,
    help="Whether calls that name them must be signed.",
)
@click.option("--trial-budget", metavar="USD", help="Trial money a day of their vouched calls.")
def change_partner(
    partner_id: int,
    is_active: bool | None,
    require_signature: bool | None,
    trial_budget: str | None,
) -> None:
    """Change what PARTNER_ID may do."""
    asked = {
        "is_active": is_active,
        "require_signature": require_signature,
        "daily_trial_budget_nanos": (
            None if trial_budget is None else parse_usd(trial_budget, field="trial-budget")
        ),
    }
    changes = {name: value for name, value in asked.items() if value is not None}
    if not changes:
        raise click.UsageError("Say what to change: see --help.")
    session = db.session()
    membership.change(session, partner_id=partner_id, actor=OPERATOR, **changes)
    session.commit()
    click.echo(f"Partner {partner_id} changed: {', '.join(changes)}.")


@partners_commands.command("secret")
@click.argument("partner_id", type=int)
@click.option("--revoke-older", is_flag=True, help="End a rotation: keep only the newest secret.")
def make_secret(partner_id: int, revoke_older: bool) -> None:
    """Make a new signing secret for PARTNER_ID and print it once; the one before stays valid."""
    session = db.session()
    membership.get(session, partner_id)
    if revoke_older:
        count = signing_secrets.revoke_older(session, partner_id=partner_id, actor=OPERATOR)
        told = f"{count} older secrets revoked."
    else:
        sealer = services().sealer
        told = signing_secrets.create(session, sealer, partner_id=partner_id, actor=OPERATOR)
    session.commit()
    click.echo(told)


@partners_commands.command("addresses")
@click.argument("partner_id", type=int)
@click.option("--add", "added", multiple=True, metavar="CIDR", help="List a network.")
@click.option("--remove", "removed", multiple=True, metavar="CIDR", help="Take one off the list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def change_addresses(
    partner_id: int, added: tuple[str, ...], removed: tuple[str, ...], as_json: bool
) -> None:
    """Show, after any changes, the networks from which calls of PARTNER_ID are vouched for."""
    session = db.session()
    membership.get(session, partner_id)
    for network in added:
        networks.add(session, partner_id=partner_id, network=network, actor=OPERATOR)
    for network in removed:
        networks.remove(session, partner_id=partner_id, network=network, actor=OPERATOR)
    session.commit()
    listed = networks.listed(session, partner_id)
    if as_json:
        print_json(listed)
        return
    click.echo("\n".join(listed) or "None listed.")


def _facts(session: Session, partner: Partner, email: str) -> dict[str, Any]:
    return {
        "id": partner.user_id,
        "email": email,
        "name": partner.name,
        "active": partner.is_active,
        "require_signature": partner.require_signature,
        "language": partner.language,
        "networks": networks.listed(session, partner.user_id),
        "secrets": len(signing_secrets.live(session, partner.user_id)),
    }
