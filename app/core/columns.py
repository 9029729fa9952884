"""The column vocabulary: one Python type per idea, the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import BigInteger, Dialect, Enum, Integer, Text, TypeDecorator
from sqlalchemy.orm import mapped_column

from app.core.clock import ms_of

BigId = BigInteger().with_variant(Integer, "sqlite")


class Instant(TypeDecorator[datetime]):
    """A moment: milliseconds since the epoch in the database, an aware UTC datetime in Python.

    An integer compares and sorts alike on both databases, and the writer's compiled statements
    need no conversion.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | int | None, dialect: Dialect) -> int | None:
        if value is None or isinstance(value, int):
            return value
        return ms_of(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value / 1000, UTC)

    def coerce_compared_value(self, op: Any, value: Any) -> "Instant":
        return self


def choice(cls: type[StrEnum]) -> Enum:
    """A StrEnum stored as its value, guarded by a CHECK that migrations name after the enum."""
    return Enum(
        cls,
        native_enum=False,
        create_constraint=True,
        length=32,
        name=_snake(cls.__name__),
        values_callable=lambda members: [member.value for member in members],
    )


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip(
        "_"
    )


Id = Annotated[int, mapped_column(BigId, primary_key=True)]
MintedId = Annotated[int, mapped_column(BigId, primary_key=True, autoincrement=False)]
Nanos = Annotated[int, mapped_column(BigInteger)]
Moment = Annotated[datetime, mapped_column(Instant)]
OptionalMoment = Annotated[datetime | None, mapped_column(Instant)]
LongText = Annotated[str, mapped_column(Text)]
