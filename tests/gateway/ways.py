"""Ways to a model, without any provider behind them, and a clock to test their health by."""

from app.domain.channels.breaker import BreakerRules
from app.domain.channels.offers import Route
from app.gateway.health import ChannelHealth
from app.gateway.provider_errors import Sort
from tests.factories import make_route

MODEL = 7
RULES = BreakerRules()
SECRET = "sk-provider-canary"


class Time:
    def __init__(self) -> None:
        self.now_s = 10_000.0

    def __call__(self) -> float:
        return self.now_s


def route(channel_id: int = 1, **facts: object) -> Route:
    return make_route(channel_id, **{"api_key": SECRET, **facts})


def fail(health: ChannelHealth, way: Route, times: int = 1, sort: Sort = Sort.ELSEWHERE) -> None:
    for _ in range(times):
        health.failed(way, MODEL, sort=sort, outcome="status_500")


def open_it(health: ChannelHealth, way: Route) -> None:
    fail(health, way, RULES.calls_min)
    assert not health.is_healthy(way, MODEL)
