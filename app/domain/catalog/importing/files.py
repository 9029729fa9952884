"""A price list's bytes: bounded, decoded exactly, and handed to the reader of its format."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.catalog.errors import InvalidPriceList
from app.domain.catalog.importing import litellm, models_dev
from app.domain.catalog.importing.listed import (
    Entry,
    PriceList,
    Skipped,
    SkipReason,
    Unusable,
    checked,
)
from app.domain.catalog.importing.numbers import read_number
from app.domain.catalog.pricing import InvalidPriceSheet

LARGEST_BYTES = 64 * 1024 * 1024
LONGEST_SHOWN = 200


class ListFormat(StrEnum):
    LITELLM = "litellm"
    MODELS_DEV = "models.dev"


@dataclass(frozen=True, slots=True)
class _FormatRow:
    """`fits` looks at one top-level value; `entries` walks through the document."""

    format: ListFormat
    fits: Callable[[Any], bool]
    entries: Callable[[dict[str, Any]], Iterator[Entry]]


_ROWS = (
    _FormatRow(ListFormat.MODELS_DEV, models_dev.fits, models_dev.entries),
    _FormatRow(ListFormat.LITELLM, litellm.fits, litellm.entries),
)


def read_price_list(content: bytes, *, list_format: ListFormat | None = None) -> PriceList:
    """Read a price list; its format is seen from its shape where none is named.

    A broken entry is passed over, never the file. Raises `InvalidPriceList` for a file that is too
    large, no JSON, or of neither shape.
    """
    document = _decode(content)
    row = _row(document, list_format)
    return _collect(row.entries(document))


def _decode(content: bytes) -> dict[str, Any]:
    if len(content) > LARGEST_BYTES:
        raise InvalidPriceList(f"The file is larger than {LARGEST_BYTES // 1024**2} MiB.")
    try:
        document = json.loads(
            content, parse_float=read_number, parse_int=read_number, parse_constant=read_number
        )
    except (ValueError, RecursionError) as error:
        raise InvalidPriceList("The file is not valid JSON.") from error
    if not isinstance(document, dict) or not document:
        raise InvalidPriceList
    return document


def _row(document: dict[str, Any], list_format: ListFormat | None) -> _FormatRow:
    for row in _ROWS:
        is_wanted = list_format is None or row.format is list_format
        if is_wanted and any(row.fits(value) for value in document.values()):
            return row
    raise InvalidPriceList


def _collect(entries: Iterable[Entry]) -> PriceList:
    models, skipped = [], []
    for entry in entries:
        try:
            models.append(checked(entry.read()))
        except Unusable as unusable:
            skipped.append(_skipped(entry, unusable.reason, unusable.detail))
        except InvalidPriceSheet:
            skipped.append(_skipped(entry, SkipReason.BROKEN, "its tiers"))
    return PriceList(tuple(models), tuple(skipped))


def _skipped(entry: Entry, reason: SkipReason, detail: str) -> Skipped:
    return Skipped(_printable(entry.key), _printable(entry.provider), reason, _printable(detail))


def _printable(text: str) -> str:
    """A stranger's text for a terminal: short, and without characters that steer it."""
    shown = text[:LONGEST_SHOWN]
    return "".join(character if character.isprintable() else "?" for character in shown)
