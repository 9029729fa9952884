"""Ways to a model, without any provider behind them, and a clock to test their health by."""

from dataclasses import replace

from app.domain.channels.breaker import BreakerRules
from app.domain.channels.models import LimitField, StreamUsage
from app.domain.channels.offers import PriceHistory, Route
from app.gateway.health import ChannelHealth
from app.gateway.provider_errors import Sort

MODEL = 7
RULES = BreakerRules()
SECRET = "sk-provider-canary"


class Time:
    def __init__(self) -> None:
        self.now_s = 10_000.0

    def __call__(self) -> float:
        return self.now_s


def route(channel_id: int = 1, **facts: object) -> Route:
    plain = Route(
        channel_id=channel_id,
        channel_name=f"channel{channel_id}",
        base_url="https://provider.example/v1",
        api_key=SECRET,
        allow_private=False,
        priority=0,
        weight=1,
        upstream_name="talk",
        limit_field=LimitField.MAX_TOKENS,
        limit_includes_reasoning=True,
        enforces_limit=True,
        stream_usage=StreamUsage.ASK,
        cancel_stops_billing=False,
        cut_member=None,
        base64_embeddings=True,
        knows_service_tier=False,
        knows_safety_identifier=False,
        retry_after_timeout=False,
        costs=PriceHistory.of([]),
    )
    return replace(plain, **facts)  # type: ignore[arg-type]


def fail(health: ChannelHealth, way: Route, times: int = 1, sort: Sort = Sort.ELSEWHERE) -> None:
    for _ in range(times):
        health.failed(way, MODEL, sort=sort, outcome="status_500")


def open_it(health: ChannelHealth, way: Route) -> None:
    fail(health, way, RULES.calls_min)
    assert not health.is_healthy(way, MODEL)
