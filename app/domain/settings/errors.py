"""What can be wrong with a change of a business setting."""

from app.core.errors import BadRequest


class UnknownSetting(BadRequest):
    number = 60
    reason = "unknown_setting"
    message = "There is no setting of this name; `flask settings list` shows them all."


class InvalidSetting(BadRequest):
    number = 61
    reason = "invalid_setting"
    message = "This value does not fit the setting."


class ReasonMissing(BadRequest):
    number = 62
    reason = "reason_missing"
    message = "Say why you change the setting: the reason is kept with the value."
