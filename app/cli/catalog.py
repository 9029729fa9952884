"""`flask catalog …`: what is sold, and at which price."""

from typing import Any

import click
from sqlalchemy import select

from app.cli.groups import OperatorGroup, print_json
from app.core import clock
from app.core.database import db
from app.core.money import format_usd
from app.domain.audit import AuditAction, record
from app.domain.catalog import selling
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.units import Unit
from app.services import services

catalog_commands = OperatorGroup("catalog", help="The catalogue: models and their prices.")

_SOLD_KINDS = [ModelKind.CHAT, ModelKind.EMBEDDING, ModelKind.IMAGE_GENERATION]
_PRICE_OPTIONS = (
    click.option("--input", "input_usd", help="USD per million input tokens."),
    click.option("--cached-input", "cached_input_usd", help="USD per million cached tokens."),
    click.option("--output", "output_usd", help="USD per million output tokens."),
    click.option("--per-image", "image_usd", help="USD per picture."),
)


def _price_options(command: Any) -> Any:
    for option in reversed(_PRICE_OPTIONS):
        command = option(command)
    return command


@catalog_commands.command("add")
@click.argument("name", metavar="ID")
@click.option("--provider", required=True, help="Who makes the model.")
@click.option("--kind", type=click.Choice([kind.value for kind in _SOLD_KINDS]), required=True)
@_price_options
@click.option("--max-input", type=click.IntRange(min=1), help="Input window, in tokens.")
@click.option("--max-output", type=click.IntRange(min=1), help="Output maximum, in tokens.")
def add_model(
    name: str,
    provider: str,
    kind: str,
    input_usd: str | None,
    cached_input_usd: str | None,
    output_usd: str | None,
    image_usd: str | None,
    max_input: int | None,
    max_output: int | None,
) -> None:
    """Add the model ID with its price, and publish it."""
    session = db.session()
    model = selling.add_model(
        session,
        selling.NewModel(
            name=name,
            provider=provider,
            kind=ModelKind(kind),
            sheet=_sheet(ModelKind(kind), input_usd, cached_input_usd, output_usd, image_usd),
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
    """Show every model, its price in force, and whether it is sellable."""
    sold = {offer.name for offer in services().offers.sellable()}
    models = db.session.scalars(select(Model).order_by(Model.provider, Model.name))
    rows = [_facts(model, model.name in sold) for model in models]
    rows = [row for row in rows if row["is_sellable"] or not sellable]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        prices = ", ".join(f"{unit} {usd}" for unit, usd in row["usd_per_million"].items())
        state = "sold" if row["is_sellable"] else "not sold"
        click.echo(f"{row['id']:<32} {row['kind']:<20} {state:<9} {prices}")


@catalog_commands.command("price")
@click.argument("name", metavar="ID")
@_price_options
@click.option("--reason", required=True, help="Why; it is kept with the price.")
def set_price(
    name: str,
    input_usd: str | None,
    cached_input_usd: str | None,
    output_usd: str | None,
    image_usd: str | None,
    reason: str,
) -> None:
    """Put a new price of the model ID in force now. Calls under way keep theirs."""
    session = db.session()
    model = selling.find_model(session, name)
    version = selling.set_price(
        session,
        model=model,
        sheet=_sheet(model.kind, input_usd, cached_input_usd, output_usd, image_usd),
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
    click.echo(f"{name} has a new price from now on (version {version.id}).")


def _sheet(
    kind: ModelKind, text: str | None, cached: str | None, output: str | None, image: str | None
) -> PriceSheet:
    """The options as a sheet; a picture model's output is pictures."""
    out = Unit.IMAGE_OUTPUT if kind is ModelKind.IMAGE_GENERATION else Unit.OUTPUT
    per_million = {Unit.INPUT: text, Unit.CACHED_INPUT: cached, out: output}
    return PriceSheet(
        Prices.from_usd(
            per_million={unit.value: usd for unit, usd in per_million.items() if usd is not None},
            per_one={Unit.IMAGE.value: image} if image is not None else {},
        )
    )


def _facts(model: Model, is_sellable: bool) -> dict[str, Any]:
    version = selling.price_in_force(db.session(), model)
    sheet = None if version is None else PriceSheet.from_json(version.sheet)
    prices = {} if sheet is None else sheet.prices.nanos_per_million
    return {
        "id": model.name,
        "provider": model.provider,
        "kind": model.kind.value,
        "is_published": model.is_published,
        "is_sellable": is_sellable,
        "retires_on": None if model.retires_on is None else model.retires_on.isoformat(),
        "usd_per_million": {unit.value: format_usd(nanos) for unit, nanos in prices.items()},
    }
