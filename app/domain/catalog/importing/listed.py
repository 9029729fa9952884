"""What a price list says of a model, in our words, and why an entry says nothing we can use."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.catalog.kinds import SERVED_KINDS, Ability, is_priced
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.selling import FACTS

LONGEST_NAME = 128
LONGEST_PROVIDER = 64
LARGEST_LIMIT_TOKENS = 100_000_000

_VISIBLE = re.compile(r"[!-~]+")


class SkipReason(StrEnum):
    """Why an entry is passed over."""

    BROKEN = "not readable"
    OTHER_KIND = "of a kind we do not know"
    NOT_PRICED = "without the prices its kind is billed in"
    FREE = "priced at 0: add it by hand where that is meant"
    WITHDRAWN = "no longer served by its provider"
    REPEATED = "named by another entry already"
    OTHER_PROVIDER = "in the catalogue under another provider"


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that was passed over, by its name and provider in the file."""

    key: str
    provider: str
    reason: SkipReason
    detail: str = ""


class Unusable(Exception):
    """Raised while an entry is read; becomes its `Skipped`."""

    def __init__(self, reason: SkipReason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel(NewModel):
    """One usable entry. `key` is its name in the file; `sheet` holds list prices: what the
    provider charges. A limit or date is None where the list states none, and an ability is in
    neither set."""

    key: str
    abilities: frozenset[Ability] = frozenset()
    lacks: frozenset[Ability] = frozenset()

    def facts(self, *, known_abilities: Iterable[str]) -> dict[str, Any]:
        """What the list states, by the model's columns. What it leaves out is not stated: an
        ability that is known already stays, unless the list denies it."""
        stated = {name: getattr(self, name) for name in FACTS}
        stated["abilities"] = sorted((set(known_abilities) | self.abilities) - self.lacks)
        return {name: value for name, value in stated.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a file before it is read; `read` raises `Unusable`."""

    key: str
    provider: str
    read: Callable[[], ListedModel]


@dataclass(frozen=True, slots=True)
class PriceList:
    """A file as read: usable entries in its order, and the others."""

    models: tuple[ListedModel, ...]
    skipped: tuple[Skipped, ...]


def checked(model: ListedModel) -> ListedModel:
    """The entry, where it may be sold under its name and prices. Raises `Unusable`."""
    for text, longest in ((model.name, LONGEST_NAME), (model.provider, LONGEST_PROVIDER)):
        if len(text) > longest or not _VISIBLE.fullmatch(text):
            raise Unusable(SkipReason.BROKEN, "its name or provider is no visible ASCII text")
    if not _VISIBLE.fullmatch(model.key):  # told to the operator where the entry is passed over
        raise Unusable(SkipReason.BROKEN, "its key is no visible ASCII text")
    if not is_priced(model.kind, model.sheet):
        raise Unusable(SkipReason.NOT_PRICED)
    if model.kind in SERVED_KINDS and _is_free(model.sheet):
        raise Unusable(SkipReason.FREE)
    return model


def text_of(value: Any, name: str) -> str:
    """A member that must be text. Raises `Unusable`."""
    if not isinstance(value, str) or not value:
        raise Unusable(SkipReason.BROKEN, f"{name} is no text")
    return value


def object_of(value: Any, name: str) -> Mapping[str, Any]:
    """A member that must be an object. Raises `Unusable`."""
    if not isinstance(value, dict):
        raise Unusable(SkipReason.BROKEN, f"{name} is no object")
    return value


def _is_free(sheet: PriceSheet) -> bool:
    parts = [sheet.prices, *(tier.prices for tier in sheet.tiers)]
    return not any(nanos for prices in parts for nanos in prices.nanos_per_million.values())
