"""The registry of a process, and the plain histogram."""

import pytest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from app.core.metrics import Durations, Metrics


def samples(text: bytes) -> dict[str, float]:
    """Every sample by its name and labels, as they are written."""
    return {
        f"{sample.name}{dict(sorted(sample.labels.items()))}": sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_surface_method_and_class():
    metrics = Metrics()
    for method, status in (("GET", 200), ("GET", 204), ("GET", 404), ("HACK", 405)):
        metrics.count_request(surface="page", method=method, status=status, duration_s=0.01)
    found = samples(metrics.text())
    name = "flowhub_http_requests_total"
    assert found[f"{name}{{'method': 'GET', 'status': '2xx', 'surface': 'page'}}"] == 2
    assert found[f"{name}{{'method': 'GET', 'status': '4xx', 'surface': 'page'}}"] == 1
    assert found[f"{name}{{'method': 'other', 'status': '4xx', 'surface': 'page'}}"] == 1
    assert found["flowhub_http_request_duration_seconds_count{'surface': 'page'}"] == 4


def test_each_process_tells_of_itself_and_of_no_other():
    one, other = Metrics(), Metrics()
    one.count_request(surface="page", method="GET", status=200, duration_s=0.01)
    assert b'surface="page"' in one.text()
    assert b'surface="page"' not in other.text()
    assert b"process_resident_memory_bytes" in other.text()
    assert b"python_info" in other.text()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((), [0, 0, 0]),
        ((0.5,), [1, 1, 1]),
        ((1.0,), [1, 1, 1]),
        ((1.01, 2.0), [0, 2, 2]),
        ((9.0, 0.0), [1, 1, 2]),
    ],
)
def test_durations_are_shown_cumulative_with_their_bound_inside(seconds, expected):
    durations = Durations((1.0, 2.0))
    for each in seconds:
        durations.observe(each)
    family = HistogramMetricFamily("x_seconds", "x", labels=("model",))
    durations.show(family, ("talk",))
    buckets = [one.value for one in family.samples if one.name.endswith("_bucket")]
    total = [one.value for one in family.samples if one.name.endswith("_sum")]
    assert buckets == expected
    assert total == [pytest.approx(sum(seconds))]
    assert durations.is_empty is (not seconds)
