"""The mark-up on cost: which one holds for a model, and the sale price that it makes."""

from collections.abc import Mapping
from decimal import Decimal

from app.core.money import ceil_div
from app.domain.catalog.pricing import Prices, PriceSheet, Tier
from app.domain.settings import SettingsView


def markup_for(settings: SettingsView, *, model_name: str, provider: str) -> Decimal:
    """The share of the cost to add: the model's own, else its provider's, else the default."""
    by_model: Mapping[str, Decimal] = settings["model_markups"]
    by_provider: Mapping[str, Decimal] = settings["provider_markups"]
    default: Decimal = settings["default_markup"]
    return by_model.get(model_name, by_provider.get(provider, default))


def with_markup(cost: PriceSheet, markup: Decimal) -> PriceSheet:
    """The sale price of a cost: each stated price × (1 + `markup`), rounded up to whole nanos.

    Exact, and for a mark-up ≥ 0 never below the cost. Raises InvalidPriceSheet where a price
    becomes larger than the books hold.
    """
    assert markup.is_finite() and markup >= 0, "a mark-up is a share of the cost, 0 or more"
    numerator, denominator = markup.as_integer_ratio()

    def marked_up(prices: Prices) -> Prices:
        return Prices(
            {
                unit: ceil_div(nanos * (denominator + numerator), denominator)
                for unit, nanos in prices.nanos_per_million.items()
            }
        )

    return PriceSheet(
        marked_up(cost.prices),
        tuple(Tier(tier.above_input_tokens, marked_up(tier.prices)) for tier in cost.tiers),
    )
