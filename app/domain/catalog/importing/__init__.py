"""Public price lists, read as models with their list prices. Reads; writes nothing."""

from app.domain.catalog.importing.files import ListFormat, read_price_list
from app.domain.catalog.importing.listed import ListedModel, PriceList, Skipped, SkipReason

__all__ = [
    "ListFormat",
    "ListedModel",
    "PriceList",
    "SkipReason",
    "Skipped",
    "read_price_list",
]
