"""`flask catalog price`: one model's fixed price, or many by a mark-up on what they cost."""

from decimal import Decimal
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.groups import print_json
from app.cli.markup_preview import preview_facts, tell_preview
from app.cli.prices import GivenPrices, changes_text, moment_text, price_options, usd_facts
from app.core.database import db
from app.domain import settings
from app.domain.catalog import selling
from app.domain.catalog.errors import SaleBelowCost
from app.domain.catalog.models import Model
from app.domain.catalog.wording import base_prices_text
from app.domain.channels.markup_pricing import MarkupPlan, plan_markup
from app.domain.channels.repricing import Decision, When, set_sale_price
from app.domain.settings.kinds import LARGEST_MARKUP

OPERATOR = "operator"


class Markup(click.ParamType[Decimal]):
    """A share of the cost: ``15%`` or ``0.15``."""

    name = "markup"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        text = str(value)
        number, percent = (text[:-1], 2) if text.endswith("%") else (text, 0)
        is_plain = number.isascii() and number.replace(".", "", 1).isdigit() and len(number) <= 12
        markup = Decimal(number).scaleb(-percent) if is_plain else Decimal(-1)
        if not 0 <= markup <= LARGEST_MARKUP:
            self.fail(f"{text[:40]!r} is no mark-up from 0 to 1000%, such as 15%.", param, ctx)
        return markup


@click.command("price")
@click.argument("name", metavar="[ID]", required=False)
@price_options
@click.option("--markup", type=Markup(), help="Price by this share on top of the cost, e.g. 15%.")
@click.option("--from-cost", is_flag=True, help="Price by the stored mark-ups.")
@click.option("--provider", help="By mark-up: all models of this provider.")
@click.option("--model", "names", multiple=True, metavar="ID",
              help="By mark-up: this model. Repeat.")  # fmt: skip
@click.option("--all", "is_for_all", is_flag=True, help="By mark-up: every model.")
@click.option("--apply", "is_applied", is_flag=True, help="Write what the preview shows.")
@click.option("--remember", is_flag=True,
              help="With --apply: store the mark-up for what it was given for.")  # fmt: skip
@click.option("--now", "is_now", is_flag=True, help="A rise holds at once, without notice.")
@click.option("--below-cost", is_flag=True, help="One model: sell it below its cost.")
@click.option("--reason", help="Why; it is kept with the price.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
def price_command(
    name: str | None,
    markup: Decimal | None,
    from_cost: bool,
    provider: str | None,
    names: tuple[str, ...],
    is_for_all: bool,
    is_applied: bool,
    remember: bool,
    is_now: bool,
    below_cost: bool,
    reason: str | None,
    as_json: bool,
    prices: GivenPrices,
) -> None:
    """Price the model ID, or many models by a mark-up.

    \b
    flask catalog price ID --input 3 --output 12 --reason "they raised it"
    flask catalog price --markup 15% --provider openai
    flask catalog price --from-cost --all --apply

    A rise holds after the setting price_notice_days, anything else at once; calls under way keep
    their price. A fixed price replaces the whole: what is not given, tiers too, is not kept. By
    mark-up the dearest enabled channel's cost counts; it is a preview until --apply.
    """
    when = When.NOW if is_now else When.NOTICE
    by_markup = markup is not None or from_cost
    _check_form(
        is_fixed=name is not None,
        by_markup=by_markup,
        selections=(provider is not None) + bool(names) + is_for_all,
        has_prices=not prices.is_empty,
        below_cost=below_cost,
        only_by_markup=is_applied or remember,
    )
    if name is not None:
        _price_one(
            name, prices, when=when, below_cost=below_cost, reason=reason or "", as_json=as_json
        )
        return
    if markup is not None and from_cost:
        raise click.UsageError("--from-cost takes the stored mark-ups: leave it out with --markup.")
    if remember and (markup is None or not is_applied):
        raise click.UsageError("--remember stores a mark-up: give --markup and --apply with it.")
    session = db.session()
    models = _selected(session, provider=provider, names=names)
    plan = plan_markup(session, models=models, markup=markup, when=when)
    if is_applied:
        why = reason or _reason(markup)
        _apply(session, plan, when=when, reason=why)
        if remember and markup is not None:
            _remember(session, markup, provider=provider, names=names, reason=why)
        session.commit()
    if as_json:
        print_json({"is_applied": is_applied, **preview_facts(plan)})
    else:
        tell_preview(plan, is_applied=is_applied)


def _check_form(
    *,
    is_fixed: bool,
    by_markup: bool,
    selections: int,
    has_prices: bool,
    below_cost: bool,
    only_by_markup: bool,
) -> None:
    """The two forms of the command share nothing but a few options. Raises UsageError."""
    if is_fixed and by_markup:
        raise click.UsageError("By mark-up, name the models by --model ID, --provider or --all.")
    if not is_fixed and not by_markup:
        raise click.UsageError("Give an ID with its prices, or --markup or --from-cost.")
    if is_fixed and (selections or only_by_markup):
        raise click.UsageError("--provider, --model, --all, --apply, --remember: by mark-up only.")
    if by_markup and selections != 1:
        raise click.UsageError("Say for which models: --provider, --model or --all.")
    if by_markup and (has_prices or below_cost):
        raise click.UsageError("A mark-up makes the price; it is never below cost.")


def _price_one(
    name: str, prices: GivenPrices, *, when: When, below_cost: bool, reason: str,
    as_json: bool,
) -> None:  # fmt: skip
    if not reason.strip():
        raise click.UsageError("Say why: --reason is kept with the price.")
    session = db.session()
    model = selling.find_model(session, name)
    sheet = prices.sheet(model.kind)
    try:
        decision = set_sale_price(
            session,
            model=model,
            sheet=sheet,
            when=when,
            allow_below_cost=below_cost,
            author=OPERATOR,
            reason=reason.strip(),
        )
    except SaleBelowCost as error:
        raise click.ClickException(f"{error.message} Sell it so by --below-cost.") from None
    session.commit()
    if as_json:
        print_json({"model": name, "decision": None if decision is None else _facts(decision)})
    else:
        _tell(name, decision)


def _tell(name: str, decision: Decision | None) -> None:
    if decision is None:
        click.echo(f"{name} is priced so already: nothing was changed.")
        return
    for moment in decision.taken_back:
        click.echo(f"The price announced for {moment_text(moment)} is taken back.")
    prices = base_prices_text(decision.sheet)
    if decision.waits:
        click.echo(f"{name} costs from {moment_text(decision.effective_at)} on: {prices}.")
        click.echo(
            f"Until then nothing changes; then {changes_text(decision.old, decision.sheet)}."
        )
    else:
        click.echo(f"{name} costs from now on: {prices}.")
    if decision.is_below_cost:
        click.echo("That is below what an enabled channel charges.")


def _facts(decision: Decision) -> dict[str, Any]:
    return {
        "old": usd_facts(decision.old),
        "new": usd_facts(decision.sheet),
        "effective_at": decision.effective_at.isoformat(),
        "is_rise": decision.is_rise,
        "is_below_cost": decision.is_below_cost,
        "taken_back": [moment.isoformat() for moment in decision.taken_back],
    }


def _selected(session: Session, *, provider: str | None, names: tuple[str, ...]) -> list[Model]:
    if names:
        return [selling.find_model(session, name) for name in dict.fromkeys(names)]
    models = select(Model).order_by(Model.provider, Model.name)
    if provider is not None:
        models = models.where(Model.provider == provider)
    found = list(session.scalars(models))
    if not found:
        raise click.ClickException("There is no such model. `flask catalog list` shows all.")
    return found


def _apply(session: Session, plan: MarkupPlan, *, when: When, reason: str) -> None:
    for change in plan.changes:
        set_sale_price(
            session,
            model=change.model,
            sheet=change.decision.sheet,
            when=when,
            allow_below_cost=False,
            author=OPERATOR,
            reason=reason,
        )


def _remember(
    session: Session, markup: Decimal, *, provider: str | None, names: tuple[str, ...], reason: str
) -> None:
    """Store the mark-up for the provider or the models, else as the default."""
    setting = "model_markups" if names else "provider_markups"
    text = f"{markup:f}"
    if names or provider is not None:
        stored = dict(settings.in_force(session)[setting])
        stored |= dict.fromkeys(names or (str(provider),), markup)
        text = " ".join(f"{name}={share:f}" for name, share in stored.items())
    else:
        setting = "default_markup"
    settings.set_value(session, name=setting, text=text, author=OPERATOR, reason=reason)


def _reason(markup: Decimal | None) -> str:
    return "stored mark-up on cost" if markup is None else f"mark-up of {markup:%} on cost"
