"""Frozen values that travel between the gateway, the reserve and the settlement."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from app.domain.accounts.models import KeyScope
from app.domain.billing.bound import BeyondMeans, Bound


class Balances(NamedTuple):
    """A wallet as one statement saw it, in nanos."""

    trial_balance: int
    trial_held: int
    paid_balance: int
    paid_held: int

    @property
    def trial_available(self) -> int:
        return self.trial_balance - self.trial_held

    @property
    def paid_available(self) -> int:
        return self.paid_balance - self.paid_held

    def available(self, scope: KeyScope) -> int:
        """What a key of this scope may spend now."""
        if scope is KeyScope.TRIAL:
            return self.trial_available
        return self.trial_available + self.paid_available

    def balance(self, scope: KeyScope) -> int:
        """The balance that a key of this scope may know."""
        if scope is KeyScope.TRIAL:
            return self.trial_balance
        return self.trial_balance + self.paid_balance

    def held(self, scope: KeyScope) -> int:
        return self.trial_held if scope is KeyScope.TRIAL else self.trial_held + self.paid_held


Decide = Callable[[int], Bound | BeyondMeans]
"""From the nanos a key may spend now to a hold, or why not. Pure: it may run more than once."""


class Hold(NamedTuple):
    """An admitted call: committed before the upstream is called, settled exactly once.

    `bound` is what it was decided by; None where only the row is left of it.
    """

    call_id: int
    user_id: int
    scope: KeyScope
    trial_nanos: int
    paid_nanos: int
    cap_id: int | None
    cap_period: str | None
    bound: Bound | None

    @property
    def amount_nanos(self) -> int:
        return self.trial_nanos + self.paid_nanos


class Refusal(NamedTuple):
    """Why a call was not admitted; nothing is held. `available_nanos` is what the key may spend.

    `cap_ends_at` is set where the key's cap is the reason: then its next period begins.
    """

    reason: str  # "balance", "cap" or "concurrency"
    needed_nanos: int
    available_nanos: int
    held_nanos: int
    affordable_output_limit: int | None
    cap_ends_at: datetime | None = None
