"""What a key may do on ``/v1``: whose error wins, networks, models, running calls, spend caps."""

import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from app.core.errors import AppError
from app.core.ratelimit import Quota
from app.domain.accounts.limits import change_limits
from app.domain.accounts.models import ApiKey
from app.gateway.errors import ServerBusy
from app.gateway.inbound import Inbound
from app.gateway.limits import RESERVED_THREADS, RunningCounts
from tests.gateway.conftest import OpenShop
from tests.gateway.shop import (
    CHAT_PATH,
    MESSAGES,
    PLENTY_NANOS,
    Customer,
    Shop,
    limited,
    wait_until,
)

PROMISED_S = 1.0
HERE = "127.0.0.1"
ELSEWHERE = "192.0.2.0/24"
PAST = datetime(2020, 1, 1, tzinfo=UTC)

# Every fault of a request that its key can bring about, in the order in which they win.
FAULTS = {
    "credentials": (400, "conflicting_credentials"),
    "expired": (403, "key_expired"),
    "network": (403, "ip_not_allowed"),
    "requests": (429, "rate_limit_exceeded"),
    "running": (429, "too_many_running"),
    "slot": (503, "server_busy"),
    "body": (400, "invalid_json"),
    "model": (403, "model_not_allowed"),
    "tokens": (429, "rate_limit_exceeded"),
    "money": (402, "insufficient_balance"),
    "nothing": (200, None),
}
LIMITS: dict[str, dict[str, Any]] = {
    "network": {"networks": [ELSEWHERE]},
    "requests": {"requests_per_minute": 5},
    "running": {"max_running": 2},
    "model": {"models": ["thinker"]},
    "tokens": {"tokens_per_minute": 1_000},
}


def refusal(answer: TestResponse) -> tuple[int, str | None]:
    error = answer.json.get("error")
    return answer.status_code, None if error is None else error["code"]


def wrong_customer(shop: Shop, faults: set[str]) -> Customer:
    """A customer whose key has all of these faults already."""
    limits: dict[str, Any] = {}
    for fault in faults & set(LIMITS):
        limits |= LIMITS[fault]
    customer = limited(shop, paid_nanos=0 if "money" in faults else PLENTY_NANOS, **limits)
    subject = str(customer.cap_id)
    if "requests" in faults:
        shop.services.limiter.take(Quota("key-requests", subject, 5), 5)
    if "tokens" in faults:
        shop.services.limiter.take(Quota("key-tokens", subject, 1_000), 1_000)
    if "running" in faults:
        assert customer.cap_id is not None
        for _ in range(2):
            shop.services.gateway.running_counts.start(customer.cap_id)
    if "expired" in faults:
        with shop.session() as session:
            key = update(ApiKey).where(ApiKey.id == customer.key_id)
            session.execute(key.values(expires_at=PAST))
    return customer


def take_every_slot(shop: Shop) -> None:
    gateway, rich = shop.services.gateway, shop.customer()
    caller = gateway.keys.authenticate(
        Inbound({"HTTP_AUTHORIZATION": f"Bearer {rich.secret}", "REMOTE_ADDR": HERE})
    )
    with pytest.raises(ServerBusy):
        while True:
            gateway.slots.take(caller)


@pytest.mark.parametrize("first", FAULTS)
def test_of_many_faults_the_first_wins(open_shop: OpenShop, first: str):
    shop = open_shop(THREADS=RESERVED_THREADS + 2)
    order = list(FAULTS)
    faults = set(order[order.index(first) :])
    customer = wrong_customer(shop, faults)
    if "slot" in faults:
        take_every_slot(shop)
    body = json.dumps({"model": "talk", "messages": MESSAGES}).encode()
    answer = shop.post(
        customer,
        raw=body[:-1] if "body" in faults else body,
        headers={"X-Api-Key": "sk-another"} if "credentials" in faults else None,
    )
    assert refusal(answer) == FAULTS[first]
    assert len(shop.calls()) == (first == "nothing")


class TestNetworks:
    def ask(self, shop: Shop, customer: Customer, ip: str, **headers: str) -> TestResponse:
        return shop.app.test_client().post(
            CHAT_PATH,
            json={"model": "talk", "messages": MESSAGES},
            headers=customer.headers | headers,
            environ_base={"REMOTE_ADDR": ip},
        )

    @pytest.mark.parametrize("ip", ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"])
    def test_key_works_from_its_networks(self, shop: Shop, ip: str):
        customer = limited(shop, networks=[ELSEWHERE, "2001:db8::/32"])
        assert self.ask(shop, customer, ip).status_code == 200

    @pytest.mark.parametrize("ip", ["192.0.3.1", "2001:db9::1", "", "nonsense"])
    def test_key_works_from_nowhere_else(self, shop: Shop, ip: str):
        customer = limited(shop, networks=[ELSEWHERE, "2001:db8::/32"])
        answer = self.ask(shop, customer, ip)
        assert refusal(answer) == (403, "ip_not_allowed")
        assert answer.json["error"]["type"] == "permission_error"
        assert shop.calls() == []

    def test_forwarded_ip_counts_behind_a_trusted_proxy_alone(self, open_shop: OpenShop):
        shop = open_shop(TRUSTED_PROXIES="10.0.0.0/8")
        customer = limited(shop, networks=[ELSEWHERE])
        forwarded = {"X-Forwarded-For": "192.0.2.5"}
        assert self.ask(shop, customer, "10.0.0.1", **forwarded).status_code == 200
        assert self.ask(shop, customer, "203.0.113.9", **forwarded).status_code == 403
        spoofed = {"X-Forwarded-For": "192.0.2.5, 203.0.113.9"}
        assert self.ask(shop, customer, "10.0.0.1", **spoofed).status_code == 403

    @pytest.mark.parametrize("path", ["/v1/models", "/v1/models/talk"])
    def test_lists_are_closed_too(self, shop: Shop, path: str):
        customer = limited(shop, networks=[ELSEWHERE])
        answer = shop.app.test_client().get(path, headers=customer.headers)
        assert refusal(answer) == (403, "ip_not_allowed")


class TestModels:
    def test_only_listed_models_are_called(self, shop: Shop):
        customer = limited(shop, models=["talk", "vendor/family/talk"])
        assert shop.chat(customer).status_code == 200
        assert shop.chat(customer, model="vendor/family/talk").status_code == 200
        for other in ("thinker", "unheard-of", "TALK", "embed"):
            answer = shop.chat(customer, model=other)
            assert refusal(answer) == (403, "model_not_allowed"), other
            assert answer.json["error"]["param"] == "model"

    def test_only_listed_models_are_shown(self, shop: Shop):
        customer = limited(shop, models=["talk", "retired"])
        client = shop.app.test_client()
        listed = client.get("/v1/models", headers=customer.headers).json["data"]
        assert [model["id"] for model in listed] == ["talk"]
        assert client.get("/v1/models/talk", headers=customer.headers).status_code == 200
        for other in ("thinker", "retired"):
            answer = client.get(f"/v1/models/{other}", headers=customer.headers)
            assert refusal(answer) == (404, "model_not_found")


class TestRunning:
    @pytest.mark.parametrize("is_streamed", [False, True])
    def test_client_that_waits_for_its_answer_is_never_refused(self, shop: Shop, is_streamed: bool):
        customer = limited(shop, max_running=1)
        for _ in range(10):
            answer = shop.chat(customer, stream=is_streamed)
            assert answer.get_data()
            assert answer.status_code == 200
        shop.assert_at_rest()

    def test_full_process_refuses_before_it_reads_or_writes(self, shop: Shop):
        customer = limited(shop, max_running=1)
        first = shop.chat(customer, stream=True)
        next(iter(first.response))
        answer = shop.post(customer, raw=b"{")
        assert refusal(answer) == (429, "too_many_running")
        assert answer.headers["Retry-After"] == "1"
        assert shop.chat(shop.child(customer)).status_code == 429  # the family runs together
        assert shop.chat(shop.customer(max_running=1)).status_code == 200
        first.close()
        assert shop.chat(customer).status_code == 200
        shop.assert_at_rest()

    def test_what_another_process_runs_is_seen_by_the_reserve(self, shop: Shop):
        customer = limited(shop, max_running=1)
        first = shop.chat(customer, stream=True)
        next(iter(first.response))
        shop.services.gateway.running_counts = RunningCounts()  # as another process has it
        assert refusal(shop.chat(customer)) == (429, "too_many_running")
        assert len(shop.services.gateway.running_counts) == 0
        first.close()
        shop.assert_at_rest()

    @pytest.mark.parametrize(
        ("members", "status"),
        [
            ({"n": 0}, 400),
            ({"max_tokens": 4_000}, 402),
            ({"sandbox": {"behave": "status", "status": 500}}, 502),
            ({"stream": True, "sandbox": {"behave": "truncate", "after": 1}}, 200),
            ({"stream": True, "sandbox": {"behave": "error_after_200"}}, 502),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_count_goes_back_however_a_call_ends(
        self, shop: Shop, members: dict[str, Any], status: int
    ):
        customer = limited(shop, paid_nanos=5_000_000, max_running=1)
        for _ in range(2):
            answer = shop.chat(customer, **members)
            answer.get_data()
            assert answer.status_code == status
        shop.assert_at_rest()

    def test_counts_are_exact_under_threads(self):
        counts = RunningCounts()

        def run() -> None:
            for number in range(500):
                running = counts.start(number % 3)
                running.release()
                running.release()

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(counts) == 0


class TestCap:
    @pytest.mark.parametrize(
        ("period", "ends"), [("day", "T00:00:00.000Z"), ("month", "-01T00:00:00.000Z")]
    )
    def test_reached_cap_says_when_it_starts_anew(self, shop: Shop, period: str, ends: str):
        customer = limited(shop, cap_nanos=2_000, period=period)
        answer = shop.chat(customer)
        assert refusal(answer) == (402, "key_cap_reached")
        error = answer.json["error"]
        assert error["available_usd"] == "0.000002"
        assert error["cap_starts_anew_at"].endswith(ends)
        assert error["cap_starts_anew_at"] > datetime.now(UTC).isoformat()
        assert f"starts anew at {error['cap_starts_anew_at']}" in error["message"]
        assert "Retry-After" not in answer.headers

    def test_empty_wallet_is_not_blamed_on_the_cap(self, shop: Shop):
        answer = shop.chat(limited(shop, paid_nanos=0, cap_nanos=10**12))
        assert refusal(answer) == (402, "insufficient_balance")
        assert "cap_starts_anew_at" not in answer.json["error"]

    def test_daily_cap_is_never_passed_by_calls_at_once(self, any_shop: Shop):
        customer = limited(any_shop, cap_nanos=2_000_000, period="day")
        statuses: Counter[int] = Counter()

        def call() -> None:
            for _ in range(6):
                statuses[any_shop.chat(customer, max_tokens=20).status_code] += 1

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200, 402}
        charged = sum(call.cost_nanos or 0 for call in any_shop.calls())
        assert 0 < charged <= 2_000_000
        any_shop.assert_at_rest()


@pytest.mark.slow
def test_changed_limits_are_in_force_within_a_second(shop: Shop):
    customer = shop.customer()
    assert shop.chat(customer).status_code == 200
    with shop.session() as session:
        key = session.get_one(ApiKey, customer.key_id)
        change_limits(session, key=key, changes={"networks": [ELSEWHERE]}, actor="test")
    began_s = time.monotonic()
    inbound = {"HTTP_AUTHORIZATION": f"Bearer {customer.secret}", "REMOTE_ADDR": HERE}

    def is_refused() -> bool:
        try:
            shop.services.gateway.keys.authenticate(Inbound(inbound))
        except AppError as error:
            return error.reason == "ip_not_allowed"
        return False

    assert wait_until(is_refused, patience_s=2 * PROMISED_S)
    assert time.monotonic() - began_s < PROMISED_S
