"""What a process counts for Prometheus: a registry of its own for each app, and how it is read.

Names follow Prometheus' conventions: base units, ``_total`` for what only grows. Labels are few and
bounded, words of ours or names that the operator gave: never a user, a key, an IP, or a text that
a client sent.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

PREFIX = "flowhub"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each count, which nobody asks for

REQUEST_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The registry, what every program of the kind tells of itself, and requests by surface.

    Requests are those that the framework serves; what takes the fast lane is counted as calls.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Counter(
            f"{PREFIX}_http_requests",
            "Requests outside the fast lane, by surface, method and class of status.",
            ("surface", "method", "status"),
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            f"{PREFIX}_http_request_duration_seconds",
            "Time until the answer's head was ready, by surface.",
            ("surface",),
            buckets=REQUEST_BOUNDS_S,
            registry=self.registry,
        )

    def count_request(self, *, surface: str, method: str, status: int, duration_s: float) -> None:
        method = method if method in _METHODS else "other"
        self._requests.labels(surface, method, f"{status // 100}xx").inc()
        self._request_seconds.labels(surface).observe(duration_s)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})


class Durations:
    """A histogram as plain numbers, for whoever counts many things under one lock of its own: a
    tenth of the price of the library's. `bounds_s` rise."""

    __slots__ = ("_bounds_s", "_counts", "_sum_s")

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self._sum_s += seconds

    @property
    def is_empty(self) -> bool:
        return not any(self._counts)

    def show(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Add this one to a family, in the cumulative form that Prometheus wants."""
        family.add_metric(labels, buckets=list(self._cumulative()), sum_value=self._sum_s)

    def _cumulative(self) -> Iterator[tuple[str, float]]:
        total = 0
        for bound, count in zip((*self._bounds_s, "+Inf"), self._counts, strict=True):
            total += count
            yield str(bound), total
