"""`flask partners …`: who may invite, what they sign with, where their servers call from."""

from collections.abc import Mapping
from typing import Any

import click

from app.cli.dollars import nanos_of
from app.cli.groups import OperatorGroup, print_json
from app.core.database import db
from app.core.i18n import LOCALES
from app.core.money import format_usd
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.models import InviterState
from app.domain.partners import membership, networks, opening, signing_secrets
from app.domain.partners.overview import PartnerOverview, overview
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
    """Show all partners, whom they brought, and the trial money that they used today."""
    rows = [_facts(each) for each in overview(db.session(), services().settings.current())]
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("No partner yet: flask partners create EMAIL --name NAME", err=True)
    for row in rows:
        state = "active" if row["active"] else "disabled"
        brought, budget = row["brought"], row["trial_budget_usd"]
        counts = f"{brought['accounts']} accounts, {brought['claimed']} claimed"
        used = f"${budget['used_today']} of ${budget['a_day']} trial today"
        click.echo(
            f"{row['id']:>8}  {row['email']}  {row['name'] or '-'}  {state}  {counts}, {used}"
        )


@partners_commands.command("approve")
@click.argument("partner_id", metavar="ID", type=int)
@click.option("--name", required=True, help="Their name, as mails may quote it from now on.")
def approve_partner(partner_id: int, name: str) -> None:
    """Approve the name of partner ID, and let them invite."""
    session = db.session()
    partner = membership.approve(session, partner_id=partner_id, name=name, actor=OPERATOR)
    session.commit()
    click.echo(f"Partner {partner_id} may invite, as: {partner.name}")


@partners_commands.command("enable")
@click.argument("partner_id", metavar="ID", type=int)
def enable_partner(partner_id: int) -> None:
    """Let partner ID invite again."""
    _set_active(partner_id, is_active=True)
    click.echo(f"Partner {partner_id} may invite.")


@partners_commands.command("disable")
@click.argument("partner_id", metavar="ID", type=int)
def disable_partner(partner_id: int) -> None:
    """Stop partner ID from inviting. The accounts that they brought are not touched."""
    _set_active(partner_id, is_active=False)
    click.echo(f"Partner {partner_id} may not invite any more.")


@partners_commands.command("change")
@click.argument("partner_id", type=int)
@click.option(
    "--require-signature/--allow-unsigned",
    "require_signature",
    default=None,
    help="Whether calls that name them must be signed.",
)
@click.option("--trial-budget", metavar="USD", help="Trial money a day of their vouched calls.")
def change_partner(
    partner_id: int,
    require_signature: bool | None,
    trial_budget: str | None,
) -> None:
    """Change the terms of partner PARTNER_ID."""
    asked = {
        "require_signature": require_signature,
        "daily_trial_budget_nanos": (
            None if trial_budget is None else nanos_of(trial_budget, hint="--trial-budget")
        ),
    }
    changes = {name: value for name, value in asked.items() if value is not None}
    if not changes:
        raise click.UsageError("Say what to change: see --help.")
    session = db.session()
    membership.change(session, partner_id=partner_id, actor=OPERATOR, **changes)
    session.commit()
    click.echo(f"Partner {partner_id}: {_terms(changes)}.")


@partners_commands.group("secret", cls=OperatorGroup)
def secret_commands() -> None:
    """Secrets by which partners sign their calls; two may live at once."""


@secret_commands.command("rotate")
@click.argument("partner_id", metavar="ID", type=int)
def rotate_secret(partner_id: int) -> None:
    """Make a new secret for partner ID and print it once; the one before stays valid."""
    session = db.session()
    secret = signing_secrets.create(
        session, services().sealer, partner_id=partner_id, actor=OPERATOR
    )
    session.commit()
    click.echo(secret)


@secret_commands.command("revoke-older")
@click.argument("partner_id", metavar="ID", type=int)
def revoke_older_secrets(partner_id: int) -> None:
    """End a rotation: keep only the newest secret of partner ID."""
    session = db.session()
    membership.get(session, partner_id)
    count = signing_secrets.revoke_older(session, partner_id=partner_id, actor=OPERATOR)
    session.commit()
    click.echo(f"{count} older secrets revoked.")


@partners_commands.command("networks")
@click.argument("partner_id", type=int)
@click.option("--add", "added", multiple=True, metavar="CIDR", help="List a network.")
@click.option("--remove", "removed", multiple=True, metavar="CIDR", help="Take one off the list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def change_networks(
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


def _terms(changes: Mapping[str, Any]) -> str:
    """Terms that were changed, as they now are."""
    told = []
    if "require_signature" in changes:
        told.append(f"calls {'must' if changes['require_signature'] else 'need not'} be signed")
    if "daily_trial_budget_nanos" in changes:
        told.append(f"${format_usd(changes['daily_trial_budget_nanos'])} trial money a day")
    return ", ".join(told)


def _set_active(partner_id: int, *, is_active: bool) -> None:
    session = db.session()
    membership.change(session, partner_id=partner_id, actor=OPERATOR, is_active=is_active)
    session.commit()


def _facts(found: PartnerOverview) -> dict[str, Any]:
    partner, brought = found.partner, found.brought
    return {
        "id": partner.user_id,
        "email": found.email,
        "name": partner.name,
        "name_approved": partner.is_name_approved,
        "active": partner.is_active,
        "require_signature": partner.require_signature,
        "language": partner.language,
        "networks": list(found.networks),
        "secrets": found.live_secrets,
        "trial_budget_usd": {
            "a_day": format_usd(found.budget_nanos),
            "used_today": format_usd(found.budget_used_nanos),
        },
        "brought": {
            "accounts": brought.accounts,
            "claimed": brought.claimed,
            "confirmed": brought.confirmed,
        },
        "created_at": partner.created_at.isoformat(),
    }
