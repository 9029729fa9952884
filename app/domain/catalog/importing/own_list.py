"""The starting catalogue as a price list: what is shipped is reviewed like any other."""

from app.domain.catalog.importing.listed import ListedModel, PriceList
from app.domain.catalog.starting import StartingModel, starting_models


def own_price_list() -> PriceList:
    """Every model that the program brings, at its maker's list price of October 2026."""
    return PriceList(models=tuple(_listed(row) for row in starting_models()), skipped=())


def _listed(row: StartingModel) -> ListedModel:
    return ListedModel(
        key=row.id,
        name=row.id,
        provider=row.provider,
        kind=row.kind,
        sheet=row.price_sheet,
        abilities=row.abilities,
        max_input_tokens=row.max_input_tokens,
        max_output_tokens=row.max_output_tokens,
        max_tokens_per_input_image=row.max_tokens_per_input_image,
        max_tokens_per_output_image=row.max_tokens_per_output_image,
        embedding_size=row.embedding_size,
        retires_on=row.retires_on,
    )
