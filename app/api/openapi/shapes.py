"""Small words for JSON Schema, so that a schema reads like a table."""

from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]

SCHEMAS_AT = "#/components/schemas/"


def ref(name: str) -> Schema:
    """A schema of the components by its name."""
    return {"$ref": f"{SCHEMAS_AT}{name}"}


def text(description: str = "", **more: Any) -> Schema:
    return _described({"type": "string", **more}, description)


def one_of(values: Iterable[str], description: str = "") -> Schema:
    return _described({"type": "string", "enum": list(values)}, description)


def whole(description: str = "", **more: Any) -> Schema:
    return _described({"type": "integer", **more}, description)


def number(description: str = "", **more: Any) -> Schema:
    return _described({"type": "number", **more}, description)


def flag(description: str = "") -> Schema:
    return _described({"type": "boolean"}, description)


def usd(description: str = "") -> Schema:
    """Dollars as a plain decimal text."""
    return text(description, pattern=r"^-?[0-9]+(\.[0-9]{1,9})?$")


def moment(description: str = "") -> Schema:
    return text(description, format="date-time")


def many(items: Schema, description: str = "", **more: Any) -> Schema:
    return _described({"type": "array", "items": items, **more}, description)


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    description = schema.get("description", "")
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    plain = {name: value for name, value in schema.items() if name != "description"}
    return _described({"anyOf": [plain, {"type": "null"}]}, description)


def exactly(description: str = "", /, **properties: Schema) -> Schema:
    """An object of exactly these members."""
    return {**at_least(description, **properties), "additionalProperties": False}


def at_least(
    description: str = "", /, *, optional: dict[str, Schema] | None = None, **properties: Schema
) -> Schema:
    """An object of these members, perhaps of the optional ones, and of others unknown to us."""
    schema = {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
    }
    return _described(schema, description)


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description} if description else schema
