"""What a check is, what it looks at, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from sqlalchemy.orm import Session

from app.domain import settings
from app.domain.channels.offers import Offer
from app.domain.settings import SettingsView
from app.services import Services


class State(StrEnum):
    """`fail`: do not go live like this. `warn`: know what you do. `skip`: it could not be seen."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw, in a few words for the operator: never a secret."""

    state: State
    detail: str


@dataclass(frozen=True)
class Patient:
    """The instance as the checks see it. They read; only with `is_online` or `may_probe` do they
    call out."""

    services: Services
    session: Session
    is_online: bool
    may_probe: bool

    @property
    def boot(self) -> dict[str, Any]:
        return self.services.boot

    @property
    def is_production(self) -> bool:
        return bool(self.boot["APP_ENV"] == "production")

    @cached_property
    def settings(self) -> SettingsView:
        return settings.in_force(self.session)

    @cached_property
    def sold(self) -> list[Offer]:
        """The models that can be sold now."""
        return self.services.offers.sellable()


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the list: its name for programs, its title and, where it is not ok, what to do."""

    name: str
    title: str
    look: Callable[[Patient], Finding]
    advice: str
    needs_database: bool = True


def ok(detail: str) -> Finding:
    return Finding(State.OK, detail)


def warn(detail: str) -> Finding:
    return Finding(State.WARN, detail)


def fail(detail: str) -> Finding:
    return Finding(State.FAIL, detail)


def skip(detail: str) -> Finding:
    return Finding(State.SKIP, detail)


def some_of(names: list[str], *, most: int = 5) -> str:
    """A list as text, cut where it grows long."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
