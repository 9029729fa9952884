"""What the catalogue refuses."""

from app.core.errors import BadRequest, Conflict, NotFound


class ModelUnknown(NotFound):
    number = 2
    reason = "model_not_found"
    message = "There is no such model. GET /v1/models lists those you can use."


class ModelExists(Conflict):
    number = 2
    reason = "model_exists"
    message = (
        "There is a model of this name already. Use `flask catalog price` to change its price."
    )


class NotPriced(BadRequest):
    number = 44
    reason = "model_not_priced"
    message = "The price does not cover what this kind of model is billed in."
