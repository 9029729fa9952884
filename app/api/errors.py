"""What is wrong with the form of a call to ``/api``."""

from app.core.errors import BadRequest


class MissingMember(BadRequest):
    number = 80
    reason = "missing_member"
    message = "A required member is missing."


class InvalidMember(BadRequest):
    number = 81
    reason = "invalid_member"
    message = "A member has a value of the wrong type."


class InvalidHeader(BadRequest):
    number = 82
    reason = "invalid_header"
    message = "A header has a value that is not accepted."


class UnknownMember(BadRequest):
    number = 83
    reason = "unknown_member"
    message = "There is no such member. Check its spelling."


class InvalidParameterValue(BadRequest):
    number = 84
    reason = "invalid_parameter_value"
    message = "A query parameter has a value that is not accepted."


class UnknownEndpoint(BadRequest):
    number = 85
    reason = "unknown_endpoint"
    message = "endpoint must be the path of a call to a model, such as /v1/chat/completions."
