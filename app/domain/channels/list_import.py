"""A price list beside the catalogue: what it would add and change, to be reviewed first.

The list's prices are costs: a new model is sold at list price × (1 + its mark-up). Reads only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import settings
from app.domain.catalog.errors import NotPriced, SaleBelowCost
from app.domain.catalog.importing import ListedModel, PriceList, Skipped, SkipReason
from app.domain.catalog.kinds import SERVED_KINDS
from app.domain.catalog.markups import markup_for, with_markup
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.starting import starting_models
from app.domain.catalog.timelines import NO_PRICES, Timeline, timelines
from app.domain.channels.costs import ChannelCost, channel_costs, dearest_enabled
from app.domain.channels.list_plan import (
    Addition,
    Choices,
    CostChange,
    FactChange,
    ImportPlan,
    PriceChange,
)
from app.domain.channels.models import Channel
from app.domain.channels.repricing import When, decide, notice_of
from app.domain.settings import SettingsView


def plan_import(session: Session, price_list: PriceList, choices: Choices) -> ImportPlan:
    """Compare a list with the catalogue. Writes nothing."""
    catalogue = _Catalogue.read(session)
    wanted = [listed for listed in price_list.models if _is_wanted(listed, choices)]
    pairs, unmatched = _matched(wanted, catalogue)
    known = [(listed, model) for listed, model in pairs if model is not None]
    costs = () if choices.as_cost is None else _cost_changes(wanted, catalogue, choices.as_cost)
    facts = tuple(
        FactChange(model, changes)
        for listed, model in known
        if (changes := _changed_facts(model, listed))
    )
    prices, refused = _price_changes(known, catalogue.after(costs))
    written = prices if choices.sets_prices else ()
    touched = {change.model.name for change in facts} | {change.model.name for change in written}
    touched |= {change.model_name for change in costs}
    return ImportPlan(
        additions=tuple(
            _addition(listed, catalogue, choices) for listed, model in pairs if model is None
        ),
        facts=facts,
        prices=written,
        costs=costs,
        skipped=(*(one for one in price_list.skipped if _may_be_meant(one, choices)), *unmatched),
        refused_prices=refused if choices.sets_prices else (),
        unchanged=len({model.name for _, model in known} - touched),
        other_prices=len(prices) - len(written),
    )


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """What the list is compared with, read once."""

    models: Mapping[str, Model]
    timelines: Mapping[int, Timeline]
    costs: Mapping[int, Sequence[ChannelCost]]
    settings: SettingsView
    notice: timedelta
    makers: frozenset[str]

    @classmethod
    def read(cls, session: Session) -> "_Catalogue":
        models = {model.name: model for model in session.scalars(select(Model))}
        makers = {model.provider for model in models.values()}
        makers |= {model.provider for model in starting_models()}
        return cls(
            models=models,
            makers=frozenset(makers),
            timelines=timelines(session),
            costs=channel_costs(session),
            settings=settings.in_force(session),
            notice=notice_of(session, When.NOTICE),
        )

    def sale_of(self, listed: ListedModel, provider: str) -> PriceSheet:
        """The list price with the mark-up of its model or provider."""
        markup = markup_for(self.settings, model_name=listed.name, provider=provider)
        return with_markup(listed.sheet, markup)

    def after(self, changes: Iterable[CostChange]) -> "_Catalogue":
        """The same with these costs in force."""
        new = {change.channel_model_id: change.new for change in changes}
        costs = {
            model_id: [
                replace(cost, sheet=new.get(cost.channel_model_id, cost.sheet)) for cost in known
            ]
            for model_id, known in self.costs.items()
        }
        return replace(self, costs=costs)


Pairs = list[tuple[ListedModel, Model | None]]


def _matched(wanted: Sequence[ListedModel], catalogue: _Catalogue) -> tuple[Pairs, list[Skipped]]:
    """Each entry with the catalogue's model of its name; and those that cannot be had: a name is
    one model of one provider here, and many in a list, most of them resold."""
    pairs: Pairs = []
    passed: list[Skipped] = []
    chosen = _chosen(wanted, catalogue)
    for listed in wanted:
        model = catalogue.models.get(listed.name)
        if model is not None and model.provider != listed.provider:
            passed.append(_pass(listed, SkipReason.OTHER_PROVIDER, model.provider))
        elif chosen[listed.name] is not listed:
            passed.append(_pass(listed, SkipReason.REPEATED, chosen[listed.name].provider))
        else:
            pairs.append((listed, model))
    return pairs, passed


def _chosen(wanted: Iterable[ListedModel], catalogue: _Catalogue) -> dict[str, ListedModel]:
    """Of several entries of one name: that of the model's own provider, else of a provider that we
    know as a maker, else the one without its provider's prefix, else the first."""
    chosen: dict[str, tuple[tuple[bool, bool, bool], ListedModel]] = {}
    for listed in wanted:
        model = catalogue.models.get(listed.name)
        rank = (
            model is not None and model.provider != listed.provider,
            listed.provider not in catalogue.makers,
            listed.key != listed.name,
        )
        if listed.name not in chosen or rank < chosen[listed.name][0]:
            chosen[listed.name] = (rank, listed)
    return {name: listed for name, (_, listed) in chosen.items()}


def _addition(listed: ListedModel, catalogue: _Catalogue, choices: Choices) -> Addition:
    is_published = choices.publishes and listed.kind in SERVED_KINDS
    return Addition(listed, catalogue.sale_of(listed, listed.provider), is_published)


def _changed_facts(model: Model, listed: ListedModel) -> dict[str, tuple[Any, Any]]:
    return {
        name: (getattr(model, name), value)
        for name, value in listed.facts(known_abilities=model.abilities).items()
        if getattr(model, name) != value
    }


def _price_changes(
    known: Iterable[tuple[ListedModel, Model]], catalogue: _Catalogue
) -> tuple[tuple[PriceChange, ...], tuple[tuple[str, str], ...]]:
    """The decisions that list prices lead to; and, with the reason, those that are refused."""
    changes, refused = [], []
    for listed, model in known:
        try:
            decision = decide(
                model=model,
                timeline=catalogue.timelines.get(model.id, NO_PRICES),
                sheet=catalogue.sale_of(listed, model.provider),
                cost=dearest_enabled(catalogue.costs.get(model.id, ())),
                notice=catalogue.notice,
                allow_below_cost=False,
            )
        except (SaleBelowCost, NotPriced) as error:
            refused.append((model.name, error.message))
            continue
        if decision is not None:
            changes.append(PriceChange(model, decision))
    return tuple(changes), tuple(refused)


def _cost_changes(
    wanted: Sequence[ListedModel], catalogue: _Catalogue, channel: Channel
) -> tuple[CostChange, ...]:
    """For every model that the channel serves, what the list says it costs, where that is news."""
    by_name: dict[str, list[ListedModel]] = {}
    for listed in wanted:
        for name in {listed.key, listed.name}:
            by_name.setdefault(name, []).append(listed)
    changes = []
    for model in catalogue.models.values():
        for cost in catalogue.costs.get(model.id, ()):
            if cost.channel_name != channel.name:
                continue
            found = _listed_for(model, cost.upstream_name, by_name)
            if found is not None and found.sheet != cost.sheet:
                changes.append(
                    CostChange(cost.channel_model_id, model.name, cost.sheet, found.sheet)
                )
    return tuple(changes)


def _listed_for(
    model: Model, upstream_name: str, by_name: Mapping[str, Sequence[ListedModel]]
) -> ListedModel | None:
    """The entry that a channel's model is bought as: of its name there, else of its name here;
    of several that of the model's own provider, else the first."""
    for name in (upstream_name, model.name):
        entries = [entry for entry in by_name.get(name, ()) if entry.kind is model.kind]
        if entries:
            return next((one for one in entries if one.provider == model.provider), entries[0])
    return None


def _is_wanted(listed: ListedModel, choices: Choices) -> bool:
    named = {listed.provider, listed.key.partition("/")[0]}
    is_of_provider = not choices.providers or not named.isdisjoint(choices.providers)
    return is_of_provider and fnmatchcase(listed.name, choices.only)


def _may_be_meant(skipped: Skipped, choices: Choices) -> bool:
    named = {skipped.provider, skipped.key.partition("/")[0]}
    is_of_provider = not choices.providers or not named.isdisjoint(choices.providers)
    names = (skipped.key, skipped.key.removeprefix(f"{skipped.provider}/"))
    return is_of_provider and any(fnmatchcase(name, choices.only) for name in names)


def _pass(listed: ListedModel, reason: SkipReason, detail: str = "") -> Skipped:
    return Skipped(listed.key, listed.provider, reason, detail)
