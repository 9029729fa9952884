"""`flask catalog show` and `history`: one model with everything that is known of it."""

from datetime import datetime
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy.orm import Session

from app.cli.groups import print_json
from app.cli.prices import changes_text, moment_text, sheet_lines, usd_facts
from app.core import clock
from app.core.database import db
from app.domain.catalog import selling
from app.domain.catalog.kinds import SERVED_KINDS
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.timelines import PricePoint, Timeline, timeline_of
from app.domain.catalog.wording import base_prices_text
from app.domain.channels.costs import ChannelCost, channel_costs
from app.domain.channels.margins import Margin, margins, percent_text
from app.services import services

SHOWN_VERSIONS = 5


@click.command("show")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
def show_command(name: str, as_json: bool) -> None:
    """Show the model ID: facts, price, what is announced, channels with cost and margin."""
    session = db.session()
    model = selling.find_model(session, name)
    timeline = timeline_of(session, model)
    costs = channel_costs(session, model_ids=[model.id]).get(model.id, [])
    facts = _model_facts(session, model)
    if as_json:
        print_json(
            {
                **facts,
                "prices": [_version_facts(point, timeline) for point in timeline.points],
                "channels": [_cost_facts(cost, timeline) for cost in costs],
            }
        )
        return
    _tell_facts(facts)
    _tell_prices(name, timeline)
    _tell_channels(costs, timeline)


@click.command("history")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
def history_command(name: str, as_json: bool) -> None:
    """Show every price of the model ID, newest first, with who set it and why."""
    session = db.session()
    timeline = timeline_of(session, selling.find_model(session, name))
    if as_json:
        print_json([_version_facts(point, timeline) for point in reversed(timeline.points)])
        return
    _tell_versions(timeline, count=len(timeline.points))


def _model_facts(session: Session, model: Model) -> dict[str, Any]:
    sold = {offer.name for offer in services().offers.sellable()}
    replacement = session.get(Model, model.replacement_id) if model.replacement_id else None
    return {
        "id": model.name,
        "provider": model.provider,
        "kind": model.kind.value,
        "is_published": model.is_published,
        "is_sellable": model.name in sold,
        "not_sold_because": [] if model.name in sold else _obstacles(session, model),
        "allows_trial": model.allows_trial,
        "abilities": model.abilities,
        "max_input_tokens": model.max_input_tokens,
        "max_output_tokens": model.max_output_tokens,
        "max_tokens_per_input_image": model.max_tokens_per_input_image,
        "max_tokens_per_output_image": model.max_tokens_per_output_image,
        "embedding_size": model.embedding_size,
        "retires_on": None if model.retires_on is None else model.retires_on.isoformat(),
        "replacement": None if replacement is None else replacement.name,
        "added_at": model.created_at.isoformat(),
    }


def _obstacles(session: Session, model: Model) -> list[str]:
    """Each thing that must change before it can be sold, in the operator's words."""
    serving = channel_costs(session, model_ids=[model.id]).get(model.id, [])
    enabled = [cost.channel_name for cost in serving if cost.is_enabled]
    obstacles = (
        (not model.is_published, "it is not published"),
        (model.kind not in SERVED_KINDS, f"{model.kind} is not served yet"),
        (model.retires_on is not None and model.retires_on <= clock.now().date(), "it is retired"),
        (selling.price_in_force(session, model) is None, "it has no price"),
        (not serving, "no channel serves it"),
        (bool(serving) and not enabled, "every channel that serves it is disabled"),
    )
    found = [why for is_so, why in obstacles if is_so]
    return found or [f"SEALING_KEYS no longer open the key of {', '.join(enabled)}"]


def _tell_facts(facts: dict[str, Any]) -> None:
    click.echo(facts["id"])
    for name, value in facts.items():
        if name != "id" and value not in (None, []):
            click.echo(f"  {name.replace('_', ' '):<28} {_plain(value)}")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _tell_prices(name: str, timeline: Timeline) -> None:
    now = clock.now()
    present = timeline.in_force(now)
    if present is None:
        click.echo("No price.")
    else:
        click.echo(f"Price since {moment_text(present.effective_at)}, tokens per million:")
        for line in sheet_lines(present.sheet):
            click.echo(f"  {line}")
    before = None if present is None else present.sheet
    for change in timeline.changes(now):
        changed = changes_text(before, change.sheet)
        click.echo(f"Announced from {moment_text(change.effective_at)}: {changed}")
        before = change.sheet
    click.echo("History, newest first:")
    _tell_versions(timeline, count=SHOWN_VERSIONS)
    if len(timeline.points) > SHOWN_VERSIONS:
        click.echo(f"  and earlier ones: flask catalog history {name}")


def _tell_versions(timeline: Timeline, *, count: int) -> None:
    for point in tuple(reversed(timeline.points))[:count]:
        click.echo(
            f"  {moment_text(point.effective_at)}  {base_prices_text(point.sheet)}"
            f"  {point.author}: {point.reason}{_standing(point, timeline)}"
        )


def _standing(point: PricePoint, timeline: Timeline) -> str:
    now = clock.now()
    if point == timeline.in_force(now):
        return " (in force)"
    if point.effective_at <= now:
        return ""
    return " (announced)" if point in timeline.changes(now) else " (taken back)"


def _tell_channels(costs: list[ChannelCost], timeline: Timeline) -> None:
    click.echo("Channels:" if costs else "No channel serves it.")
    for cost in costs:
        state = "enabled" if cost.is_enabled else "disabled"
        price = "cost unknown" if cost.sheet is None else f"cost {base_prices_text(cost.sheet)}"
        click.echo(f"  {cost.channel_name:<24} {state:<9} as {cost.upstream_name}: {price}")
        told = [_margin_text(margin) for margin in _margins(cost, timeline)]
        if told:
            click.echo(f"    margin {', '.join(told)}")


def _margin_text(margin: Margin) -> str:
    tier = f" above {margin.above_input_tokens}" if margin.above_input_tokens else ""
    return f"{margin.unit}{tier} {percent_text(margin.share)}"


def _margins(cost: ChannelCost, timeline: Timeline) -> tuple[Margin, ...]:
    present = timeline.in_force(clock.now())
    if present is None or cost.sheet is None:
        return ()
    return margins(present.sheet, cost.sheet)


def _version_facts(point: PricePoint, timeline: Timeline) -> dict[str, Any]:
    return {
        **usd_facts(point.sheet),
        "effective_at": _iso(point.effective_at),
        "is_in_force": point == timeline.in_force(clock.now()),
        "author": point.author,
        "reason": point.reason,
        "set_at": _iso(point.created_at),
    }


def _cost_facts(cost: ChannelCost, timeline: Timeline) -> dict[str, Any]:
    sheet: PriceSheet | None = cost.sheet
    return {
        "name": cost.channel_name,
        "is_enabled": cost.is_enabled,
        "upstream_name": cost.upstream_name,
        "cost": None if sheet is None else usd_facts(sheet),
        "margins": [
            {
                "unit": margin.unit.value,
                "above_input_tokens": margin.above_input_tokens,
                "margin": percent_text(margin.share),
            }
            for margin in _margins(cost, timeline)
        ],
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat()
