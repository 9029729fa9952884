"""What an operation of the document is made of: one frozen row a route and method."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.api.openapi.shapes import Schema
from app.core.database import DatabaseBusy
from app.core.errors import AppError

Errors = tuple[type[AppError], ...]

JSON = "application/json"
STREAM = "text/event-stream"


class Tag(StrEnum):
    """The groups that a reader sees."""

    ONBOARDING = "Invite registration"
    CALLS = "Invoke AI"
    QUERIES = "Key holder's queries"
    MACHINES = "Machines"


class Dialect(StrEnum):
    """How errors look; the values name the schemas."""

    ENVELOPE = "ApiError"
    OPENAI = "OpenAIError"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the query, the path or a header."""

    name: str
    place: str
    schema: Schema
    description: str
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error. `headers` are beside `X-Request-Id`, which all have."""

    status: int
    description: str
    schema: Schema
    example: Any = None
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """The JSON that is sent."""

    schema: Schema
    example: Any


@dataclass(frozen=True, slots=True)
class Operation:
    """`endpoint` is Flask's name of the route, by which a test compares the table with the policy.

    `security` are the names of schemes, any of which will do; "" stands for none.
    """

    endpoint: str
    method: str
    path: str
    tag: Tag
    summary: str
    description: str
    dialect: Dialect
    answers: tuple[Answer, ...]
    errors: Errors = ()
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    security: tuple[str, ...] = ("key",)

    @property
    def all_errors(self) -> Errors:
        """With those that any operation may answer, by their codes."""
        always = () if self.dialect is Dialect.NONE else (AppError, DatabaseBusy)
        found = dict.fromkeys((*self.errors, *always))
        return tuple(sorted(found, key=lambda error: (error.status, error.number)))


def errors_of(module: str) -> Errors:
    """Every error class that was defined in a module or package that is loaded."""
    found = [error for error in _tree(AppError) if f"{error.__module__}.".startswith(f"{module}.")]
    return tuple(dict.fromkeys(found))


def _tree(error: type[AppError]) -> list[type[AppError]]:
    return [error, *(leaf for child in error.__subclasses__() for leaf in _tree(child))]
