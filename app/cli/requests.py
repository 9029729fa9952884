"""`flask requests …`: look into what was asked of ``/v1``, and refund it."""

from datetime import timedelta
from typing import Any

import click

from app.cli.dollars import nanos_above_zero
from app.cli.groups import Line, OperatorGroup, print_json
from app.cli.request_telling import facts_of, lines_of
from app.cli.spans import Span
from app.core import clock, ids
from app.core.database import db
from app.core.money import format_usd
from app.domain.accounts import users
from app.domain.accounts.emails import normalise_email
from app.domain.billing.errors import CallUnknown
from app.domain.billing.models import CallState
from app.domain.catalog.selling import find_model
from app.domain.channels.buying import find_channel
from app.domain.payments.refunding import refund_request
from app.domain.usage.call_search import FoundCall, search_calls
from app.domain.usage.dossiers import find_dossier

requests_commands = OperatorGroup("requests", help="Requests to /v1: one row each, with its bill.")


@requests_commands.command("list")
@click.option("--user", "email", help="Only the requests of this email.")
@click.option("--model", help="Only those to this model.")
@click.option("--channel", help="Only those whose last attempt went to this channel.")
@click.option("--failed", is_flag=True, help="Only those that ended badly, whoever caused it.")
@click.option("--since", type=Span(), default="24h", show_default=True,
              help="How far back: minutes, hours or days, such as 30m or 7d.")  # fmt: skip
@click.option("--count", type=click.IntRange(1, 10_000), default=50, show_default=True,
              help="How many of the newest.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_requests(
    email: str | None,
    model: str | None,
    channel: str | None,
    failed: bool,
    since: timedelta,
    count: int,
    as_json: bool,
) -> None:
    """Show the newest requests, newest first: who, what, how it ended, what it cost."""
    session = db.session()
    found = search_calls(
        session,
        since=clock.now() - since,
        count=count,
        user_id=None if email is None else users.by_email(session, normalise_email(email)).id,
        model_id=None if model is None else find_model(session, model).id,
        channel_id=None if channel is None else find_channel(session, channel).id,
        only_failed=failed,
    )
    rows = [_row(each) for each in found]
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("No such request: --since looks further back.", err=True)
    for row in rows:
        outcome = row["reason"] or row["state"]
        head = f"{row['id']}  {row['at'][:19]}  {row['status'] or '-':>3} {outcome:<18}"
        click.echo(f"{head} ${row['charged_usd']:<12} {row['model']}  {row['user']}")


@requests_commands.command("show")
@click.argument("request_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_request(request_id: str, as_json: bool) -> None:
    """Show everything on record of the request ID: who, when, which channels, the arithmetic.

    ID is what `X-Request-Id` said (req_…), or the number by which the books name it.
    """
    dossier = find_dossier(db.session(), call_id=_call_id(request_id))
    if as_json:
        print_json(facts_of(dossier))
        return
    click.echo("\n".join(lines_of(dossier)))


@requests_commands.command("refund")
@click.argument("request_id", metavar="ID")
@click.option("--amount", metavar="USD", help="Only this much of its charge, such as 0.02.")
@click.option("--reason", required=True, type=Line(most_characters=1_000),
              help="Why; it is kept with the transfer.")  # fmt: skip
@click.option("--reference", type=Line(most_characters=100),
              help="Names the occasion: the same one refunds once.")  # fmt: skip
@click.option("--actor", default="operator", show_default=True, help="Who; an email, or a role.")
def refund(
    request_id: str, amount: str | None, reason: str, reference: str | None, actor: str
) -> None:
    """Give back what the request ID was charged, to the buckets that paid: all, or --amount.

    All refunds of a request together never exceed its charge.
    """
    session = db.session()
    call_id = _call_id(request_id)
    given = refund_request(
        session,
        call_id=call_id,
        amount_nanos=None if amount is None else nanos_above_zero(amount, hint="--amount"),
        actor=actor,
        reason=reason,
        reference=reference,
    )
    session.commit()
    split = given.given
    parts = f"${format_usd(split.paid_nanos)} paid, ${format_usd(split.trial_nanos)} trial"
    if not given.is_first:
        click.echo(f"Refunded before: {parts}. Nothing changed.")
        return
    left = f"${format_usd(given.left_nanos)} of its charge may still be refunded."
    click.echo(f"Refunded {ids.request_id(call_id)}: {parts}. {left}")


def _call_id(text: str) -> int:
    """Raises CallUnknown."""
    call_id = int(text) if text.isascii() and text.isdigit() else ids.parse_request_id(text)
    if call_id is None or call_id >> 62:
        raise CallUnknown
    return call_id


def _row(found: FoundCall) -> dict[str, Any]:
    call = found.call
    cost_nanos = call.upstream_cost_nanos
    return {
        "id": ids.request_id(call.id),
        "at": call.started_at.isoformat(),
        "user": found.email,
        "key_id": call.key_id,
        "model": found.model_name,
        "channel": found.channel_name,
        "state": "running" if call.state is CallState.PENDING else call.state.value,
        "status": call.status,
        "reason": call.reason,
        "is_streamed": call.is_streamed,
        "is_estimated": bool(call.is_estimated),
        "charged_usd": format_usd(call.charged_nanos),
        "upstream_cost_usd": None if cost_nanos is None else format_usd(cost_nanos),
        "first_content_ms": call.first_content_ms,
        "duration_ms": call.duration_ms,
    }
