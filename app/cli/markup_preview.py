"""The preview of prices made by a mark-up: every unit with cost, old price, new price, margin."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import click

from app.cli.prices import moment_text, price_or_none, usd_facts
from app.domain.catalog.units import Unit
from app.domain.channels.margins import differences, margins, percent_text
from app.domain.channels.markup_pricing import MarkedUp, MarkupPlan

_ROW = "  {:<20} {:>10} {:>14} {:>14} {:>14} {:>8}"
_HEAD = ("unit", "above", "cost", "old", "new", "margin")


class _Line(NamedTuple):
    """One unit at one tier, in nano-USD per million."""

    unit: Unit
    above_input_tokens: int
    cost_nanos: int
    old_nanos: int | None
    new_nanos: int
    margin: str


def tell_preview(plan: MarkupPlan, *, is_applied: bool) -> None:
    """Print the table, what is passed over and why, and the counts."""
    if plan.changes:
        click.echo(_ROW.format(*_HEAD))
    for change in plan.changes:
        click.echo(
            f"{change.model.name}: cost + {percent_text(Fraction(change.markup))}, {_since(change)}"
        )
        for line in _lines(change):
            click.echo(
                _ROW.format(
                    line.unit.value,
                    line.above_input_tokens or "",
                    price_or_none(line.unit, line.cost_nanos),
                    price_or_none(line.unit, line.old_nanos),
                    price_or_none(line.unit, line.new_nanos),
                    line.margin,
                )
            )
    for why, names in _skipped(plan).items():
        click.echo(f"Skipped, {why}: {', '.join(names)}")
    rises = sum(change.decision.is_rise for change in plan.changes)
    click.echo(
        f"{len(plan.changes)} to change ({rises} rise), {len(plan.unchanged)} priced so already, "
        f"{len(plan.skipped)} skipped."
    )
    if plan.changes:
        click.echo("Written." if is_applied else "Nothing was written: add --apply to do so.")


def preview_facts(plan: MarkupPlan) -> dict[str, Any]:
    """The same for a program to read."""
    return {
        "changes": [
            {
                "model": change.model.name,
                "markup": f"{change.markup:f}",
                "cost": usd_facts(change.cost),
                "old": usd_facts(change.decision.old),
                "new": usd_facts(change.decision.sheet),
                "margins": [
                    {
                        "unit": line.unit.value,
                        "above_input_tokens": line.above_input_tokens,
                        "margin": line.margin,
                    }
                    for line in _lines(change)
                ],
                "effective_at": change.decision.effective_at.isoformat(),
                "is_rise": change.decision.is_rise,
            }
            for change in plan.changes
        ],
        "unchanged": [model.name for model in plan.unchanged],
        "skipped": [{"model": one.model.name, "why": one.why} for one in plan.skipped],
    }


def _lines(change: MarkedUp) -> Iterator[_Line]:
    old = {
        (unit, above): before
        for unit, above, before, _ in differences(change.decision.old, change.decision.sheet)
    }
    for margin in margins(change.decision.sheet, change.cost):
        place = (margin.unit, margin.above_input_tokens)
        yield _Line(
            unit=margin.unit,
            above_input_tokens=margin.above_input_tokens,
            cost_nanos=margin.cost_nanos,
            old_nanos=old.get(place, margin.sale_nanos),
            new_nanos=margin.sale_nanos,
            margin=percent_text(margin.share),
        )


def _since(change: MarkedUp) -> str:
    decision = change.decision
    return f"from {moment_text(decision.effective_at)}" if decision.waits else "at once"


def _skipped(plan: MarkupPlan) -> dict[str, list[str]]:
    by_reason: dict[str, list[str]] = {}
    for skipped in plan.skipped:
        by_reason.setdefault(skipped.why, []).append(skipped.model.name)
    return by_reason
