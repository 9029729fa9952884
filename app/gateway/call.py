"""One call under way: what was decided on its way in, and what it learns on its way out."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from app.core import clock
from app.domain.billing.bound import Bound
from app.domain.billing.tokens import count_request
from app.domain.billing.values import Hold
from app.domain.channels.offers import Offer, Price, Route
from app.gateway.authentication import Caller
from app.gateway.envelope import Envelope
from app.gateway.inbound import Inbound
from app.gateway.limits import RunningCount
from app.gateway.protocols import Protocol
from app.gateway.rates import Rates


class Attempt(NamedTuple):
    """One try at a channel: its outcome in a word, the provider's status if it answered."""

    channel_id: int
    outcome: str
    status: int | None
    duration_ms: int


@dataclass
class Call:
    """Made once the hold is committed. `price` is the version in force then, carried to the end.

    `rates` and `running` are there only for a key that has such limits.
    """

    inbound: Inbound
    caller: Caller
    envelope: Envelope
    offer: Offer
    price: Price
    hold: Hold
    attempts: list[Attempt] = field(default_factory=list)
    route: Route | None = None
    first_content_ms: int | None = None
    rates: Rates | None = None
    running: RunningCount | None = None

    @property
    def bound(self) -> Bound:
        assert self.hold.bound is not None
        return self.hold.bound

    @property
    def call_id(self) -> int:
        return self.hold.call_id

    @property
    def protocol(self) -> Protocol:
        return self.envelope.protocol

    @property
    def elapsed_ms(self) -> int:
        return int((clock.monotonic() - self.inbound.started_s) * 1000)

    @cached_property
    def local_input_tokens(self) -> int:
        """Our own count of the prompt; slow, so it is made only where usage is missing."""
        counted = count_request(self.envelope.document.members)
        return min(counted, self.bound.input_bound_tokens)

    def attempts_json(self) -> str | None:
        """The attempts as the call's row keeps them; None where the first one answered."""
        if len(self.attempts) < 2 and all(attempt.outcome == "ok" for attempt in self.attempts):
            return None
        return orjson.dumps([_as_json(attempt) for attempt in self.attempts]).decode()


def _as_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "channel_id": attempt.channel_id,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "duration_ms": attempt.duration_ms,
    }
