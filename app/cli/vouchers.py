"""`flask vouchers …`: codes worth money, made in batches, redeemed once each."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from app.cli.dollars import nanos_of
from app.cli.groups import Line, OperatorGroup, print_json
from app.core import clock
from app.core.database import db
from app.core.money import format_usd
from app.domain.accounts import users
from app.domain.accounts.emails import normalise_email
from app.domain.payments import voucher_codes, vouchers
from app.domain.payments.models import Voucher
from app.services import services

OPERATOR = "operator"

vouchers_commands = OperatorGroup("vouchers", help="Vouchers: codes worth money, once each.")

_REASON = Line(most_characters=vouchers.LONGEST_REASON)


@vouchers_commands.command("create")
@click.option("--amount", required=True, metavar="USD", help="What each is worth, such as 5.")
@click.option("--count", type=click.IntRange(1, vouchers.MOST_AT_ONCE), default=1,
              show_default=True, help="How many.")  # fmt: skip
@click.option("--batch", required=True, type=Line(most_characters=vouchers.LONGEST_BATCH),
              help="A name for all of them; it is used once.")  # fmt: skip
@click.option("--expires", "last_day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD",
              help="The last day (UTC) they are good; else they do not expire.")  # fmt: skip
@click.option("--reason", required=True, type=_REASON, help="Why; it is kept with the vouchers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create_vouchers(
    amount: str, count: int, batch: str, last_day: datetime | None, reason: str, as_json: bool
) -> None:
    """Make a batch of codes and print them, one a line. They are shown this once.

    What is said besides the codes goes to standard error, so that they can be kept in a file.
    """
    session = db.session()
    amount_nanos = nanos_of(amount, hint="--amount")
    codes = vouchers.create(
        session,
        services().digester,
        amount_nanos=amount_nanos,
        count=count,
        batch=batch,
        expires_at=_end_of(last_day),
        author=OPERATOR,
        reason=reason,
    )
    session.commit()
    if as_json:
        print_json({"batch": batch, "amount_usd": format_usd(amount_nanos), "codes": codes})
        return
    click.echo("\n".join(codes))
    noun = "voucher" if count == 1 else "vouchers"
    told = f"{count} {noun} of ${format_usd(amount_nanos)} in batch {batch}. Keep the codes: "
    click.echo(f"{told}they cannot be shown again.", err=True)


@vouchers_commands.command("list")
@click.option("--batch", help="Only the vouchers of this batch.")
@click.option("--count", type=click.IntRange(min=1), default=200, show_default=True,
              help="How many of the newest.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_vouchers(batch: str | None, count: int, as_json: bool) -> None:
    """Show the newest vouchers: how each code begins, its state, who redeemed it."""
    rows = [
        _facts(voucher, email)
        for voucher, email in vouchers.listed(db.session(), batch=batch, count=count)
    ]
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("No such voucher.", err=True)
    for row in rows:
        head = f"{row['id']:>6}  {row['batch']:<16} {row['code']}…  ${row['amount_usd']:<10}"
        click.echo(f"{head} {row['state']:<9}  {_told(row)}".rstrip())


@vouchers_commands.command("cancel")
@click.argument("batch")
@click.option("--reason", required=True, type=_REASON, help="Why; it is kept in the audit trail.")
def cancel_vouchers(batch: str, reason: str) -> None:
    """End all codes of BATCH that were not redeemed, for ever. Redeemed money stays."""
    session = db.session()
    count = vouchers.cancel(session, batch=batch, actor=OPERATOR, reason=reason)
    session.commit()
    click.echo(f"{count} vouchers of batch {batch} are cancelled.")


@vouchers_commands.command("redeem")
@click.argument("code")
@click.argument("email")
def redeem_voucher(code: str, email: str) -> None:
    """Redeem CODE for the account of EMAIL, which could not do it by itself."""
    session = db.session()
    user = users.by_email(session, normalise_email(email))
    redeemed = vouchers.redeem(
        session, services().digester, code=code, user_id=user.id, actor=OPERATOR
    )
    session.commit()
    click.echo(f"${format_usd(redeemed.amount_nanos)} credited to {user.email}.")


def _end_of(day: datetime | None) -> datetime | None:
    """The first moment (UTC) at which they are good no more."""
    return None if day is None else day.replace(tzinfo=UTC) + timedelta(days=1)


def _facts(voucher: Voucher, email: str | None) -> dict[str, Any]:
    return {
        "id": voucher.id,
        "batch": voucher.batch,
        "code": f"{voucher_codes.PREFIX}-{voucher.hint}",
        "amount_usd": format_usd(voucher.amount_nanos),
        "state": vouchers.state_of(voucher, at=clock.now()).value,
        "created_at": voucher.created_at.isoformat(),
        "expires_at": voucher.expires_at.isoformat() if voucher.expires_at else None,
        "redeemed_at": voucher.redeemed_at.isoformat() if voucher.redeemed_at else None,
        "redeemed_by": email,
        "author": voucher.author,
        "reason": voucher.reason,
    }


def _told(row: dict[str, Any]) -> str:
    if row["redeemed_by"] is not None:
        return f"by {row['redeemed_by']} on {row['redeemed_at'][:10]}"
    return "" if row["expires_at"] is None else f"until {row['expires_at'][:16]}"
