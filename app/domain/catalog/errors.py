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


class SaleBelowCost(Conflict):
    """`facts["shortfalls"]` lists each unit with what it is sold at and what it costs."""

    number = 42
    reason = "sale_below_cost"
    message = "The price is below what an enabled channel charges."


class KindNotServed(Conflict):
    number = 43
    reason = "kind_not_served"
    message = "Models of this kind cannot be called yet, so they are not published."


class InvalidReplacement(BadRequest):
    number = 47
    reason = "invalid_replacement"
    message = "A model cannot replace itself, and only a retiring model is replaced."


class InvalidPriceList(BadRequest):
    number = 48
    reason = "invalid_price_list"
    message = (
        "The file is no price list that we read: LiteLLM's model_prices_and_context_window.json, "
        "or the api.json of models.dev."
    )
