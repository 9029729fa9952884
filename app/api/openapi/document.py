"""The OpenAPI 3.1 document, put together from the tables."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from app.api.keys import LimitChanges
from app.api.openapi.api_operations import API_OPERATIONS
from app.api.openapi.api_schemas import API_SCHEMAS
from app.api.openapi.call_operations import call_operations
from app.api.openapi.call_schemas import CALL_SCHEMAS
from app.api.openapi.operations import JSON, Answer, Dialect, Operation, Parameter, Tag
from app.api.openapi.shapes import SCHEMAS_AT, Schema, ref, text, whole
from app.api.register import RegisterBody, RegisterData
from app.core.errors import AppError

TITLE = "FlowHubLLM API"
VERSION = "1"
_DESCRIPTION = (
    "Two public surfaces: invite registration and OpenAI-compatible AI invocation, and what the "
    "holder of a key may ask. Money is in US dollars, as plain decimal texts; moments are ISO 8601 "
    "in UTC. Every answer carries `X-Request-Id`: quote it when you write to us."
)

_TAGS = {
    Tag.ONBOARDING: "One POST from your own product gives your user an account and a working key.",
    Tag.CALLS: "Any OpenAI SDK works by changing only the base URL to `/v1`.",
    Tag.QUERIES: "Every answer shows only what the presenting key may spend, and its own records.",
    Tag.MACHINES: "For monitors and generators.",
}

_HEADERS_AT = "#/components/headers/"

_HEADERS = {
    "RequestId": {
        "description": "The id of this request, always ours.",
        "schema": text(pattern="^req_[a-z2-7]{13}$"),
    },
    "RetryAfter": {
        "description": "Seconds to wait before the next try.",
        "schema": whole(minimum=1),
    },
}

_SECURITY_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "sk-…",
        "description": "An API key: `Authorization: Bearer sk-…`.",
    },
}


def operations() -> tuple[Operation, ...]:
    """Every operation. Made when asked: by then every module has defined its errors."""
    return (*API_OPERATIONS, *call_operations())


def build(base_url: str) -> dict[str, Any]:
    """The document for an instance at `base_url`."""
    rows = operations()
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        paths[row.path][row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": _DESCRIPTION},
        "servers": [{"url": base_url}],
        "tags": [{"name": tag.value, "description": about} for tag, about in _TAGS.items()],
        "paths": dict(paths),
        "components": {
            "schemas": _schemas(),
            "headers": _HEADERS,
            "securitySchemes": _SECURITY_SCHEMES,
        },
        "x-errors": _error_table(rows),
    }


def _operation(row: Operation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": row.endpoint.replace(".", "_"),
        "tags": [row.tag.value],
        "summary": row.summary,
        "description": row.description,
        "security": [{scheme: []} if scheme else {} for scheme in row.security],
        "responses": _responses(row),
    }
    if row.parameters:
        shown["parameters"] = [_parameter(each) for each in row.parameters]
    if row.body is not None:
        content = {"schema": row.body.schema, "example": row.body.example}
        shown["requestBody"] = {"required": True, "content": {JSON: content}}
    return shown


def _parameter(row: Parameter) -> dict[str, Any]:
    return {
        "name": row.name,
        "in": row.place,
        "required": row.is_required,
        "description": row.description,
        "schema": row.schema,
    }


def _responses(row: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for answer in row.answers:
        shown = responses.setdefault(str(answer.status), _empty_response(answer.description))
        shown["content"][answer.media_type] = _content(answer)
        for name, about in answer.headers.items():
            shown["headers"][name] = {"description": about, "schema": {"type": "string"}}
    by_status: dict[int, list[type[AppError]]] = defaultdict(list)
    for error in row.all_errors:
        by_status[error.status].append(error)
    for status, errors in by_status.items():
        responses[str(status)] = _error_response(row.dialect, errors)
    return responses


def _empty_response(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {"X-Request-Id": {"$ref": f"{_HEADERS_AT}RequestId"}},
        "content": {},
    }


def _content(answer: Answer) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": answer.schema}
    if answer.example is not None:
        content["example"] = answer.example
    return content


def _error_response(dialect: Dialect, errors: list[type[AppError]]) -> dict[str, Any]:
    lines = [f"- `{error.reason}` ({_code(error)}): {error.message}" for error in errors]
    response = _empty_response("\n".join(lines))
    response["content"][JSON] = {"schema": ref(dialect.value)}
    if any(error.status in (429, 503) for error in errors):
        response["headers"]["Retry-After"] = {"$ref": f"{_HEADERS_AT}RetryAfter"}
    return response


def _error_table(rows: Iterable[Operation]) -> list[dict[str, Any]]:
    """Each error that any operation names, once, by its code."""
    found = {error for row in rows for error in row.all_errors}
    return [
        {
            "code": _code(error),
            "status": error.status,
            "reason": error.reason,
            "message": error.message,
        }
        for error in sorted(found, key=_code)
    ]


def _code(error: type[AppError]) -> int:
    return error.status * 100 + error.number


def _schemas() -> dict[str, Schema]:
    schemas: dict[str, Schema] = {**API_SCHEMAS, **CALL_SCHEMAS}
    for model in (RegisterBody, RegisterData, LimitChanges):
        schemas.update(_of_model(model))
    return dict(sorted(schemas.items()))


def _of_model(model: type[BaseModel]) -> dict[str, Schema]:
    """A pydantic model's schema, and those of the models inside of it, as components."""
    schema = model.model_json_schema(ref_template=SCHEMAS_AT + "{model}")
    inner = schema.pop("$defs", {})
    return {**inner, model.__name__: schema}
