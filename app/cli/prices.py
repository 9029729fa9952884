"""Prices as options of a command, and as lines of text and JSON."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from functools import wraps
from typing import Any

import click

from app.cli.dollars import HOW_TO_WRITE
from app.core.money import NANOS_PER_USD, InvalidAmount, format_usd, parse_usd
from app.domain.catalog.errors import NotPriced
from app.domain.catalog.kinds import ModelKind, is_priced
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.units import TOKEN_UNITS, Unit
from app.domain.catalog.wording import price_text, prices_text
from app.domain.channels.margins import differences

NEEDED = {
    ModelKind.CHAT: "--input and --output",
    ModelKind.EMBEDDING: "--input",
    ModelKind.IMAGE_GENERATION: "--per-image, or --input and --output",
}
"""What each kind must be given, as `catalog.kinds` demands it."""


class UsdPrice(click.ParamType[str]):
    """Plain decimal dollars. The ceiling catches slips of the hand, and keeps costs in 63 bits."""

    name = "usd"

    def __init__(self, *, most_usd: int) -> None:
        self._most_usd = most_usd

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            nanos = parse_usd(value)
        except InvalidAmount:
            self.fail(f"{str(value)[:40]!r}: {HOW_TO_WRITE}.", param, ctx)
        if nanos > self._most_usd * NANOS_PER_USD:
            self.fail(f"{value} is above {self._most_usd}, the most a price may be.", param, ctx)
        return str(value)


_TOKENS = UsdPrice(most_usd=1_000_000)
_PICTURE = UsdPrice(most_usd=1_000)


class UnitPrice(click.ParamType[tuple[Unit, str]]):
    """``cache_write=3.75``: any unit that has no option of its own."""

    name = "unit=usd"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Unit, str]:
        name, _, usd = str(value).partition("=")
        if name not in tuple(Unit):
            words = ", ".join(unit.value for unit in Unit)
            self.fail(f"{name[:40]!r} is no unit. The units are {words}.", param, ctx)
        unit = Unit(name)
        kind = _TOKENS if unit in TOKEN_UNITS else _PICTURE
        return unit, kind.convert(usd, param, ctx)


_OPTIONS = (
    click.option("--input", "input_usd", type=_TOKENS, help="Per million input tokens."),
    click.option("--cached-input", "cached_input_usd", type=_TOKENS,
                 help="Per million cached tokens; else they cost what input costs."),
    click.option("--output", "output_usd", type=_TOKENS, help="Per million output tokens."),
    click.option("--per-image", "image_usd", type=_PICTURE, help="Per picture."),
    click.option("--unit", "units", type=UnitPrice(), multiple=True, metavar="UNIT=USD",
                 help="Any other unit, such as cache_write=3.75: per million tokens, or per one "
                 "of what is no token. Repeat."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GivenPrices:
    """What was typed, in USD; None where an option was left out."""

    input_usd: str | None
    cached_input_usd: str | None
    output_usd: str | None
    image_usd: str | None
    units: tuple[tuple[Unit, str], ...]

    @property
    def is_empty(self) -> bool:
        return self == GivenPrices(None, None, None, None, ())

    def sheet(self, kind: ModelKind) -> PriceSheet:
        """The sheet of a model of this kind; a picture model's output is pictures.

        Raises `NotPriced`, and `UsageError` for a unit given twice.
        """
        output = Unit.IMAGE_OUTPUT if kind is ModelKind.IMAGE_GENERATION else Unit.OUTPUT
        given = [
            (Unit.INPUT, self.input_usd),
            (Unit.CACHED_INPUT, self.cached_input_usd),
            (output, self.output_usd),
            (Unit.IMAGE, self.image_usd),
            *self.units,
        ]
        usd: dict[Unit, str] = {}
        for unit, text in given:
            if text is None:
                continue
            if unit in usd:
                raise click.UsageError(f"The price of {unit} is given twice.")
            usd[unit] = text
        sheet = PriceSheet(
            Prices.from_usd(
                per_million={unit: text for unit, text in usd.items() if unit in TOKEN_UNITS},
                per_one={unit: text for unit, text in usd.items() if unit not in TOKEN_UNITS},
            )
        )
        if kind in NEEDED and not is_priced(kind, sheet):
            needed = f"A model of kind {kind} needs {NEEDED[kind]}."
            raise NotPriced(f"{needed} What is free is priced 0.")
        return sheet


def price_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command an option for each common price and --unit for all others; it gets them as
    one `GivenPrices`, called `prices`."""

    @wraps(command)
    def run(**values: Any) -> Any:
        given = {field.name: values.pop(field.name) for field in fields(GivenPrices)}
        return command(prices=GivenPrices(**given), **values)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def per_million_usd(prices: Prices) -> dict[str, str]:
    return {unit.value: format_usd(nanos) for unit, nanos in prices.nanos_per_million.items()}


def usd_facts(sheet: PriceSheet | None) -> dict[str, Any]:
    """A sheet as JSON facts: dollars a million of each unit."""
    return {
        "usd_per_million": {} if sheet is None else per_million_usd(sheet.prices),
        "tiers": [
            {
                "above_input_tokens": tier.above_input_tokens,
                "usd_per_million": per_million_usd(tier.prices),
            }
            for tier in (() if sheet is None else sheet.tiers)
        ],
    }


def sheet_lines(sheet: PriceSheet) -> list[str]:
    """The whole sheet: a line for the base, and one a tier."""
    lines = [prices_text(sheet.prices)]
    lines += [
        f"above {tier.above_input_tokens} tokens: {prices_text(tier.prices)}"
        for tier in sheet.tiers
    ]
    return lines


def changes_text(old: PriceSheet | None, new: PriceSheet) -> str:
    """``input 2.5 → 3, output above 272000 20 → 22.5``: only what is priced otherwise."""
    return ", ".join(
        f"{unit}{f' above {above}' if above else ''} "
        f"{price_or_none(unit, before)} → {price_or_none(unit, after)}"
        for unit, above, before, after in differences(old, new)
    )


def price_or_none(unit: Unit, nanos_per_million: int | None) -> str:
    return "-" if nanos_per_million is None else price_text(unit, nanos_per_million)


def moment_text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
