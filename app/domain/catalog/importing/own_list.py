"""The starting catalogue as a price list: what is shipped is reviewed like any other."""

from dataclasses import fields

from app.domain.catalog.importing.listed import ListedModel, PriceList
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.starting import starting_models


def own_price_list() -> PriceList:
    """Every model that the program brings, at its maker's list price of October 2026."""
    return PriceList(models=tuple(_listed(new) for new in starting_models()), skipped=())


def _listed(new: NewModel) -> ListedModel:
    return ListedModel(
        key=new.name, **{field.name: getattr(new, field.name) for field in fields(new)}
    )
