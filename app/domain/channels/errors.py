"""What the channels refuse."""

from app.core.errors import BadRequest, Conflict, NotFound, UpstreamFailed


class ChannelUnknown(NotFound):
    number = 3
    reason = "channel_not_found"
    message = "There is no such channel. `flask channels list` shows all."


class ModelNotServed(NotFound):
    number = 46
    reason = "model_not_served"
    message = "The channel does not serve this model. `flask channels list` shows what it serves."


class ChannelExists(Conflict):
    number = 3
    reason = "channel_exists"
    message = "There is a channel of this name already."


class ModelServedAlready(Conflict):
    number = 46
    reason = "model_served_already"
    message = "The channel serves this model already."


class InvalidChannel(BadRequest):
    number = 45
    reason = "invalid_channel"
    message = "The channel is not valid."


class InvalidFact(BadRequest):
    number = 46
    reason = "invalid_channel_fact"
    message = "A fact of how the channel serves the model is not valid."


class PresetUnknown(NotFound):
    number = 47
    reason = "preset_not_found"
    message = "There is no such preset. `flask channels presets` shows all."


class NoModelList(UpstreamFailed):
    number = 46
    reason = "no_model_list"
    message = "The provider did not tell which models it has."
