"""The end of the demonstration: keys, accounts, partner and channel. The books keep their rows."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.demonstration import (
    ACTOR,
    ADMIN_EMAIL,
    CHANNEL,
    PARTNER_EMAIL,
    USER_EMAIL,
    let_invite,
    secrets_file,
)
from app.core import ids
from app.core.database import in_session
from app.domain.accounts import keys, users
from app.domain.accounts.models import User
from app.domain.billing import ledger
from app.domain.billing.errors import HoldPending
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import AccountKind, TransferKind
from app.domain.channels import buying
from app.domain.channels.models import Channel
from app.services import Services


def remove(session: Session, services: Services) -> int:
    """End the demonstration; returns how many accounts were closed. The books keep their rows.

    Its accounts are its three and all that its partner registered. Raises `HoldPending` while one
    of them has a call running: then the caller rolls back and nothing has changed.
    """
    partner = session.scalar(select(User).where(User.email == PARTNER_EMAIL))
    if partner is None:
        return 0
    let_invite(session, partner, is_active=False)
    accounts = session.scalars(
        select(User)
        .where(
            User.email.in_((PARTNER_EMAIL, ADMIN_EMAIL, USER_EMAIL))
            | (User.inviter_id == partner.id)
        )
        .order_by(User.id)
    ).all()
    closed = sum(user.active for user in accounts)
    for user in accounts:
        _close(session, user)
    channel = session.scalar(select(Channel).where(Channel.name == CHANNEL))
    if channel is not None:
        buying.set_enabled(session, channel=channel, is_enabled=False)
    secrets_file(services).unlink(missing_ok=True)
    return closed


def _close(session: Session, user: User) -> None:
    """Take money, keys and sign-in from an account."""
    return_balances(session, user)
    for key in keys.of_user(session, user.id):
        keys.revoke(session, key=key, actor=ACTOR)
    users.disable(session, user=user, actor=ACTOR)


def return_balances(session: Session, user: User) -> None:
    """Transfer what the wallet holds to the operator's closed accounts. Raises `HoldPending`."""
    execute = in_session(session)
    wallet = ledger.balances(execute, user_id=user.id)
    if wallet.trial_held or wallet.paid_held:
        raise HoldPending(f"{user.email} has a request running. Try again when it has ended.")
    for bucket, amount_nanos in (
        (Bucket.TRIAL, wallet.trial_balance),
        (Bucket.PAID, wallet.paid_balance),
    ):
        if amount_nanos:
            ledger.debit(
                execute,
                Movement(
                    user_id=user.id,
                    bucket=bucket,
                    amount_nanos=amount_nanos,
                    counterpart=AccountKind.CLOSED_ACCOUNTS,
                    kind=TransferKind.CLOSING,
                    reference=f"demonstration-end:{ids.mint()}",
                    actor=ACTOR,
                    reason="the demonstration ended",
                ),
            )
