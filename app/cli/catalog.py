"""`flask catalog …`: what is sold, and at which price."""

from typing import Any

import click
from sqlalchemy import select

from app.cli.groups import OperatorGroup, Text, print_json
from app.cli.prices import per_million_usd, price_options, sheet_of, told
from app.core import clock
from app.core.database import db
from app.domain.audit import AuditAction, record
from app.domain.catalog import selling
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import PriceSheet
from app.services import services

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
    **usd: str | None,
) -> None:
    """Add the model ID, as callers will name it, with its price, and publish it."""
    session = db.session()
    model = selling.add_model(
        session,
        selling.NewModel(
            name=name,
            provider=provider,
            kind=ModelKind(kind),
            sheet=sheet_of(ModelKind(kind), usd),
            max_input_tokens=max_input,
            max_output_tokens=max_output,
        ),
        is_published=True,
        author="operator",
        reason="added by command",
    )
    record(
        session, actor="operator", action=AuditAction.MODEL_CHANGED, details={"model": model.name}
    )
    session.commit()
    click.echo(f"{name} is published. It is sold once a channel serves it: flask channels add …")


@catalog_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--sellable", is_flag=True, help="Only what is sold at this moment.")
def list_models(as_json: bool, sellable: bool) -> None:
    """Show every model, whether it is sold, and its price in force.

    Tokens are priced per million.
    """
    sold = {offer.name for offer in services().offers.sellable()}
    models = db.session.scalars(select(Model).order_by(Model.provider, Model.name))
    listed = [(model, _sheet_in_force(model)) for model in models]
    listed = [(model, sheet) for model, sheet in listed if model.name in sold or not sellable]
    if as_json:
        print_json([_facts(model, sheet, model.name in sold) for model, sheet in listed])
        return
    for model, sheet in listed:
        state = "sold" if model.name in sold else "not sold"
        prices = "no price" if sheet is None else told(sheet)
        click.echo(f"{model.name:<32} {model.kind.value:<20} {state:<9} {prices}")


@catalog_commands.command("price")
@click.argument("name", metavar="ID")
@price_options
@click.option("--reason", required=True, help="Why; it is kept with the price.")
def set_price(name: str, reason: str, **usd: str | None) -> None:
    """Put a new price of the model ID in force now. Calls under way keep theirs.

    It replaces the whole price: what is not given here, tiers too, is not kept.
    """
    session = db.session()
    model = selling.find_model(session, name)
    sheet = sheet_of(model.kind, usd)
    version = selling.set_price(
        session,
        model=model,
        sheet=sheet,
        effective_at=clock.now(),
        author="operator",
        reason=reason,
    )
    record(
        session,
        actor="operator",
        action=AuditAction.PRICE_CHANGED,
        details={"model": name, "price_version_id": version.id},
    )
    session.commit()
    click.echo(f"{name} costs from now on: {told(sheet)} (version {version.id}).")


def _sheet_in_force(model: Model) -> PriceSheet | None:
    version = selling.price_in_force(db.session(), model)
    return None if version is None else PriceSheet.from_json(version.sheet)


def _facts(model: Model, sheet: PriceSheet | None, is_sellable: bool) -> dict[str, Any]:
    tiers = () if sheet is None else sheet.tiers
    return {
        "id": model.name,
        "provider": model.provider,
        "kind": model.kind.value,
        "is_published": model.is_published,
        "is_sellable": is_sellable,
        "retires_on": None if model.retires_on is None else model.retires_on.isoformat(),
        "usd_per_million": {} if sheet is None else per_million_usd(sheet.prices),
        "tiers": [
            {
                "above_input_tokens": tier.above_input_tokens,
                "usd_per_million": per_million_usd(tier.prices),
            }
            for tier in tiers
        ],
    }
