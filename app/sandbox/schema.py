"""A sample value for a JSON schema, for the keywords that tools and structured answers use."""

from collections.abc import Callable, Mapping
from typing import Any

Maker = Callable[[Mapping[str, Any], Any, int], Any]

DEEPEST = 12
"""Below this a schema that requires itself gets null: the sandbox ends where it would not."""
FRUGAL_FROM = 4
"""From this depth on whatever may be left out is: items, optional properties, alternatives to
null. That is where a recursive schema ends."""

_SAMPLES_BY_FORMAT: Mapping[str, str] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "sandbox@example.com",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample_of(schema: Any, *, root: Any = None, depth: int = 0) -> Any:
    """A value that fits `schema`, optional properties filled in.

    `root` is the document that ``$ref`` points into (default: the schema itself).
    """
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth > DEEPEST:
        return None
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    for listed in ("enum", "examples"):
        if schema.get(listed):
            return schema[listed][0]
    if "$ref" in schema:
        return sample_of(_resolve(schema["$ref"], root), root=root, depth=depth + 1)
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice):
            chosen = _alternative(schema[choice], depth)
            return sample_of(chosen, root=root, depth=depth + 1)
    if schema.get("allOf"):
        return sample_of(_merged(schema["allOf"]), root=root, depth=depth + 1)
    maker: Maker = _MAKERS.get(_type_of(schema), _sample_null)
    return maker(schema, root, depth + 1)


def _type_of(schema: Mapping[str, Any]) -> str:
    stated = schema.get("type")
    if isinstance(stated, list):
        stated = stated[0] if stated else None
    if isinstance(stated, str):
        return stated
    return "object" if "properties" in schema else "string"


def _alternative(schemas: list[Any], depth: int) -> Any:
    nulls = [schema for schema in schemas if schema == {"type": "null"}]
    return nulls[0] if nulls and depth >= FRUGAL_FROM else schemas[0]


def _resolve(reference: Any, root: Any) -> Any:
    """What ``#/a/b`` names in `root`; None where it names nothing or another document."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found = root
    for step in reference.lstrip("#/").split("/") if reference != "#" else []:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _merged(schemas: list[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for schema in schemas:
        merged |= schema
        properties |= schema.get("properties", {})
    return merged | ({"properties": properties} if properties else {})


def _sample_object(schema: Mapping[str, Any], root: Any, depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    required = schema.get("required", []) if depth >= FRUGAL_FROM else properties
    return {
        name: sample_of(part, root=root, depth=depth)
        for name, part in properties.items()
        if name in required
    }


def _sample_array(schema: Mapping[str, Any], root: Any, depth: int) -> list[Any]:
    usual = 0 if depth >= FRUGAL_FROM else 1
    length = min(max(schema.get("minItems", 0), usual), schema.get("maxItems", 100))
    return [sample_of(schema.get("items", {}), root=root, depth=depth) for _ in range(length)]


def _sample_string(schema: Mapping[str, Any], _root: Any, _depth: int) -> str:
    text = _SAMPLES_BY_FORMAT.get(schema.get("format", ""), "sandbox")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]


def _sample_integer(schema: Mapping[str, Any], _root: Any, _depth: int) -> int:
    return int(_smallest(schema))


def _sample_number(schema: Mapping[str, Any], _root: Any, _depth: int) -> float:
    return float(_smallest(schema))


def _sample_boolean(_schema: Mapping[str, Any], _root: Any, _depth: int) -> bool:
    return True


def _sample_null(_schema: Mapping[str, Any], _root: Any, _depth: int) -> None:
    return None


def _smallest(schema: Mapping[str, Any]) -> int | float:
    """The least multiple that the bounds allow, or 1 where it fits."""
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    step: int | float = schema.get("multipleOf", 1)
    if least is None:
        return step if most is None or most > step else (most // step - 1) * step
    value: int | float = -(-least // step) * step
    if value == schema.get("exclusiveMinimum"):
        value += step
    return value


_MAKERS: Mapping[str, Maker] = {
    "object": _sample_object,
    "array": _sample_array,
    "string": _sample_string,
    "integer": _sample_integer,
    "number": _sample_number,
    "boolean": _sample_boolean,
    "null": _sample_null,
}
