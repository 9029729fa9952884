"""Which channel is tried first: priority, then chance in proportion to the weights."""

from collections import Counter
from collections.abc import Callable
from itertools import repeat
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.channels.offers import Route
from app.domain.channels.ordering import ATTEMPTS_MAX, order_routes
from tests.factories import make_route

DRAWS = 4_000


def no_chance() -> float:
    raise AssertionError("nothing is to be decided")


def draw(routes: list[Route], *, place: int) -> Counter[int]:
    """How often each channel comes at `place` in `DRAWS` orders."""
    random = Random(20261124).random
    orders = (order_routes(routes, random=random) for _ in range(DRAWS))
    return Counter(order[place].channel_id for order in orders)


def assert_share(times: int, share: float) -> None:
    """Within five standard deviations of what `share` promises."""
    assert abs(times - DRAWS * share) < 5 * (DRAWS * share * (1 - share)) ** 0.5


ROUTES = st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 1_000_000)), max_size=8).map(
    lambda facts: [
        make_route(number, priority=priority, weight=weight)
        for number, (priority, weight) in enumerate(facts)
    ]
)
CHANCE = st.integers().map(lambda seed: Random(seed).random)


@given(ROUTES, CHANCE)
def test_an_order_holds_the_highest_priorities_once_each_and_at_most_three(
    routes: list[Route], random: Callable[[], float]
):
    order = order_routes(iter(routes), random=random)
    assert len(order) == min(len(routes), ATTEMPTS_MAX)
    assert len({chosen.channel_id for chosen in order}) == len(order)
    assert all(chosen in routes for chosen in order)
    best = sorted((given.priority for given in routes), reverse=True)[:ATTEMPTS_MAX]
    assert [chosen.priority for chosen in order] == best


@given(ROUTES)
def test_the_same_chance_gives_the_same_order(routes: list[Route]):
    first, second = (order_routes(routes, random=Random(7).random) for _ in range(2))
    assert first == second


def test_at_most_three_are_tried():
    assert ATTEMPTS_MAX == 3


@pytest.mark.parametrize("routes", [[], [make_route(1)]])
def test_where_there_is_no_choice_no_chance_is_asked(routes):
    assert order_routes(routes, random=no_chance) == routes


def test_a_higher_priority_is_first_however_light():
    routes = [make_route(1, weight=1_000_000), make_route(2, priority=1)]
    assert draw(routes, place=0) == {2: DRAWS}


def test_each_is_first_in_proportion_to_its_weight():
    times = draw(
        [make_route(1, weight=1), make_route(2, weight=3), make_route(3, weight=6)], place=0
    )
    assert_share(times[1], 0.1)
    assert_share(times[2], 0.3)
    assert_share(times[3], 0.6)


def test_second_place_is_drawn_by_weight_among_those_that_are_left():
    times = draw(
        [make_route(1, weight=1), make_route(2, weight=3), make_route(3, weight=6)], place=1
    )
    assert_share(times[1], 0.3 * 1 / 7 + 0.6 * 1 / 4)
    assert_share(times[2], 0.1 * 3 / 9 + 0.6 * 3 / 4)
    assert_share(times[3], 0.1 * 6 / 9 + 0.3 * 6 / 7)


def test_weights_count_only_within_a_priority():
    routes = [make_route(1, priority=1), make_route(2, weight=3), make_route(3, weight=1)]
    times = draw(routes, place=1)
    assert_share(times[2], 0.75)
    assert times[1] == 0


def test_chance_at_its_ends_breaks_nothing():
    routes = [make_route(1), make_route(2, weight=5), make_route(3)]
    for value in (0.0, 1.0 - 2**-53):
        order = order_routes(routes, random=repeat(value).__next__)
        assert {chosen.channel_id for chosen in order} == {1, 2, 3}
