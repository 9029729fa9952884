"""Many calls at once through the real server: what is admitted is exactly what can be paid."""

import http.client
import json
import threading
from collections import Counter
from typing import Any

import pytest

from app.domain.accounts.models import KeyScope, User
from app.domain.billing.values import Balances
from app.gateway.limits import RESERVED_THREADS, Slots
from tests import factories
from tests.gateway.shop import CHAT_PATH, MESSAGES, Customer, Shop
from tests.running_product import running_product

CALLERS = 50
AFFORDABLE = 10
# Long enough that the last of the fifty asks before the first has its answer.
ANSWER_AFTER_S = 2.0


@pytest.fixture
def busy_shop(any_shop: Shop) -> Shop:
    """A shop with a place for every caller, also where all are on trial."""
    any_shop.app.config["THREADS"] = RESERVED_THREADS + CALLERS
    any_shop.services.gateway.slots = Slots(RESERVED_THREADS + 4 * CALLERS)
    return any_shop


def body_of(*, is_slow: bool) -> bytes:
    """Both bodies are of the same size, and so cost the same hold."""
    delay_s = ANSWER_AFTER_S if is_slow else 0.0
    asked = {"model": "talk", "messages": MESSAGES, "max_tokens": 20}
    return json.dumps({**asked, "sandbox": {"delay_s": delay_s}}).encode()


def one_hold(shop: Shop) -> int:
    """What one such call holds."""
    assert len(body_of(is_slow=True)) == len(body_of(is_slow=False))
    assert shop.post(shop.customer(), raw=body_of(is_slow=False)).status_code == 200
    call = shop.only_call()
    return call.held_paid_nanos


def race(shop: Shop, customers: list[Customer]) -> tuple[Counter[int], list[Balances]]:
    """The statuses of one call each, sent at the same moment, and balances seen meanwhile."""
    statuses: list[int] = []
    barrier = threading.Barrier(len(customers))
    is_over = threading.Event()
    seen: list[Balances] = []

    def call(customer: Customer, base_url: str) -> None:
        connection = http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=30)
        connection.connect()
        headers = customer.headers | {"Content-Type": "application/json"}
        barrier.wait()
        connection.request("POST", CHAT_PATH, body=body_of(is_slow=True), headers=headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        statuses.append(response.status)

    def watch() -> None:
        while not is_over.wait(0.05):
            seen.append(shop.balances(customers[0]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with running_product(shop.app) as base_url:
        callers = [threading.Thread(target=call, args=(each, base_url)) for each in customers]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    is_over.set()
    watcher.join()
    return Counter(statuses), seen


CASES: dict[str, dict[str, Any]] = {
    "paid": {"paid": AFFORDABLE},
    "both-buckets": {"paid": AFFORDABLE - 4, "trial": 4},
    "split-in-a-call": {"paid": AFFORDABLE - 4.5, "trial": 4.5},
    "trial-key": {"paid": 1_000, "trial": AFFORDABLE, "scope": KeyScope.TRIAL},
    "cap": {"paid": 1_000, "cap": AFFORDABLE},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_exactly_what_can_be_paid_is_admitted(busy_shop: Shop, case: dict[str, Any]):
    hold = one_hold(busy_shop)
    cap = case.get("cap")
    customer = busy_shop.customer(
        paid_nanos=int(case["paid"] * hold),
        trial_nanos=int(case.get("trial", 0) * hold),
        scope=case.get("scope", KeyScope.FULL),
        **({} if cap is None else {"cap_nanos": cap * hold}),
    )
    before = busy_shop.balances(customer)
    statuses, seen = race(busy_shop, [customer] * CALLERS)
    assert statuses == {200: AFFORDABLE, 402: CALLERS - AFFORDABLE}
    assert seen
    for balances in seen:
        assert 0 <= balances.trial_held <= balances.trial_balance
        assert 0 <= balances.paid_held <= balances.paid_balance
    after = busy_shop.balances(customer)
    calls = busy_shop.calls()[1:]
    assert len(calls) == AFFORDABLE
    spent = sum(call.cost_nanos for call in calls)
    assert spent == (before.trial_balance + before.paid_balance) - (
        after.trial_balance + after.paid_balance
    )
    if case.get("scope") is KeyScope.TRIAL:
        assert after.paid_balance == before.paid_balance
    busy_shop.assert_at_rest()


@pytest.mark.slow
def test_key_with_a_concurrency_limit_never_runs_more(busy_shop: Shop):
    customer = busy_shop.customer(max_running=7)
    statuses, _ = race(busy_shop, [customer] * CALLERS)
    assert statuses == {200: 7, 429: CALLERS - 7}
    busy_shop.assert_at_rest()


@pytest.mark.slow
def test_keys_of_one_user_share_one_wallet(busy_shop: Shop):
    """Half the calls come with a trial key, half with a full one."""
    hold = one_hold(busy_shop)
    full = busy_shop.customer(paid_nanos=6 * hold, trial_nanos=4 * hold)
    with busy_shop.session() as session:
        user = session.get_one(User, full.user_id)
        key, secret = factories.make_key(
            session, busy_shop.services.digester, user, scope=KeyScope.TRIAL
        )
        trial = Customer(user.id, key.id, secret)
    statuses, seen = race(busy_shop, [full, trial] * (CALLERS // 2))
    assert statuses == {200: AFFORDABLE, 402: CALLERS - AFFORDABLE}
    assert all(balances.paid_held <= balances.paid_balance for balances in seen)
    trial_calls = [call for call in busy_shop.calls() if call.key_id == trial.key_id]
    assert len(trial_calls) <= 4
    assert all(call.held_paid_nanos == 0 for call in trial_calls)
    busy_shop.assert_at_rest()
