"""Counting the calls that were refused for want of a channel: they leave no other trace."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, bindparam, text

from app.core.database import Execute, Statement

HOUR_MS = 3_600_000

_COUNT = Statement(
    text(
        "INSERT INTO unserved_hours (model_id, hour, calls) VALUES (:model_id, :hour, 1) "
        "ON CONFLICT (model_id, hour) DO UPDATE SET calls = unserved_hours.calls + 1"
    ).bindparams(bindparam("model_id", type_=BigInteger), bindparam("hour", type_=BigInteger))
)


@dataclass(frozen=True, slots=True)
class CountUnserved:
    """A write for the writer: one more refused call of this model in the hour of `at_ms`."""

    model_id: int
    at_ms: int

    @property
    def order(self) -> int:
        return self.model_id

    def apply(self, execute: Execute) -> None:
        hour = self.at_ms - self.at_ms % HOUR_MS
        execute(_COUNT, {"model_id": self.model_id, "hour": hour})
