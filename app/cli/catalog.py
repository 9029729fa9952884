"""`flask catalog …`: what is sold, and at which price."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.catalog_import import import_command
from app.cli.catalog_price import price_command
from app.cli.catalog_show import history_command, show_command
from app.cli.groups import OperatorGroup, Text, print_json
from app.cli.prices import GivenPrices, changes_text, moment_text, price_options, usd_facts
from app.core import clock
from app.core.database import db
from app.domain.audit import AuditAction, record
from app.domain.catalog import selling
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.models import Model
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.timelines import NO_PRICES, PricePoint, timelines
from app.domain.catalog.wording import base_prices_text
from app.domain.channels.costs import channel_costs, dearest_enabled
from app.domain.channels.margins import shortfalls
from app.services import services

OPERATOR = "operator"

catalog_commands = OperatorGroup("catalog", help="The catalogue: models and their prices in USD.")

_SOLD_KINDS = [ModelKind.CHAT, ModelKind.EMBEDDING, ModelKind.IMAGE_GENERATION]
_TOKENS = click.IntRange(min=1, max=100_000_000)


@catalog_commands.command("add")
@click.argument("name", metavar="ID", type=Text(most_characters=128))
@click.option("--provider", required=True, type=Text(most_characters=64), help="Who makes it.")
@click.option("--kind", type=click.Choice([kind.value for kind in _SOLD_KINDS]), required=True,
              help="What it makes.")  # fmt: skip
@price_options
@click.option("--max-input", type=_TOKENS, help="Input window, in tokens.")
@click.option("--max-output", type=_TOKENS, help="Output maximum, in tokens.")
def add_model(
    name: str,
    provider: str,
    kind: str,
    max_input: int | None,
    max_output: int | None,
    prices: GivenPrices,
) -> None:
    """Add the model ID, as callers will name it, with its price, and publish it."""
    session = db.session()
    model = selling.add_model(
        session,
        NewModel(
            name=name,
            provider=provider,
            kind=ModelKind(kind),
            sheet=prices.sheet(ModelKind(kind)),
            max_input_tokens=max_input,
            max_output_tokens=max_output,
        ),
        is_published=True,
        author=OPERATOR,
        reason="added by command",
    )
    record(session, actor=OPERATOR, action=AuditAction.MODEL_CHANGED, details={"model": model.name})
    session.commit()
    click.echo(f"{name} is published. It is sold once a channel serves it: flask channels add …")


@catalog_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--provider", help="Only of this provider.")
@click.option("--kind", type=click.Choice([kind.value for kind in ModelKind]),
              help="Only of this kind.")  # fmt: skip
@click.option("--sellable", is_flag=True, help="Only what is sold at this moment.")
@click.option("--below-cost", is_flag=True, help="Only what an enabled channel charges more for.")
def list_models(
    as_json: bool, provider: str | None, kind: str | None, sellable: bool, below_cost: bool
) -> None:
    """Show every model, whether it is sold, its price in force and what is announced.

    Tokens are priced per million.
    """
    rows = [
        row
        for row in _rows(db.session())
        if (provider is None or row.model.provider == provider)
        and (kind is None or row.model.kind.value == kind)
        and (row.is_sellable or not sellable)
        and (row.is_below_cost or not below_cost)
    ]
    if as_json:
        print_json([_facts(row) for row in rows])
        return
    if not rows:
        click.echo(
            "No such model. The program brings some: flask catalog import --starting", err=True
        )
    for row in rows:
        state = "sold" if row.is_sellable else "not sold"
        prices = "no price" if row.sheet is None else base_prices_text(row.sheet)
        click.echo(f"{row.model.name:<32} {row.model.kind.value:<16} {state:<8} {prices}")
        if row.coming is not None:
            click.echo(f"    {_coming_text(row)}")


@catalog_commands.command("publish")
@click.argument("names", metavar="ID...", nargs=-1, required=True)
def publish_models(names: tuple[str, ...]) -> None:
    """Offer the models ID… for sale; each is sold once an enabled channel serves it."""
    _publish(names, is_published=True)


@catalog_commands.command("unpublish")
@click.argument("names", metavar="ID...", nargs=-1, required=True)
def unpublish_models(names: tuple[str, ...]) -> None:
    """Take the models ID… off sale; calls under way end as they are."""
    _publish(names, is_published=False)


@catalog_commands.command("retire")
@click.argument("name", metavar="ID")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="The first day (UTC) without it.")
@click.option("--replacement", metavar="ID", help="What to call then; shown beside the date.")
@click.option("--never", is_flag=True, help="Forget the date and the replacement.")
def retire_model(name: str, on: datetime | None, replacement: str | None, never: bool) -> None:
    """Say from which day the model ID is no longer sold."""
    if (on is None) != never:
        raise click.UsageError("Give --on YYYY-MM-DD, or --never.")
    session = db.session()
    selling.set_retirement(
        session,
        model=selling.find_model(session, name),
        on=None if on is None else on.date(),
        replacement=None if replacement is None else selling.find_model(session, replacement),
        author=OPERATOR,
    )
    session.commit()
    after = "" if replacement is None else f"; its replacement is {replacement}"
    click.echo(
        f"{name} does not retire." if on is None else f"{name} retires on {on.date()}{after}."
    )


@catalog_commands.command("trial")
@click.argument("name", metavar="ID")
@click.argument("state", type=click.Choice(["on", "off"]))
def set_trial(name: str, state: str) -> None:
    """Let trial keys call the model ID, or not."""
    session = db.session()
    model = selling.find_model(session, name)
    selling.set_allows_trial(session, model=model, allows_trial=state == "on", author=OPERATOR)
    session.commit()
    click.echo(f"Trial keys may {'' if state == 'on' else 'not '}call {name}.")


class _Row(NamedTuple):
    """A model with its price in force and the next announced one."""

    model: Model
    sheet: PriceSheet | None
    coming: PricePoint | None
    is_sellable: bool
    is_below_cost: bool


def _rows(session: Session) -> Iterator[_Row]:
    sold = {offer.name for offer in services().offers.sellable()}
    histories, costs, now = timelines(session), channel_costs(session), clock.now()
    for model in session.scalars(select(Model).order_by(Model.provider, Model.name)):
        history = histories.get(model.id, NO_PRICES)
        present, changes = history.in_force(now), history.changes(now)
        cost = dearest_enabled(costs.get(model.id, ()))
        yield _Row(
            model=model,
            sheet=None if present is None else present.sheet,
            coming=changes[0] if changes else None,
            is_sellable=model.name in sold,
            is_below_cost=present is not None
            and cost is not None
            and bool(shortfalls(present.sheet, cost)),
        )


def _publish(names: tuple[str, ...], *, is_published: bool) -> None:
    session = db.session()
    for name in dict.fromkeys(names):
        model = selling.find_model(session, name)
        selling.set_published(session, model=model, is_published=is_published, author=OPERATOR)
    session.commit()
    for name in dict.fromkeys(names):
        click.echo(f"{name} is {'published' if is_published else 'not published'}.")


def _coming_text(row: _Row) -> str:
    assert row.coming is not None
    changed = changes_text(row.sheet, row.coming.sheet)
    return f"from {moment_text(row.coming.effective_at)}: {changed}"


def _facts(row: _Row) -> dict[str, Any]:
    coming = row.coming
    return {
        "id": row.model.name,
        "provider": row.model.provider,
        "kind": row.model.kind.value,
        "is_published": row.model.is_published,
        "is_sellable": row.is_sellable,
        "is_below_cost": row.is_below_cost,
        "retires_on": None if row.model.retires_on is None else row.model.retires_on.isoformat(),
        **usd_facts(row.sheet),
        "coming": None
        if coming is None
        else {"effective_at": coming.effective_at.isoformat(), **usd_facts(coming.sheet)},
    }


for command in (price_command, show_command, history_command, import_command):
    catalog_commands.add_command(command)
