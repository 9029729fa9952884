"""What bounds the cost of a model on one channel."""

from app.domain.billing.bound_facts import BoundFacts, bound_facts
from app.domain.channels.offers import Offer, Route


def facts_of(offer: Offer, route: Route) -> BoundFacts:
    """What bounds the cost of a model on one channel."""
    return bound_facts(
        max_input_tokens=offer.max_input_tokens,
        max_output_tokens=offer.max_output_tokens,
        max_tokens_per_input_image=offer.max_tokens_per_input_image,
        max_tokens_per_output_image=offer.max_tokens_per_output_image,
        is_reasoning="reasoning" in offer.abilities,
        output_limit_includes_reasoning=route.limit_includes_reasoning,
        enforces_output_maximum=route.enforces_limit,
    )
