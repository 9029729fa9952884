"""`flask channels cost, costs`: what the channels charge us."""

from typing import Any

import click
from sqlalchemy import select

from app.cli.channel_group import OPERATOR, channels_commands, record_change
from app.cli.groups import print_json
from app.cli.prices import GivenPrices, price_options, usd_facts
from app.core.database import db
from app.domain.audit import AuditAction
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.selling import find_model, price_in_force
from app.domain.catalog.wording import base_prices_text, price_text, unit_price_text
from app.domain.channels import buying
from app.domain.channels.costs import ChannelCost, channel_costs
from app.domain.channels.margins import Shortfall, shortfalls
from app.domain.channels.serving import find_served, set_cost


@channels_commands.command("cost")
@click.argument("name")
@click.argument("model", metavar="SOLD")
@price_options
@click.option("--reason", default="entered by command", show_default=True,
              help="Why; it is kept with the cost.")  # fmt: skip
def set_channel_cost(name: str, model: str, reason: str, prices: GivenPrices) -> None:
    """Record what channel NAME charges us for SOLD from now on, in USD; it replaces the whole cost.

    A sale price in force that is below it is told, and stays.
    """
    session = db.session()
    channel = buying.find_channel(session, name)
    sold = find_model(session, model)
    sheet = prices.sheet(sold.kind)
    version = set_cost(
        session,
        channel_model=find_served(session, channel=channel, sold=model),
        sheet=sheet,
        author=OPERATOR,
        reason=reason,
    )
    record_change(
        channel, action=AuditAction.PRICE_CHANGED, model=model, cost_version_id=version.id
    )
    session.commit()
    click.echo(f"{name} charges for {model} from now on: {base_prices_text(sheet)}.")
    sale = price_in_force(session, sold)
    for shortfall in () if sale is None else shortfalls(PriceSheet.from_json(sale.sheet), sheet):
        click.echo(f"Warning: {_shortfall(shortfall)}", err=True)


@channels_commands.command("costs")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_costs(name: str | None, as_json: bool) -> None:
    """Show what channel NAME, or every channel, charges us now for each model it serves."""
    session = db.session()
    if name is not None:
        buying.find_channel(session, name)
    names = {row.id: row.name for row in session.execute(select(Model.id, Model.name))}
    costs = [cost for found in channel_costs(session).values() for cost in found]
    rows = sorted(
        (cost.channel_name, names[cost.model_id], cost)
        for cost in costs
        if name in (None, cost.channel_name)
    )
    if as_json:
        print_json([_cost(channel, sold, cost) for channel, sold, cost in rows])
        return
    for channel, sold, cost in rows:
        known = "not known" if cost.sheet is None else base_prices_text(cost.sheet)
        click.echo(f"{channel:<24} {sold:<32} {known}")


def _cost(channel: str, sold: str, cost: ChannelCost) -> dict[str, Any]:
    return {
        "channel": channel,
        "is_enabled": cost.is_enabled,
        "model": sold,
        "upstream": cost.upstream_name,
        "is_known": cost.sheet is not None,
        **usd_facts(cost.sheet),
    }


def _shortfall(shortfall: Shortfall) -> str:
    above = shortfall.above_input_tokens
    where = f" above {above} input tokens" if above else ""
    cost = unit_price_text(shortfall.unit, shortfall.cost_nanos)
    if shortfall.sale_nanos is None:
        return f"{cost}{where} is what it costs, and the sale price has none for it."
    sale = price_text(shortfall.unit, shortfall.sale_nanos)
    return f"it costs {cost}{where}, and is sold for {sale}."
