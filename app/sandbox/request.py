"""What came in: the HTTP request and its JSON body, read once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import BadRequest


@dataclass(frozen=True)
class Request:
    """One HTTP request as it arrived. Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def read_request(environ: Mapping[str, Any]) -> Request:
    """The request of a WSGI environ; reads the body to its end."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    }
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        headers=headers,
        body=environ["wsgi.input"].read(),
    )


def read_document(request: Request) -> dict[str, Any]:
    """The body's JSON object; a request without body (GET) counts as an empty one."""
    if request.method == "GET" and not request.body:
        return {}
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(document, dict):
        raise BadRequest("The JSON body of your request must be an object.")
    return document


def require_text(document: Mapping[str, Any], name: str) -> str:
    """The member `name`, which must be a string that is not empty."""
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"You must provide {name!r} as a string.", field=name)
    return value


def read_count(document: Mapping[str, Any], name: str, *, default: int, most: int) -> int:
    """The member `name` as an integer from 1 to `most`; `default` where it is absent or null."""
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise BadRequest(f"{name!r} must be an integer from 1 to {most}.", field=name)
    return value
