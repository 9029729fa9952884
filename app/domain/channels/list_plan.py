"""What an import is asked for, and the difference that it would write."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.catalog.importing import ListedModel, Skipped
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import PriceSheet
from app.domain.channels.models import Channel
from app.domain.channels.repricing import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What of the list is wanted. No provider names all; `only` is a pattern such as ``gpt-*``."""

    providers: frozenset[str] = frozenset()
    only: str = "*"
    publishes: bool = False
    sets_prices: bool = False
    as_cost: Channel | None = None


@dataclass(frozen=True, slots=True)
class Addition:
    """A model that the catalogue lacks, with the price it will be sold at."""

    listed: ListedModel
    sale: PriceSheet
    is_published: bool


@dataclass(frozen=True, slots=True)
class FactChange:
    """What the list knows otherwise; each column with its old and new value."""

    model: Model
    changes: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A sale price that is list price × mark-up no more."""

    model: Model
    decision: Decision


@dataclass(frozen=True, slots=True)
class CostChange:
    """What a channel charges otherwise than we knew; `old` is None where nothing was known."""

    channel_model_id: int
    model_name: str
    old: PriceSheet | None
    new: PriceSheet


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """The reviewed difference. `other_prices` counts sale prices that differ and stay;
    `refused_prices` are names with the reason."""

    additions: tuple[Addition, ...]
    facts: tuple[FactChange, ...]
    prices: tuple[PriceChange, ...]
    costs: tuple[CostChange, ...]
    skipped: tuple[Skipped, ...]
    refused_prices: tuple[tuple[str, str], ...]
    unchanged: int
    other_prices: int

    @property
    def is_empty(self) -> bool:
        return not (self.additions or self.facts or self.prices or self.costs)
