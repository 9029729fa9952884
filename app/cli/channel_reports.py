"""`flask channels models, test, health`: asking a provider, and looking back."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.breaker_words import STANDING
from app.cli.channel_group import (
    channels_commands,
    provider_of,
    sealed_shut,
)
from app.cli.groups import print_json
from app.core import clock
from app.core.crypto import SealBroken
from app.core.database import db
from app.core.money import format_usd
from app.domain.catalog.models import Model
from app.domain.catalog.selling import find_model
from app.domain.channels import buying
from app.domain.channels.matching import sold_models_among, sold_names
from app.domain.channels.models import BreakerTurn, Channel, ChannelModel
from app.domain.channels.offers import route_of
from app.domain.channels.serving import find_served
from app.domain.channels.states import breaker_states
from app.domain.usage.channel_figures import ChannelFigures, channel_figures
from app.gateway import PROBES, ProbeResult, list_models, probe_channel
from app.services import services

_HOURS_MAX = 24 * 92
_SHOWN_TROUBLES = 3
_FIGURES = "{:<16} {:<28} {:>6} {:>6} {:>8} {:>8} {:>13}  {}"


@channels_commands.command("models")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_provider_models(name: str, as_json: bool) -> None:
    """Ask the provider of channel NAME which models it has, and show which of them we serve."""
    session = db.session()
    channel = buying.find_channel(session, name)
    serving = _serving(session, channel)
    provider = provider_of(channel)
    session.rollback()  # No transaction stays open while a provider is asked.
    listed = list_models(services().gateway.pool, provider)
    sold = sold_names(sold_models_among(session, listed))
    served = sold_names(serving)
    rows = [
        {"id": each, "served_as": served.get(each, []), "sold_as": sold.get(each, [])}
        for each in listed
    ]
    missing = sorted(set(serving.values()) - set(listed))
    if as_json:
        print_json({"models": rows, "served_but_not_listed": missing})
        return
    for row in rows:
        click.echo(f"{row['id']:<48} {_standing(row)}".rstrip())
    for upstream in missing:
        click.echo(f"{upstream:<48} served, and not in the provider's list")


@channels_commands.command("test")
@click.argument("name")
@click.option("--model", "models", multiple=True, metavar="SOLD",
              help="Which model it serves; else the first that can be tried. Repeat.")  # fmt: skip
@click.option("--all", "tests_all", is_flag=True, help="Every model it serves.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test_channel(name: str, models: tuple[str, ...], tests_all: bool, as_json: bool) -> None:
    """Send a tiny request through channel NAME, enabled or not; exit 1 when it fails.

    It costs a fraction of a cent at the provider; nobody is billed. Pictures are not tried.
    """
    session = db.session()
    channel = buying.find_channel(session, name)
    chosen = _to_test(session, channel, models, tests_all=tests_all)
    try:
        routes = [(model, route_of(channel, served, sealer=services().sealer))
                  for model, served in chosen]  # fmt: skip
    except SealBroken:
        raise click.ClickException(sealed_shut(channel)) from None
    asked = [(model.name, model.kind, route) for model, route in routes]
    session.rollback()
    results = [
        (sold, probe_channel(services().gateway, route, kind=kind, model_name=sold))
        for sold, kind, route in asked
    ]
    if as_json:
        print_json([_result(sold, result) for sold, result in results])
    else:
        for sold, result in results:
            reply = f" {result.text!r}" if result.text else ""
            state = "ok" if result.is_ok else "failed"
            click.echo(f"{sold:<32} {state:<7} {result.latency_ms:>6} ms  {result.sentence}{reply}")
    if not all(result.is_ok for _, result in results):
        click.get_current_context().exit(1)


@channels_commands.command("health")
@click.option("--hours", type=click.IntRange(1, _HOURS_MAX), default=24, show_default=True,
              help="How far to look back.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_health(hours: int, as_json: bool) -> None:
    """Show how each channel served each model, and whether it serves, rests or is tried now.

    A model rests on a channel after failures there; calls go to the other channels.
    """
    session = db.session()
    figures = channel_figures(session, since=clock.now() - timedelta(hours=hours))
    turns = {
        (view.channel_name, view.model_name): view.state.turn.value
        for view in breaker_states(session)
    }
    if as_json:
        print_json([_figures(row, turns) for row in figures])
        return
    if not figures:
        click.echo(f"No call in the last {hours} h.")
        return
    click.echo(_FIGURES.format("channel", "model", "calls", "ok", "median", "p95", "margin", ""))
    for row in figures:
        click.echo(_figures_line(row, turns))
        troubles = (row.failures + row.moved_on).most_common(_SHOWN_TROUBLES)
        if troubles:
            click.echo(f"    {_and([f'{count} × {word}' for word, count in troubles])}")


def _serving(session: Session, channel: Channel) -> dict[str, str]:
    """Our name to the name there."""
    names = {row.id: row.name for row in session.execute(select(Model.id, Model.name))}
    return {names[row.model_id]: row.upstream_name for row in channel.models if row.is_served}


def _standing(row: dict[str, Any]) -> str:
    if row["served_as"]:
        return "served" + (
            "" if row["served_as"] == [row["id"]] else f" as {_and(row['served_as'])}"
        )
    return f"sold as {_and(row['sold_as'])}, not served" if row["sold_as"] else ""


def _and(names: Collection[str]) -> str:
    return ", ".join(names)


def _to_test(
    session: Session, channel: Channel, names: tuple[str, ...], *, tests_all: bool
) -> list[tuple[Model, ChannelModel]]:
    """What to try, in the order of the names. Raises `ModelUnknown`, `ModelNotServed`."""
    if names:
        chosen = [
            (find_model(session, each), find_served(session, channel=channel, sold=each))
            for each in names
        ]
        untried = [model.name for model, _ in chosen if model.kind not in PROBES]
        if untried:
            raise click.ClickException(f"{untried[0]} makes what would cost more: it is not tried.")
        return chosen
    served = {row.model_id: row for row in channel.models if row.is_served}
    models = session.scalars(
        select(Model)
        .where(Model.id.in_(served), Model.kind.in_(PROBES))
        .order_by(Model.kind, Model.name)
    ).all()
    if not models:
        raise click.ClickException(f"{channel.name} serves nothing that can be tried.")
    return [(model, served[model.id]) for model in (models if tests_all else models[:1])]


def _result(sold: str, result: ProbeResult) -> dict[str, Any]:
    return {
        "model": sold,
        "is_ok": result.is_ok,
        "status": result.status,
        "latency_ms": result.latency_ms,
        "reply": result.text,
        "sort": None if result.sort is None else result.sort.value,
        "word": result.word,
        "sentence": result.sentence,
    }


def _figures(row: ChannelFigures, turns: dict[tuple[str, str], str]) -> dict[str, Any]:
    return {
        "channel": row.channel_name,
        "model": row.model_name,
        "calls": row.calls,
        "succeeded": row.succeeded,
        "failures": dict(row.failures),
        "moved_on": dict(row.moved_on),
        "median_first_content_ms": row.median_first_content_ms,
        "p95_first_content_ms": row.p95_first_content_ms,
        "sale_usd": format_usd(row.sale_nanos),
        "cost_usd": format_usd(row.cost_nanos) if row.costed_calls else None,
        "costed_calls": row.costed_calls,
        "margin_usd": format_usd(row.margin_nanos) if row.costed_calls else None,
        "breaker": turns.get((row.channel_name, row.model_name), "closed"),
    }


def _figures_line(row: ChannelFigures, turns: dict[tuple[str, str], str]) -> str:
    speeds = (
        "-" if ms is None else f"{ms} ms"
        for ms in (row.median_first_content_ms, row.p95_first_content_ms)
    )
    margin = f"${format_usd(row.margin_nanos)}" if row.costed_calls else "-"
    turn = BreakerTurn(turns.get((row.channel_name, row.model_name), BreakerTurn.CLOSED))
    told = _FIGURES.format(
        row.channel_name,
        row.model_name,
        row.attempts,
        row.succeeded,
        *speeds,
        margin,
        STANDING[turn],
    )
    return told.rstrip()
