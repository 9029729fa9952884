"""Languages: which there are, how one is chosen, and whether its catalogue is complete.

English is the source and has no catalogue. Compiled catalogues (``.mo``) are built from the ``.po``
files and never committed: `compile_catalogues` builds what is stale.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask_babel import force_locale
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header


@dataclass(frozen=True)
class LocaleRow:
    """One language. `tag` stands in addresses and in the database; `catalogue` is None for the
    source. Moments are shown in `time_zone`, named beside them as `zone_name`; both zones know no
    summer time. `date_pattern` is CLDR's, for a date in figures or short words.
    """

    tag: str
    babel_name: str
    catalogue: str | None
    hreflang: str
    own_name: str
    time_zone: str
    zone_name: str
    date_pattern: str

    @cached_property
    def locale(self) -> Locale:
        return Locale.parse(self.babel_name)


LOCALES: tuple[LocaleRow, ...] = (
    LocaleRow(
        tag="vi-VN",
        babel_name="vi_VN",
        catalogue="vi",
        hreflang="vi",
        own_name="Tiếng Việt",
        time_zone="Asia/Ho_Chi_Minh",
        zone_name="GMT+7",
        date_pattern="dd/MM/y",
    ),
    LocaleRow(
        tag="en-US",
        babel_name="en_US",
        catalogue=None,
        hreflang="en",
        own_name="English",
        time_zone="UTC",
        zone_name="UTC",
        date_pattern="MMM d, y",
    ),
)

_BY_TAG = {row.tag: row for row in LOCALES}


def N_(message: str) -> str:  # noqa: N802 - the name that message extractors know
    """Mark a message that stands in a table; whoever shows it passes it through `gettext`."""
    return message


def locale_for(tag: str) -> LocaleRow:
    """The language of an exact tag such as ``vi-VN``. Raises KeyError for any other text."""
    return _BY_TAG[tag]


def is_language(tag: str | None) -> bool:
    return tag in _BY_TAG


def choose_language(*, chosen: str | None, accept_language: str | None, default: str) -> str:
    """The tag for a visitor: what they chose (a cookie), else their browser's wish, else `default`.

    Anything may stand in a cookie, so an unknown tag counts as no choice. A wish for a language
    without region, or of another region (``en-GB``), finds ours.
    """
    if chosen is not None and chosen in _BY_TAG:
        return chosen
    for wish, quality in parse_accept_header(accept_language, LanguageAccept):
        if quality > 0 and (tag := _tag_for(wish)) is not None:
            return tag
    return default


def _tag_for(wish: str) -> str | None:
    """Our tag for a language tag of a browser: the same, else the same language elsewhere."""
    folded = wish.lower().replace("_", "-")
    exact = (tag for tag in _BY_TAG if tag.lower() == folded)
    language = folded.partition("-")[0]
    kindred = (tag for tag in _BY_TAG if tag.partition("-")[0] == language)
    return next(exact, None) or next(kindred, None)


@contextmanager
def in_language(tag: str) -> Iterator[LocaleRow]:
    """Within the block messages and formats are those of `tag`. Needs an app context only."""
    row = locale_for(tag)
    with force_locale(row.babel_name):
        yield row


class Fault(StrEnum):
    """Why a catalogue is not fit to be shown."""

    NO_CATALOGUE = "no catalogue"
    FUZZY = "fuzzy"
    MISSING = "missing"
    PLACEHOLDERS = "placeholders differ"


@dataclass(frozen=True, slots=True)
class CatalogueFault:
    catalogue: str
    fault: Fault
    message: str

    def __str__(self) -> str:
        return f"{self.catalogue}: {self.fault}: {self.message}"


def catalogue_faults(folder: Path, *, domain: str = "messages") -> list[CatalogueFault]:
    """What is wrong with the catalogues in `folder`; an empty list is a clean bill.

    A fuzzy header counts: compilers skip such a catalogue and still report success.
    """
    return [
        fault
        for row in LOCALES
        if row.catalogue is not None
        for fault in _faults_of(_po_path(folder, row.catalogue, domain), row.catalogue)
    ]


def compile_catalogues(folder: Path) -> list[Path]:
    """Build each ``.mo`` that is missing or older than its ``.po``; return those built.

    Each is written beside its place and moved in, so that processes starting together agree.
    """
    stale = [path for path in sorted(folder.glob("*/LC_MESSAGES/*.po")) if _is_stale(path)]
    for path in stale:
        built = path.with_name(f"{path.stem}.{os.getpid()}.new")
        with built.open("wb") as file:
            write_mo(file, read_catalogue(path))
        built.replace(path.with_suffix(".mo"))
    return [path.with_suffix(".mo") for path in stale]


def read_catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def _po_path(folder: Path, catalogue: str, domain: str) -> Path:
    return folder / catalogue / "LC_MESSAGES" / f"{domain}.po"


def _is_stale(path: Path) -> bool:
    built = path.with_suffix(".mo")
    return not built.exists() or built.stat().st_mtime_ns < path.stat().st_mtime_ns


def _faults_of(path: Path, name: str) -> Iterator[CatalogueFault]:
    if not path.exists():
        yield CatalogueFault(name, Fault.NO_CATALOGUE, path.name)
        return
    catalogue = read_catalogue(path)
    if catalogue.fuzzy:
        yield CatalogueFault(name, Fault.FUZZY, "the header")
    for message in catalogue:
        fault = _fault_of(message) if message.id else None
        if fault is not None:
            yield CatalogueFault(name, fault, _texts(message.id)[0])


def _fault_of(message: Message) -> Fault | None:
    if message.fuzzy:
        return Fault.FUZZY
    translated = _texts(message.string)
    if not all(translated):
        return Fault.MISSING
    wanted = set().union(*(_placeholders(text) for text in _texts(message.id)))
    found = set().union(*(_placeholders(text) for text in translated))
    return None if wanted == found else Fault.PLACEHOLDERS


_PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sd]")


def _placeholders(text: str) -> set[str]:
    return set(_PLACEHOLDER.findall(text))


def _texts(value: "str | list[str] | tuple[str, ...] | None") -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ("",))
