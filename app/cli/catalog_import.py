"""`flask catalog import`: a public price list, reviewed as a difference, then written at once."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import click
from flask.cli import with_appcontext

from app.cli.groups import print_json
from app.cli.prices import changes_text, moment_text, usd_facts
from app.core.database import db
from app.domain.catalog.importing import (
    ListFormat,
    PriceList,
    Skipped,
    own_price_list,
    read_price_list,
)
from app.domain.catalog.importing.files import LARGEST_BYTES
from app.domain.catalog.wording import base_prices_text
from app.domain.channels.buying import find_channel
from app.domain.channels.list_import import plan_import
from app.domain.channels.list_plan import (
    Addition,
    Choices,
    CostChange,
    FactChange,
    ImportPlan,
    PriceChange,
)
from app.domain.channels.list_writing import write_import

OPERATOR = "operator"
SHOWN_NAMES = 5


@click.command("import")
@click.argument("file", metavar="[FILE]", type=click.File("rb"), required=False)
@click.option("--starting", "is_starting", is_flag=True,
              help="Instead of a file: the catalogue that the program brings.")  # fmt: skip
@click.option("--format", "format_name", type=click.Choice([one.value for one in ListFormat]),
              help="Else seen from its shape.")  # fmt: skip
@click.option("--provider", "providers", multiple=True, help="Only of this provider. Repeat.")
@click.option("--only", default="*", metavar="GLOB", help="Only names such as 'gpt-*'.")
@click.option("--publish", is_flag=True, help="Publish what is added, of kinds that are served.")
@click.option("--as-cost", "channel_name", metavar="CHANNEL",
              help="The list's prices are what this channel charges.")  # fmt: skip
@click.option("--prices", "sets_prices", is_flag=True,
              help="Set existing prices to list price and mark-up too.")  # fmt: skip
@click.option("--apply", "is_applied", is_flag=True, help="Write what the review shows.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
def import_command(
    file: BinaryIO | None,
    is_starting: bool,
    format_name: str | None,
    providers: tuple[str, ...],
    only: str,
    publish: bool,
    channel_name: str | None,
    sets_prices: bool,
    is_applied: bool,
    as_json: bool,
) -> None:
    """Compare a price list with the catalogue; with --apply take over what it adds and changes.

    FILE is LiteLLM's model_prices_and_context_window.json or the api.json of models.dev ("-" reads
    what is piped in). Its prices are what providers charge: a new model is sold at that and its
    mark-up, and comes unpublished. Prices of models you have stay, unless --prices; then a rise is
    announced as usual, and nothing is sold below cost.
    """
    session = db.session()
    price_list, source = _read(file, is_starting=is_starting, format_name=format_name)
    choices = Choices(
        providers=frozenset(providers),
        only=only,
        publishes=publish,
        sets_prices=sets_prices,
        as_cost=None if channel_name is None else find_channel(session, channel_name),
    )
    plan = plan_import(session, price_list, choices)
    if as_json:  # before it is written: then the models read as they were reviewed
        review = _facts(plan)
    else:
        review = {}
        _tell(plan)
    if is_applied and not plan.is_empty:
        write_import(session, plan, author=OPERATOR, reason=f"imported from {source}")
        session.commit()
    if as_json:
        print_json({"is_applied": is_applied, **review})
    elif not plan.is_empty:
        click.echo("Written." if is_applied else "Nothing was written: add --apply to do so.")


def _read(
    file: BinaryIO | None, *, is_starting: bool, format_name: str | None
) -> tuple[PriceList, str]:
    """The list, and what to call it. Raises `UsageError` where none or two are named."""
    if is_starting == (file is not None):
        raise click.UsageError("Name a FILE, or --starting.")
    if file is None:
        return own_price_list(), "the starting catalogue of October 2026"
    list_format = None if format_name is None else ListFormat(format_name)
    price_list = read_price_list(file.read(LARGEST_BYTES + 1), list_format=list_format)
    return price_list, Path(getattr(file, "name", "a pipe")).name


def _tell(plan: ImportPlan) -> None:
    _section("Added", [_addition_text(addition) for addition in plan.additions])
    _section("Other facts", [_facts_text(change) for change in plan.facts])
    _section("Other prices", [_price_text(change) for change in plan.prices])
    _section("Other costs", [_cost_text(change) for change in plan.costs])
    _section("Prices refused", [f"{name}: {why}" for name, why in plan.refused_prices])
    _section("Skipped", _skipped_texts(plan.skipped))
    click.echo(
        f"{len(plan.additions)} added, {len(plan.facts)} with other facts, "
        f"{len(plan.prices)} with another price, {len(plan.costs)} with another cost, "
        f"{plan.unchanged} unchanged, {len(plan.skipped)} skipped."
    )
    if plan.other_prices:
        click.echo(
            f"{plan.other_prices} sold at another price than list and mark-up; "
            "--prices shows and sets them."
        )


def _section(title: str, lines: list[str]) -> None:
    if lines:
        click.echo(f"{title}:")
    for line in lines:
        click.echo(f"  {line}")


def _addition_text(addition: Addition) -> str:
    listed = addition.listed
    state = "published" if addition.is_published else "unpublished"
    prices = f"cost {base_prices_text(listed.sheet)}; sold at {base_prices_text(addition.sale)}"
    return f"{listed.name} ({listed.provider}, {listed.kind}, {state}): {prices}"


def _facts_text(change: FactChange) -> str:
    parts = [
        f"{name.replace('_', ' ')} {_plain(old)} → {_plain(new)}"
        for name, (old, new) in change.changes.items()
    ]
    return f"{change.model.name}: {'; '.join(parts)}"


def _price_text(change: PriceChange) -> str:
    decision = change.decision
    since = f"from {moment_text(decision.effective_at)}" if decision.waits else "now"
    return f"{change.model.name}: {changes_text(decision.old, decision.sheet)}, {since}"


def _cost_text(change: CostChange) -> str:
    return f"{change.model_name}: {changes_text(change.old, change.new)}"


def _skipped_texts(skipped: Iterable[Skipped]) -> list[str]:
    """Each reason with its count and the first names."""
    by_reason: dict[str, list[str]] = {}
    for one in skipped:
        detail = f" ({one.detail})" if one.detail else ""
        by_reason.setdefault(one.reason.value, []).append(f"{one.key[:80]}{detail}")
    texts = []
    for reason, names in by_reason.items():
        more = f", and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        texts.append(f"{len(names)} {reason}: {', '.join(names[:SHOWN_NAMES])}{more}")
    return texts


def _facts(plan: ImportPlan) -> dict[str, Any]:
    return {
        "added": [
            {
                "id": addition.listed.name,
                "provider": addition.listed.provider,
                "kind": addition.listed.kind.value,
                "is_published": addition.is_published,
                "cost": usd_facts(addition.listed.sheet),
                "sale": usd_facts(addition.sale),
            }
            for addition in plan.additions
        ],
        "facts": [
            {
                "id": change.model.name,
                "changes": {
                    name: [_plain(old), _plain(new)] for name, (old, new) in change.changes.items()
                },
            }
            for change in plan.facts
        ],
        "prices": [
            {
                "id": change.model.name,
                "old": usd_facts(change.decision.old),
                "new": usd_facts(change.decision.sheet),
                "effective_at": change.decision.effective_at.isoformat(),
                "is_rise": change.decision.is_rise,
            }
            for change in plan.prices
        ],
        "costs": [
            {
                "id": change.model_name,
                "old": None if change.old is None else usd_facts(change.old),
                "new": usd_facts(change.new),
            }
            for change in plan.costs
        ],
        "refused_prices": [{"id": name, "why": why} for name, why in plan.refused_prices],
        "unchanged": plan.unchanged,
        "other_prices": plan.other_prices,
        "skipped_by_reason": dict(Counter(one.reason.value for one in plan.skipped)),
        "skipped": [
            {"entry": one.key, "reason": one.reason.value, "detail": one.detail}
            for one in plan.skipped
        ],
    }


def _plain(value: Any) -> Any:
    if value is None:
        return "unstated"
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)
