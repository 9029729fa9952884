"""Which channel is tried first: a pure function of the routes and one random number source."""

from collections.abc import Callable, Iterable

from app.domain.channels.offers import Route

ATTEMPTS_MAX = 3


def order_routes(routes: Iterable[Route], *, random: Callable[[], float]) -> list[Route]:
    """Highest priority first; within a priority a weighted shuffle, so that each is first in
    proportion to its weight (Efraimidis and Spirakis: sort by u^(1/weight)). At most three.
    """
    routes = list(routes)
    if len(routes) < 2:
        return routes
    keyed = [(route.priority, random() ** (1 / route.weight), route) for route in routes]
    keyed.sort(key=lambda entry: entry[:2], reverse=True)
    return [route for _, _, route in keyed[:ATTEMPTS_MAX]]
