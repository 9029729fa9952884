"""What Prometheus is told of the calls: counted once each, by bounded labels."""

import threading
from typing import Any

import pytest

from app.gateway import measures
from app.gateway.health import ChannelHealth
from tests.core.test_metrics import samples
from tests.gateway.conftest import OpenShop
from tests.gateway.shop import EMBEDDINGS_PATH, Shop

TOKEN = "t" * 32


@pytest.fixture
def metered(open_shop: OpenShop) -> Shop:
    return open_shop(METRICS_TOKEN=TOKEN)


def scrape(shop: Shop) -> dict[str, float]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = shop.app.test_client().get("/metrics", headers=headers)
    assert response.status_code == 200
    return samples(response.data)


def found(shop: Shop, name: str) -> dict[tuple[str, ...], float]:
    """The samples of one metric by their label values, in the order of the label names."""
    wanted = f"flowhub_{name}{{"
    values = {}
    for sample, value in scrape(shop).items():
        if sample.startswith(wanted):
            labels = eval(sample[len(wanted) - 1 :])  # a dict that our own test wrote
            values[tuple(labels.values())] = value
    return values


def test_call_is_counted_with_what_it_used_and_cost(metered: Shop) -> None:
    metered.set_cost("talk", input_usd="0.5", output_usd="1")
    metered.chat(metered.customer())
    call = metered.only_call()
    assert call.cost_nanos is not None
    assert call.upstream_cost_nanos is not None
    assert found(metered, "calls_total") == {("talk", "ok", "chat", "200"): 1}
    assert found(metered, "attempts_total") == {("main", "ok"): 1}
    talk = ("talk", "chat")
    assert found(metered, "billed_usd_total")[talk] == pytest.approx(call.cost_nanos / 1e9)
    bought = found(metered, "upstream_cost_usd_total")
    assert bought == {("main", "talk", "chat"): pytest.approx(call.upstream_cost_nanos / 1e9)}
    assert found(metered, "written_off_usd_total")[talk] == 0
    assert found(metered, "estimated_calls_total")[talk] == 0
    units = found(metered, "units_total")
    assert {labels[-1] for labels in units} == {"input", "output"}
    assert found(metered, "call_duration_seconds_count") == {talk: 1}
    assert found(metered, "call_first_content_seconds_count") == {talk: 1}


def test_money_of_many_calls_adds_up_to_the_books(metered: Shop) -> None:
    customer = metered.customer()
    for _ in range(3):
        metered.chat(customer)
        metered.post(customer, EMBEDDINGS_PATH, model="embed", input="x")
    billed = sum(found(metered, "billed_usd_total").values())
    assert billed == pytest.approx(sum(call.cost_nanos or 0 for call in metered.calls()) / 1e9)


@pytest.mark.parametrize(
    ("members", "ending"),
    [
        ({"model": "nope"}, ("", "model_not_found", "chat", "404")),
        ({"model": "nowhere"}, ("nowhere", "upstream_unavailable", "chat", "503")),
        (
            {"sandbox": {"behave": "status", "status": 500}},
            ("talk", "upstream_error", "chat", "502"),
        ),
    ],
    ids=["unknown", "refused", "voided"],
)
def test_call_that_cost_nothing_is_counted_by_its_ending_alone(
    metered: Shop, members: dict[str, Any], ending: tuple[str, ...]
) -> None:
    metered.chat(metered.customer(), **members)
    assert found(metered, "calls_total") == {ending: 1}
    assert found(metered, "units_total") == {}
    assert found(metered, "call_duration_seconds_count") == {}


def test_stream_is_counted_once_however_it_ends(metered: Shop) -> None:
    customer = metered.customer()
    metered.chat(customer, stream=True).get_data()
    metered.chat(customer, stream=True, sandbox={"behave": "truncate", "after": 2}).get_data()
    leaving = metered.chat(customer, stream=True)
    next(iter(leaving.iter_encoded()))
    leaving.close()
    metered.assert_at_rest()
    assert found(metered, "calls_total") == {
        ("talk", outcome, "chat", "200"): 1
        for outcome in ("ok", "upstream_truncated", "client_left")
    }
    assert found(metered, "estimated_calls_total")["talk", "chat"] >= 1


def test_running_stream_is_seen(metered: Shop) -> None:
    response = metered.chat(metered.customer(), stream=True)
    next(iter(response.iter_encoded()))
    seen = scrape(metered)
    response.close()
    for name, value in (("streams", 1), ("slots_taken", 1), ("pending_holds", 1)):
        assert seen[f"flowhub_{name}{{}}"] == value
    assert seen["flowhub_bodies_bytes{}"] > 0
    assert seen["flowhub_pending_holds_usd{}"] > 0
    assert 0 <= seen["flowhub_oldest_pending_hold_seconds{}"] < 60
    metered.assert_at_rest()
    assert scrape(metered)["flowhub_streams{}"] == 0


def test_failover_counts_every_attempt(metered: Shop) -> None:
    metered.add_channel("dear", "http://127.0.0.1:9/v1", priority=9)
    metered.chat(metered.customer())
    assert found(metered, "attempts_total") == {("dear", "ConnectFailed"): 1, ("main", "ok"): 1}


def test_no_label_names_a_person_a_key_or_what_a_client_wrote(metered: Shop) -> None:
    customer = metered.customer()
    label = {"X-Client-Request-Id": "LABEL-CANARY"}
    canary = [{"role": "user", "content": "PROMPT-CANARY"}]
    metered.chat(customer, messages=canary, user="USER-CANARY", headers=label)
    metered.chat(customer, model="MODEL-CANARY")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    text = metered.app.test_client().get("/metrics", headers=headers).get_data(as_text=True)
    assert "CANARY" not in text
    assert customer.secret not in text
    assert str(customer.user_id) not in {word.strip('"') for word in text.split()}


def test_statuses_that_providers_invent_do_not_grow_without_end(
    metered: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "ATTEMPT_KEYS_MAX", 3)
    customer = metered.customer()
    for status in (500, 501, 502, 505, 506, 507):
        metered.services.gateway.health = ChannelHealth()  # else its breaker opens
        metered.chat(customer, sandbox={"behave": "status", "status": status})
    attempts = found(metered, "attempts_total")
    assert len(attempts) == 4
    assert attempts["main", "other"] == 3


def test_scrape_while_calls_end_sees_whole_numbers(metered: Shop) -> None:
    customer = metered.customer()
    ended = threading.Event()

    def call() -> None:
        for _ in range(30):
            metered.chat(customer)
        ended.set()

    thread = threading.Thread(target=call)
    thread.start()
    while not ended.is_set():
        assert all(value == int(value) for value in found(metered, "calls_total").values())
    thread.join()
    assert sum(found(metered, "calls_total").values()) == 30
