"""Prices as options of a command, and as a line of text."""

from collections.abc import Callable
from typing import Any

import click

from app.core.money import NANOS_PER_USD, format_usd, parse_usd
from app.domain.catalog.errors import NotPriced
from app.domain.catalog.kinds import ModelKind, is_priced
from app.domain.catalog.pricing import MILLION, Prices, PriceSheet
from app.domain.catalog.units import TOKEN_UNITS, Unit

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
        if parse_usd(value) > self._most_usd * NANOS_PER_USD:
            self.fail(f"{value} is above {self._most_usd}, the most a price may be.", param, ctx)
        return str(value)


_TOKENS = UsdPrice(most_usd=1_000_000)
_PICTURE = UsdPrice(most_usd=1_000)
_OPTIONS = (
    click.option("--input", "input_usd", type=_TOKENS, help="Per million input tokens."),
    click.option("--cached-input", "cached_input_usd", type=_TOKENS,
                 help="Per million cached tokens; else they cost what input costs."),
    click.option("--output", "output_usd", type=_TOKENS, help="Per million output tokens."),
    click.option("--per-image", "image_usd", type=_PICTURE, help="Per picture."),
)  # fmt: skip


def price_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command --input, --cached-input, --output and --per-image, in USD."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def sheet_of(kind: ModelKind, usd: dict[str, str | None]) -> PriceSheet:
    """The options as a sheet; a picture model's output is pictures. Raises `NotPriced`."""
    output = Unit.IMAGE_OUTPUT if kind is ModelKind.IMAGE_GENERATION else Unit.OUTPUT
    per_million = {
        Unit.INPUT.value: usd["input_usd"],
        Unit.CACHED_INPUT.value: usd["cached_input_usd"],
        output.value: usd["output_usd"],
    }
    sheet = PriceSheet(
        Prices.from_usd(
            per_million=_given(per_million), per_one=_given({Unit.IMAGE.value: usd["image_usd"]})
        )
    )
    if kind in NEEDED and not is_priced(kind, sheet):
        raise NotPriced(f"A model of kind {kind} needs {NEEDED[kind]}. What is free is priced 0.")
    return sheet


def per_million_usd(prices: Prices) -> dict[str, str]:
    return {unit.value: format_usd(nanos) for unit, nanos in prices.nanos_per_million.items()}


def told(sheet: PriceSheet) -> str:
    """The base prices on one line: tokens per million, everything else per one."""
    parts = [_told(unit, nanos) for unit, nanos in sheet.prices.nanos_per_million.items()]
    tiers = [f"dearer tiers above {tier.above_input_tokens} tokens" for tier in sheet.tiers[:1]]
    return ", ".join(parts + tiers)


def _told(unit: Unit, nanos: int) -> str:
    if unit in TOKEN_UNITS or nanos % MILLION:
        return f"{unit} {format_usd(nanos)}"
    return f"{format_usd(nanos // MILLION)} per {unit}"


def _given(usd: dict[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in usd.items() if text is not None}
