"""The envelope: what the gateway must know of a request's body. The rest passes unread."""

from typing import NamedTuple

from app.core.json_document import Document
from app.core.strict_json import has_lone_surrogate, read_members
from app.domain.billing.request_shape import RequestShape, measure_request
from app.gateway.errors import InvalidParameter
from app.gateway.protocols import Protocol
from app.gateway.refusals import JUDGED_INSIDE, refuse

MODEL_NAME_MAX = 128


class Envelope(NamedTuple):
    """A request that may pass, if it can be paid. `document` holds its bytes."""

    protocol: Protocol
    document: Document
    model_name: str
    is_streamed: bool
    wants_usage: bool
    wants_base64: bool
    shape: RequestShape


def read_envelope(protocol: Protocol, body: bytes) -> Envelope:
    """Read and judge a body. Raises the errors of `strict_json`, `refusals` and `request_shape`."""
    document = read_members(body, unambiguous=JUDGED_INSIDE)
    refuse(protocol, document)
    for member in protocol.required:
        if document.get(member) is None:
            raise InvalidParameter(f"{member} is required.", field=member)
    return Envelope(
        protocol=protocol,
        document=document,
        model_name=_model_name(document),
        is_streamed=_is_streamed(protocol, document),
        wants_usage=_wants_usage(document),
        wants_base64=document.get("encoding_format") == "base64",
        shape=measure_request(document.members, kind=protocol.kind, body_bytes=len(body)),
    )


def _model_name(document: Document) -> str:
    name = document.get("model")
    if not isinstance(name, str) or not name or len(name) > MODEL_NAME_MAX:
        raise InvalidParameter("model must be the name of a model.", field="model")
    if has_lone_surrogate(name):
        raise InvalidParameter("model is not valid Unicode.", field="model")
    return name


def _is_streamed(protocol: Protocol, document: Document) -> bool:
    value = document.get("stream")
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidParameter("stream must be true or false.", field="stream")
    if value and not protocol.streams:
        raise InvalidParameter("This endpoint does not stream: leave stream out.", field="stream")
    return value


def _wants_usage(document: Document) -> bool:
    options = document.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise InvalidParameter("stream_options must be an object.", field="stream_options")
    include = options.get("include_usage")
    if include is not None and not isinstance(include, bool):
        raise InvalidParameter(
            "stream_options.include_usage must be true or false.", field="stream_options"
        )
    return bool(include)
