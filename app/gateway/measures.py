"""What is counted of the calls to ``/v1``, for Prometheus.

A call is counted once, at its end, under one lock, in plain numbers; they become metrics when they
are asked for. Money is counted in whole nanos and shown in dollars.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.core.metrics import PREFIX, Durations
from app.core.money import NANOS_PER_USD
from app.domain.billing.settle import CallRecord, Settled
from app.gateway.call import Call
from app.gateway.charge import Charge

CALL_BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
CONTENT_BOUNDS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4)
ATTEMPT_KEYS_MAX = 1000

OK = "ok"
OTHER = "other"


class _Tally:
    """The calls to one model by one protocol.

    `endings` is by (status, outcome), `units` by unit, `bought_nanos` by channel.
    """

    def __init__(self) -> None:
        self.endings: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.duration = Durations(CALL_BOUNDS_S)
        self.first_content = Durations(CONTENT_BOUNDS_S)
        self.units: defaultdict[str, int] = defaultdict(int)
        self.estimated = 0
        self.billed_nanos = 0
        self.written_off_nanos = 0
        self.bought_nanos: defaultdict[str, int] = defaultdict(int)


class Measures(Collector):
    """The process's counts. A collector: register it where metrics are read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._attempts: defaultdict[tuple[str, str], int] = defaultdict(int)

    def refused(self, *, protocol: str, model: str, status: int, outcome: str) -> None:
        """Count a call that ended before anything was held; `model` is "" where none was found."""
        with self._lock:
            self._tally(protocol, model).endings[status, outcome] += 1

    def posted(self, call: Call, record: CallRecord, *, bill: Charge, settled: Settled) -> None:
        """Count a call that was charged."""
        assert call.route is not None
        with self._lock:
            tally = self._ended(call, record)
            assert record.duration_ms is not None
            tally.duration.observe(record.duration_ms / 1000)
            if record.first_content_ms is not None:
                tally.first_content.observe(record.first_content_ms / 1000)
            for unit, quantity in bill.units.items():
                tally.units[unit] += quantity
            tally.estimated += bill.is_estimated
            tally.billed_nanos += settled.cost_nanos
            tally.written_off_nanos += settled.written_off_nanos
            if record.upstream_cost_nanos:
                tally.bought_nanos[call.route.channel_name] += record.upstream_cost_nanos

    def voided(self, call: Call, record: CallRecord) -> None:
        """Count a call whose hold went back."""
        with self._lock:
            self._ended(call, record)

    def _ended(self, call: Call, record: CallRecord) -> _Tally:
        tally = self._tally(call.protocol.name, call.offer.name)
        tally.endings[record.status, record.reason or OK] += 1
        for attempt in call.attempts:
            key = (_channel_name(call, attempt.channel_id), attempt.outcome)
            if key not in self._attempts and len(self._attempts) >= ATTEMPT_KEYS_MAX:
                key = (key[0], OTHER)  # a provider may answer any status there is
            self._attempts[key] += 1
        return tally

    def _tally(self, protocol: str, model: str) -> _Tally:
        tally = self._tallies.get((protocol, model))
        if tally is None:
            tally = self._tallies[protocol, model] = _Tally()
        return tally

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            tallies, attempts = dict(self._tallies), dict(self._attempts)
        for labels, tally in tallies.items():
            with self._lock:  # for one at a time: calls end meanwhile
                tallies[labels] = deepcopy(tally)
        yield _attempts(attempts)
        yield from _counts(tallies)
        yield from _durations(tallies)


def _channel_name(call: Call, channel_id: int) -> str:
    routes = call.offer.routes if call.route is None else (call.route, *call.offer.routes)
    return next((one.channel_name for one in routes if one.channel_id == channel_id), OTHER)


def _attempts(attempts: Mapping[tuple[str, str], int]) -> Metric:
    family = CounterMetricFamily(
        f"{PREFIX}_attempts",
        "Tries at a channel, by how each ended.",
        labels=("channel", "outcome"),
    )
    for labels, count in attempts.items():
        family.add_metric(labels, count)
    return family


def _counts(tallies: Mapping[tuple[str, str], _Tally]) -> Iterator[Metric]:
    calls = _counter(
        "calls",
        "Calls that ended; `model` is empty where one was refused before its model was found.",
        *("status", "outcome"),
    )
    units = _counter("units", "Units billed, such as input tokens.", "unit")
    estimated = _counter(
        "estimated_calls",
        "Calls billed by our own count, where usage was missing or not believed.",
    )
    billed = _counter("billed_usd", "What calls cost the users.")
    bought = _counter(
        "upstream_cost_usd",
        "What channels charge for them, as far as their prices are known.",
        "channel",
    )
    written_off = _counter("written_off_usd", "Of the cost, what no wallet covered.")
    for labels, tally in tallies.items():
        for (status, outcome), count in tally.endings.items():
            calls.add_metric((*labels, str(status), outcome), count)
        for unit, quantity in tally.units.items():
            units.add_metric((*labels, unit), quantity)
        for channel, nanos in tally.bought_nanos.items():
            bought.add_metric((*labels, channel), nanos / NANOS_PER_USD)
        estimated.add_metric(labels, tally.estimated)
        billed.add_metric(labels, tally.billed_nanos / NANOS_PER_USD)
        written_off.add_metric(labels, tally.written_off_nanos / NANOS_PER_USD)
    yield from (calls, units, estimated, billed, bought, written_off)


def _counter(name: str, text: str, *more_labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", text, labels=("protocol", "model", *more_labels))


def _durations(tallies: Mapping[tuple[str, str], _Tally]) -> Iterator[Metric]:
    duration = HistogramMetricFamily(
        f"{PREFIX}_call_duration_seconds",
        "From the request to the settlement, of calls that were charged.",
        labels=("protocol", "model"),
    )
    first_content = HistogramMetricFamily(
        f"{PREFIX}_call_first_content_seconds",
        "From the request to the first content, of calls that were charged.",
        labels=("protocol", "model"),
    )
    for labels, tally in tallies.items():
        if not tally.duration.is_empty:
            tally.duration.show(duration, labels)
        if not tally.first_content.is_empty:
            tally.first_content.show(first_content, labels)
    yield from (duration, first_content)
