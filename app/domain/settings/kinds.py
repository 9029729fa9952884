"""The kinds of value a business setting may have: how a person writes one, and what code reads.

A kind reads what was typed into plain JSON data, which is stored, and turns that into the value
that code works with. So the stored form never depends on Python.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from app.core.i18n import LOCALES
from app.core.money import InvalidAmount, format_usd, parse_usd

CURRENCIES = ("USD", "VND", "CNY")
LARGEST_COUNT = 1_000_000_000
LARGEST_MARKUP = Decimal(10)
LARGEST_NOTICE_DAYS = 3650

_EMAIL = re.compile(r"[!-?A-~]+@[a-z0-9-]+(\.[a-z0-9-]+)*")
_SOLD_NAME = re.compile(r"[!-~]{1,128}")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


@dataclass(frozen=True, slots=True)
class SettingKind:
    """`wanted` tells a person what to write. `read` raises ValueError (or InvalidAmount)."""

    wanted: str
    read: Callable[[str], Any]
    value: Callable[[Any], Any] = lambda stored: stored


def _read_usd(text: str) -> str:
    try:
        return format_usd(parse_usd(text))
    except InvalidAmount as error:
        raise ValueError(error.message) from None


def _read_decimal(text: str, *, least: Decimal, most: Decimal) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("not a decimal number") from None
    if not number.is_finite() or not least <= number <= most or "e" in text.lower():
        raise ValueError("out of range")
    return text


def _read_count(text: str, *, most: int = LARGEST_COUNT) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > most:
        raise ValueError("not a count")
    return int(text)


def _read_flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("not true or false")
    return text == "true"


def _read_domains(text: str) -> list[str]:
    names = [name.strip().lower().rstrip(".") for name in text.split(",") if name.strip()]
    for name in names:
        if not _DOMAIN.fullmatch(name):
            raise ValueError(f"{name!r} is not a domain")
    return sorted(set(names))


def _read_line(text: str) -> str:
    if len(text) > 200 or not text.isprintable():
        raise ValueError("too long, or not a single line")
    return text


def _read_email(text: str) -> str:
    if text and not _EMAIL.fullmatch(text):
        raise ValueError("not an email")
    return text


def _read_https_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme != "https" or not parts.hostname or not text.isprintable()):
        raise ValueError("not an https URL")
    return text


def _read_currencies(text: str) -> dict[str, list[str]]:
    read: dict[str, list[str]] = {}
    for part in text.split():
        tag, _, names = part.partition("=")
        read[tag] = names.split(",")
        if not set(read[tag]) <= set(CURRENCIES) or len(set(read[tag])) != len(read[tag]):
            raise ValueError(f"{names!r} is not a list of {', '.join(CURRENCIES)}")
    if set(read) != {row.tag for row in LOCALES}:
        raise ValueError("name each language once")
    return read


def _frozen_currencies(stored: Mapping[str, list[str]]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({tag: tuple(names) for tag, names in stored.items()})


def _read_markups(text: str) -> dict[str, str]:
    read: dict[str, str] = {}
    for part in text.split():
        name, _, markup = part.rpartition("=")
        if not _SOLD_NAME.fullmatch(name) or name in read:
            raise ValueError(f"{part[:80]!r} is not a name once, and its mark-up")
        read[name] = _read_markup(markup)
    return dict(sorted(read.items()))


def _read_markup(text: str) -> str:
    return _read_decimal(text, least=Decimal(0), most=LARGEST_MARKUP)


def _frozen_markups(stored: Mapping[str, str]) -> Mapping[str, Decimal]:
    return MappingProxyType({name: Decimal(markup) for name, markup in stored.items()})


def rate_between(least: int, most: int, *, example: str) -> SettingKind:
    """What one dollar is in another currency. The bounds catch a slip by a thousand: ``26.400`` is
    how a Vietnamese reader writes what is 26400 here."""
    return SettingKind(
        f"units of the currency for one dollar, from {least} to {most}, such as {example}; "
        "a point stands before decimals alone",
        lambda text: _read_decimal(text, least=Decimal(least), most=Decimal(most)),
        Decimal,
    )


def choice_of(*options: str) -> SettingKind:
    """One of a few words."""

    def read(text: str) -> str:
        if text not in options:
            raise ValueError("not one of them")
        return text

    return SettingKind(f"one of: {', '.join(options)}", read)


USD = SettingKind('dollars, such as "0.2"', _read_usd, parse_usd)
"""Read by code as nano-USD."""

SHARE = SettingKind(
    "a share from 0 to 1, such as 0.2",
    lambda text: _read_decimal(text, least=Decimal(0), most=Decimal(1)),
    Decimal,
)
MARKUP = SettingKind("a share of the cost from 0 to 10, such as 0.2", _read_markup, Decimal)
MARKUPS = SettingKind(
    "names with their share of the cost from 0 to 10, such as openai=0.15 mistral=0.3, or nothing",
    _read_markups,
    _frozen_markups,
)
"""Read by code as a mapping of names to shares."""

COUNT = SettingKind(f"a whole number from 0 to {LARGEST_COUNT}", _read_count)
NOTICE_DAYS = SettingKind(
    f"a whole number of days from 0 to {LARGEST_NOTICE_DAYS}",
    lambda text: _read_count(text, most=LARGEST_NOTICE_DAYS),
)
FLAG = SettingKind("true or false", _read_flag)
DOMAINS = SettingKind("domains separated by commas, or nothing", _read_domains, frozenset)
LINE = SettingKind("a single line of at most 200 characters, or nothing", _read_line)
EMAIL = SettingKind("an email, or nothing", _read_email)
HTTPS_URL = SettingKind("an https URL, or nothing", _read_https_url)
DISPLAY_CURRENCIES = SettingKind(
    "currencies for each language, such as vi-VN=VND,USD en-US=USD",
    _read_currencies,
    _frozen_currencies,
)
