"""What is true at the moment of a scrape: of this process, and of the database that all share."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core import clock, ids
from app.core.errors import Unavailable
from app.core.metrics import PREFIX
from app.core.money import NANOS_PER_USD
from app.domain.alerts.models import Alert
from app.domain.billing.models import Call, CallState
from app.domain.channels.models import BreakerTurn
from app.domain.channels.states import StateView, breaker_states
from app.services import Services

KEPT_S = 2.0


class ProcessGauges(Collector):
    """How full this process is."""

    def __init__(self, process: Services) -> None:
        self._process = process

    def collect(self) -> Iterable[Metric]:
        gateway, writer = self._process.gateway, self._process.writer
        info = _gauge("build_info", "Always 1; the labels say what runs.", "database")
        info.add_metric((self._process.engine.dialect.name,), 1)
        yield info
        for name, text, value in (
            ("draining", "1 while the process takes no new calls.", int(gateway.is_draining)),
            ("slots", "Places for calls that run at the same time.", gateway.slots.places),
            ("slots_taken", "Places that are taken.", gateway.slots.taken),
            ("streams", "Streams that are being delivered.", len(gateway.running)),
            ("bodies_bytes", "Request bodies in memory.", gateway.bodies.taken_bytes),
            (
                "idle_upstream_connections",
                "Connections to providers kept for later.",
                gateway.pool.idle_connections,
            ),
            ("writer_queue", "Writes that wait for the next commit.", writer.queue_length),
        ):
            yield _gauge(name, text, value=value)
        for name, text, count in (
            ("writer_batches", "Commits of the writer.", writer.batches),
            ("writer_writes", "Writes in them.", writer.batched_writes),
        ):
            yield CounterMetricFamily(f"{PREFIX}_{name}", text, value=count)


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at the database found. `alerts` counts the open ones by kind."""

    holds: int
    held_nanos: int
    oldest_hold_id: int | None
    alerts: Mapping[str, int]
    breakers: tuple[StateView, ...]


class DatabaseGauges(Collector):
    """What waits in the database. A look is kept for two seconds, however many scrape."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._look: _Look | None = None
        self._good_until_s = 0.0

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if clock.monotonic() >= self._good_until_s:
                self._look = _look(self._engine)
                self._good_until_s = clock.monotonic() + KEPT_S
            look = self._look
        yield _gauge(
            "database_up", "0 where the database does not answer.", value=int(look is not None)
        )
        if look is not None:
            yield from _shown(look)


def _look(engine: Engine) -> _Look | None:
    held_nanos = Call.held_trial_nanos + Call.held_paid_nanos
    holds = select(func.count(), func.sum(held_nanos), func.min(Call.id)).where(
        Call.state == CallState.PENDING
    )
    alerts = (
        select(Alert.kind, func.count()).where(Alert.resolved_at.is_(None)).group_by(Alert.kind)
    )
    try:
        with Session(engine) as session:
            count, sum_nanos, oldest_id = session.execute(holds).one()
            return _Look(
                holds=count,
                held_nanos=int(sum_nanos or 0),
                oldest_hold_id=oldest_id,
                alerts={row[0]: row[1] for row in session.execute(alerts)},
                breakers=tuple(breaker_states(session)),
            )
    except (SQLAlchemyError, Unavailable):
        return None


def _shown(look: _Look) -> Iterator[Metric]:
    age_s = 0.0
    if look.oldest_hold_id is not None:
        age_s = max(clock.now_ms() - ids.moment_ms_of(look.oldest_hold_id), 0) / 1000
    yield _gauge("pending_holds", "Calls that are not settled yet.", value=look.holds)
    yield _gauge(
        "pending_holds_usd", "What they hold together.", value=look.held_nanos / NANOS_PER_USD
    )
    yield _gauge("oldest_pending_hold_seconds", "The age of the oldest of them.", value=age_s)
    alerts = _gauge("open_alerts", "Alerts that wait for the operator.", "kind")
    for kind, count in look.alerts.items():
        alerts.add_metric((kind,), count)
    yield alerts
    breakers = _gauge(
        "breaker_state",
        "1 for what the breaker of a channel for a model does now, as last stored.",
        *("channel", "model", "state"),
    )
    for view in look.breakers:
        for turn in BreakerTurn:
            labels = (view.channel_name, view.model_name, turn.value)
            breakers.add_metric(labels, int(view.state.turn is turn))
    yield breakers


def _gauge(name: str, text: str, *labels: str, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(
        f"{PREFIX}_{name}", text, labels=labels or None, value=None if labels else value
    )
