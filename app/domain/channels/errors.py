"""What the channels refuse."""

from app.core.errors import BadRequest, Conflict, NotFound


class ChannelUnknown(NotFound):
    number = 3
    reason = "channel_not_found"
    message = "There is no such channel. `flask channels list` shows all."


class ChannelExists(Conflict):
    number = 3
    reason = "channel_exists"
    message = "There is a channel of this name already."


class InvalidChannel(BadRequest):
    number = 45
    reason = "invalid_channel"
    message = "The channel is not valid."
