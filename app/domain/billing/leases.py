"""Leases: which processes are alive, and so whose pending calls still have somebody to settle them.

A process holds one row and renews it every few seconds; the same batch stores how far its running
calls have come, so that a crash loses seconds of delivered output at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.core import clock
from app.core.database import Execute
from app.domain.billing import statements
from app.domain.billing.models import Call, CallState, ProcessLease

RENEW_EVERY_S = 5

# Six renewals: a writer that waits for the database (5 s for its lock, 5 s in SQLite) or a machine
# that pauses is not taken for dead, and its calls still end within the two minutes promised.
LEASE_S = 30


class Progress(NamedTuple):
    """How far a running call has come; `local_input_tokens` is None until they are counted."""

    call_id: int
    delivered_frames: int
    local_input_tokens: int | None


@dataclass(frozen=True, slots=True)
class RenewLease:
    """A write: renew the lease and store the progress of the calls whose counters changed.

    Its verdict says whether the lease is there. `is_last` ends it, when all calls are settled.
    """

    lease_id: int
    at_ms: int
    progress: Sequence[Progress] = ()
    is_last: bool = False

    @property
    def order(self) -> int:
        return self.lease_id

    def apply(self, execute: Execute) -> bool:
        renewed = execute(
            statements.RENEW_LEASE,
            {
                "lease_id": self.lease_id,
                "renewed_at": self.at_ms,
                "ended_at": self.at_ms if self.is_last else None,
            },
        ).rowcount
        for call_id, delivered_frames, local_input_tokens in sorted(
            self.progress, key=lambda made: made[0]
        ):
            execute(
                statements.STORE_PROGRESS,
                {
                    "call_id": call_id,
                    "frames": delivered_frames,
                    "input_tokens": local_input_tokens,
                },
            )
        return renewed == 1


def start_lease(session: Session) -> int:
    """The id of a new lease, for a process that is about to serve. The caller commits."""
    lease = ProcessLease(started_at=clock.now(), renewed_at=clock.now())
    session.add(lease)
    session.flush()
    return lease.id


def end_other_leases(session: Session, *, lease_id: int) -> None:
    """Only for whoever knows that no other process serves: their calls need not wait until their
    leases run out. The caller commits."""
    session.execute(
        update(ProcessLease)
        .where(ProcessLease.id != lease_id, ProcessLease.ended_at.is_(None))
        .values(ended_at=clock.now())
    )


def unrenewed_since_ms(at_ms: int) -> int:
    """A lease last renewed before this moment is dead at `at_ms`."""
    return at_ms - LEASE_S * 1000


def dead_leases(session: Session, *, at_ms: int) -> list[int]:
    """The leases that ran out or ended and left calls pending, which nobody else will settle."""
    return list(
        session.scalars(
            select(ProcessLease.id)
            .join(Call, Call.lease_id == ProcessLease.id)
            .where(
                Call.state == text(f"'{CallState.PENDING}'"),  # literal, for the partial index
                ProcessLease.ended_at.is_not(None)
                | (ProcessLease.renewed_at < unrenewed_since_ms(at_ms)),
            )
            .distinct()
            .order_by(ProcessLease.id)
        )
    )
