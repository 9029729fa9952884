"""Reading the query string of a JSON endpoint, with one clear error for the first thing wrong."""

from collections.abc import Collection
from urllib.parse import parse_qsl

from app.core.errors import BadRequest

_PARAMETERS_MAX = 100
_SHOWN_LENGTH_MAX = 64


class InvalidQuery(BadRequest):
    number = 7
    reason = "invalid_query"
    message = "The query string is not valid: send each parameter once, in UTF-8."


class UnknownParameter(BadRequest):
    number = 8
    reason = "unknown_parameter"
    message = "There is no such query parameter."


def read_parameters(query_string: str, *, known: Collection[str]) -> dict[str, str]:
    """The parameters of a WSGI query string. One that is not `known` is refused: a typing error
    must not quietly ask for more. Raises InvalidQuery, UnknownParameter.
    """
    parameters = read_any_parameters(query_string)
    for name in parameters:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise UnknownParameter(
                f"There is no such query parameter here. Known: {names}.",
                field=name[:_SHOWN_LENGTH_MAX],
            )
    return parameters


def read_any_parameters(query_string: str) -> dict[str, str]:
    """The same where other parameters may come along and mean nothing. Raises InvalidQuery."""
    try:
        pairs = parse_qsl(
            query_string.encode("latin-1").decode(),  # WSGI hands bytes over as Latin-1
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_PARAMETERS_MAX,
        )
    except ValueError:
        raise InvalidQuery from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise InvalidQuery
    return parameters
