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
