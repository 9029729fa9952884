"""The options by which an operator bounds a key, and how its limits read on a terminal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

import click
from sqlalchemy.orm import Session

from app.cli.dollars import nanos_of
from app.core.moments import show_moment
from app.core.money import format_usd
from app.domain.accounts.limits import limits_of, plain
from app.domain.accounts.models import ApiKey, CapPeriod
from app.domain.billing import cap_periods
from app.domain.catalog.selling import find_model

Command = TypeVar("Command", bound=Callable[..., Any])

DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class LimitOption:
    """`member` is the limit's name in `KeyLimits`; `unbound` the word that lifts it."""

    flag: str
    member: str
    metavar: str
    unbound: str
    read: Callable[[str], Any]
    help: str


def _usd(text: str) -> int:
    return nanos_of(text, hint="--cap")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX):
        raise click.BadParameter(f"{text[:40]!r} is no whole number.")
    return int(text)


def _words(text: str) -> list[str]:
    return [word for each in text.split(",") if (word := each.strip())]


def _end_of_day(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text[:40]!r} is no day such as 2027-01-31.") from None
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


OPTIONS = (
    LimitOption("--cap", "cap_nanos", "USD|none", "none", _usd, "Spend cap, such as 5 or 0.5."),
    LimitOption(
        "--period", "period", "day|week|month", "", CapPeriod,
        "How often the cap starts anew (UTC); another one counts from nothing.",
    ),
    LimitOption("--rpm", "requests_per_minute", "N|none", "none", _count, "Requests a minute."),
    LimitOption("--tpm", "tokens_per_minute", "N|none", "none", _count, "Tokens a minute."),
    LimitOption("--max-running", "max_running", "N|none", "none", _count, "Calls at once."),
    LimitOption(
        "--models", "models", "a,b|any", "any", _words, "The only models that it may call."
    ),
    LimitOption(
        "--networks", "networks", "CIDR,…|any", "any", _words,
        "The only networks that it may be used from.",
    ),
    LimitOption(
        "--expires", "expires_at", "YYYY-MM-DD|never", "never", _end_of_day,
        "The last day (UTC) on which it works.",
    ),
)  # fmt: skip


def limit_options(command: Command) -> Command:
    """Add the options; the command gets each as text, None where it was not given."""
    for option in reversed(OPTIONS):
        choice = click.Choice([period.value for period in CapPeriod])
        command = click.option(
            option.flag,
            option.member,
            metavar=option.metavar,
            type=choice if option.member == "period" else str,
            help=option.help,
        )(command)
    return command


def read_changes(session: Session, given: Mapping[str, str | None]) -> dict[str, Any]:
    """What was typed, by the members of `KeyLimits`. Raises ModelUnknown: a name that is misspelt
    would shut the key out."""
    changes = {
        option.member: None if text == option.unbound else option.read(text)
        for option in OPTIONS
        if (text := given[option.member]) is not None
    }
    for name in changes.get("models") or ():
        find_model(session, name)
    return changes


def cap_facts(session: Session, key: ApiKey) -> dict[str, Any] | None:
    """What the key's cap counts now, as JSON; None where spending is not capped."""
    if key.cap is None or key.cap.limit_nanos is None:
        return None
    counted = cap_periods.look(session, key.cap)
    return {
        "period": counted.name,
        "spent_usd": format_usd(counted.spent_nanos),
        "held_usd": format_usd(counted.held_nanos),
        "starts_anew_at": show_moment(counted.ends_at),
    }


def in_words(session: Session, key: ApiKey) -> list[str]:
    """The key's limits, a phrase each; none where nothing bounds it."""
    limits = limits_of(key)
    rows = (
        (limits.cap_nanos, _cap_phrase(session, key)),
        (limits.requests_per_minute, f"{limits.requests_per_minute} requests a minute"),
        (limits.tokens_per_minute, f"{limits.tokens_per_minute} tokens a minute"),
        (limits.max_running, f"{limits.max_running} calls at once"),
        (limits.models, f"only {', '.join(limits.models or ())}"),
        (limits.networks, f"only from {', '.join(limits.networks or ())}"),
        (limits.expires_at, f"until {limits.expires_at and show_moment(limits.expires_at)}"),
    )
    return [phrase for limit, phrase in rows if limit is not None]


def _cap_phrase(session: Session, key: ApiKey) -> str:
    """Such as ``$5 a day ($1.2 spent and $0.3 held in 2026-11-24)``; "" without a cap."""
    counted = cap_facts(session, key)
    if counted is None:
        return ""
    limits = plain(limits_of(key))
    taken = f"${counted['spent_usd']} spent and ${counted['held_usd']} held in {counted['period']}"
    return f"${limits['cap_usd']} a {limits['cap_period']} ({taken})"
