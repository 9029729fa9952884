"""Reading a JSON body into its pydantic model, with one clear error for the first thing wrong."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.api.errors import InvalidMember, MissingMember, UnknownMember
from app.core.request_body import read_body, require_json
from app.core.strict_json import SHOWN_NAME_LENGTH_MAX, parse_object

Body = TypeVar("Body", bound=BaseModel)


def read_raw(environ: Mapping[str, Any], *, limit_bytes: int) -> bytes:
    """The body's bytes, declared as JSON and not too long."""
    require_json(environ)
    return read_body(environ, limit_bytes=limit_bytes)


def parse(raw: bytes, model: type[Body]) -> Body:
    """Raises InvalidJson, MissingMember, InvalidMember. Members that `model` lacks are ignored, or
    refused with UnknownMember where it forbids extra ones."""
    try:
        return model.model_validate(parse_object(raw))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise MissingMember(f"Send the member {name}.", field=name) from None
        if first["type"] == "extra_forbidden":
            known = ", ".join(model.model_fields)
            text = f"There is no member of that name. Known: {known}."
            raise UnknownMember(text, field=name[:SHOWN_NAME_LENGTH_MAX]) from None
        raise InvalidMember(f"{name}: {first['msg']}.", field=name) from None
