"""`flask wallet …`: look into a wallet, and enter a credit or a debit by hand."""

from collections.abc import Callable
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.dollars import bucket_facts, nanos_above_zero
from app.cli.groups import Line, OperatorGroup, print_json
from app.core import ids
from app.core.database import Execute, db, in_session
from app.core.money import format_usd
from app.domain.accounts import users
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.models import User
from app.domain.audit import trail
from app.domain.audit.actions import AuditAction
from app.domain.billing import ledger
from app.domain.billing.errors import NoWallet, ReferenceUsed
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import (
    AccountKind,
    Transfer,
    TransferKind,
    Wallet,
    paid_account_id,
    trial_account_id,
)

_VERBS = {
    TransferKind.OPERATOR_CREDIT: "credited to",
    TransferKind.OPERATOR_DEBIT: "taken from",
}

wallet_commands = OperatorGroup(
    "wallet", help="Wallets: a trial bucket and a paid one for each user."
)


def _movement_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every movement by hand is told: why, by whom, on which occasion."""
    options = (
        click.option("--reason", required=True, help="Why; it is kept with the transfer."),
        click.option("--actor", default="operator", show_default=True,
                     help="Who; an email, or a role."),
        click.option("--reference", type=Line(most_characters=100),
                     help="Names the occasion: the same one moves its money once."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@wallet_commands.command("credit")
@click.argument("email")
@click.argument("amount")
@_movement_options
def credit_wallet(email: str, amount: str, reason: str, actor: str, reference: str | None) -> None:
    """Add AMOUNT dollars, such as 0.2, to the paid bucket of EMAIL."""
    user = users.by_email(db.session(), normalise_email(email))
    movement = _movement(
        TransferKind.OPERATOR_CREDIT, user, amount, reason=reason, actor=actor, reference=reference
    )
    _enter(ledger.credit, user, movement)


@wallet_commands.command("debit")
@click.argument("email")
@click.argument("amount")
@_movement_options
@click.option("--bucket", type=click.Choice([bucket.value for bucket in Bucket]),
              default=Bucket.PAID.value, show_default=True, help="Which of the two.")  # fmt: skip
def debit_wallet(
    email: str, amount: str, reason: str, actor: str, reference: str | None, bucket: str
) -> None:
    """Take AMOUNT dollars, such as 0.2, from a bucket of EMAIL: never what a running call holds."""
    user = users.by_email(db.session(), normalise_email(email))
    movement = _movement(
        TransferKind.OPERATOR_DEBIT,
        user,
        amount,
        bucket=Bucket(bucket),
        reason=reason,
        actor=actor,
        reference=reference,
    )
    _enter(ledger.debit, user, movement)


@wallet_commands.command("show")
@click.argument("email")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--count", default=10, show_default=True, help="How many of the newest transfers.")
def show_wallet(email: str, as_json: bool, count: int) -> None:
    """Show both buckets of EMAIL, what is held, and the newest transfers outside of calls."""
    session = db.session()
    user = users.by_email(session, normalise_email(email))
    facts = _facts(session, user, count=count)
    if as_json:
        print_json(facts)
        return
    for bucket in Bucket:
        money = facts[bucket.value]
        click.echo(f"{bucket.value:<6} balance ${money['balance']}, held ${money['held']}")
    for row in facts["transfers"]:
        head = f"{row['at'][:19]}  {row['kind']:<16} {row['amount']:>16} {row['bucket']:<6}"
        click.echo(f"{head} {row['actor']}: {row['reason']}")


def _movement(
    kind: TransferKind,
    user: User,
    amount: str,
    *,
    bucket: Bucket = Bucket.PAID,
    reason: str,
    actor: str,
    reference: str | None,
) -> Movement:
    return Movement(
        user_id=user.id,
        bucket=bucket,
        amount_nanos=nanos_above_zero(amount, hint="AMOUNT"),
        counterpart=AccountKind.OPERATOR_CREDITS,
        kind=kind,
        reference=f"{kind.value.replace('_', '-')}:{reference or ids.mint()}",
        actor=actor,
        reason=reason,
    )


def _enter(rule: Callable[[Execute, Movement], bool], user: User, movement: Movement) -> None:
    """Move the money and leave a trace, once for each reference; then say so."""
    session = db.session()
    verb = _VERBS[movement.kind]
    if not rule(in_session(session), movement):
        _tell_replay(session, movement, verb)
        return
    trail.record(
        session,
        actor=movement.actor,
        action=AuditAction.TRANSFER_ENTERED,
        user_id=user.id,
        details={
            "kind": movement.kind.value,
            "amount_nanos": movement.amount_nanos,
            "reference": movement.reference,
        },
    )
    session.commit()
    click.echo(f"${format_usd(movement.amount_nanos)} {verb} {user.email}.")


def _tell_replay(session: Session, movement: Movement, verb: str) -> None:
    """Say that the reference was used. Raises ReferenceUsed where it was for something else."""
    earlier = session.scalars(
        select(Transfer).where(Transfer.reference == movement.reference)
    ).one()
    own_account_id = (
        trial_account_id(movement.user_id)
        if movement.bucket is Bucket.TRIAL
        else paid_account_id(movement.user_id)
    )
    is_same = own_account_id in (earlier.debit_account_id, earlier.credit_account_id)
    if not is_same or earlier.amount_nanos != movement.amount_nanos:
        raise ReferenceUsed
    before = f"{verb.partition(' ')[0].capitalize()} before"
    click.echo(f"{before}, on {earlier.at:%Y-%m-%d %H:%M:%S} UTC. Nothing changed.")


def _facts(session: Session, user: User, *, count: int) -> dict[str, Any]:
    wallet = session.get(Wallet, user.id)
    if wallet is None:
        raise NoWallet
    transfers = session.scalars(
        select(Transfer)
        .where(Transfer.user_id == user.id, Transfer.reference.is_not(None))
        .order_by(Transfer.id.desc())
        .limit(count)
    )
    return {
        "user_id": user.id,
        "email": user.email,
        "trial": bucket_facts(wallet.trial_balance_nanos, wallet.trial_held_nanos),
        "paid": bucket_facts(wallet.paid_balance_nanos, wallet.paid_held_nanos),
        "transfers": [_told(transfer, user.id) for transfer in transfers],
    }


def _told(transfer: Transfer, user_id: int) -> dict[str, Any]:
    """A transfer as its user sees it: out of a bucket is negative."""
    own = {trial_account_id(user_id): Bucket.TRIAL, paid_account_id(user_id): Bucket.PAID}
    is_credit = transfer.credit_account_id in own
    bucket = own[transfer.credit_account_id if is_credit else transfer.debit_account_id]
    return {
        "at": transfer.at.isoformat(),
        "kind": transfer.kind.value,
        "bucket": bucket.value,
        "amount": format_usd(transfer.amount_nanos if is_credit else -transfer.amount_nanos),
        "actor": transfer.actor,
        "reason": transfer.reason,
        "reference": transfer.reference,
    }
