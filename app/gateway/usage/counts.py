"""Counts as they stand in a reported usage. Each raises `Implausible` on what is no count."""

from collections.abc import Mapping
from typing import Any

from app.domain.catalog.units import Unit
from app.gateway.usage.values import Implausible, Verdict


def count(members: Mapping[str, Any], name: str) -> int:
    """A JSON integer >= 0; absent and null are 0. True is an int in Python, not in JSON."""
    value = members.get(name)
    if value is None:
        return 0
    if type(value) is not int or value < 0:
        raise Implausible(Verdict.NOT_COUNTS)
    return value


def first_count(members: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """The first of `names` that counts anything, 0 where none does."""
    return next((found for name in names if (found := count(members, name))), 0)


def details(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object of counts; empty where it is absent or null."""
    value = members.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Implausible(Verdict.NOT_COUNTS)
    return value


def total(reported: Mapping[str, Any], *, at_least: int) -> int | None:
    """`total_tokens`, None where it is not said."""
    if reported.get("total_tokens") is None:
        return None
    total_tokens = count(reported, "total_tokens")
    keep_within(total_tokens, at_least)
    return total_tokens


def split(plain: Unit, whole_tokens: int, parts: Mapping[Unit, int]) -> dict[Unit, int]:
    """The parts, and what they leave of the whole under `plain`."""
    parts_tokens = sum(parts.values())
    keep_within(whole_tokens, parts_tokens)
    return {plain: whole_tokens - parts_tokens, **parts}


def keep_within(whole_tokens: int, parts_tokens: int) -> None:
    if parts_tokens > whole_tokens:
        raise Implausible(Verdict.PARTS_ABOVE_WHOLE)
