"""Public price lists, read as models with their list prices. Reads; writes nothing."""

from app.domain.catalog.importing.files import ListFormat, read_price_list
from app.domain.catalog.importing.listed import ListedModel, PriceList, Skipped, SkipReason
from app.domain.catalog.importing.own_list import own_price_list

__all__ = [
    "ListFormat",
    "ListedModel",
    "PriceList",
    "SkipReason",
    "Skipped",
    "own_price_list",
    "read_price_list",
]
