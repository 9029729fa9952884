"""What a key's holder may ask: the balance, and the receipt of its own requests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.test import TestResponse

from app.core.ids import request_id
from app.core.money import format_usd
from app.domain.accounts.models import KeyState, User
from app.domain.billing.models import CallState
from tests.factories import make_key
from tests.gateway.shop import PLENTY_NANOS, Customer, Shop, wait_until


def ask(shop: Shop, path: str, customer: Customer) -> TestResponse:
    return shop.app.test_client().get(path, headers=customer.headers)


def test_balance_of_a_full_key_is_both_buckets(shop: Shop):
    customer = shop.customer(paid_nanos=1_500_000_000, trial_nanos=200_000_000)
    answer = ask(shop, "/api/user/balance", customer)
    assert answer.json == {
        "code": 0,
        "message": "success",
        "data": {
            "balance": "1.7",
            "trial": "0.2",
            "paid": "1.5",
            "held": "0",
            "cny_balance": "12.24",
        },
    }
    assert answer.headers["Cache-Control"] == "no-store"


def test_balance_of_a_trial_key_hides_the_paid_bucket(shop: Shop):
    customer = shop.trial_customer(trial_nanos=200_000_000, paid_nanos=PLENTY_NANOS)
    data = ask(shop, "/api/user/balance", customer).json["data"]
    assert (data["balance"], data["trial"], data["paid"]) == ("0.2", "0.2", "0")


def test_balance_tells_what_running_requests_hold(shop: Shop):
    customer = shop.customer()
    with _running_call(shop, customer):
        held = ask(shop, "/api/user/balance", customer).json["data"]["held"]
        call = shop.only_call()
        assert held == format_usd(call.held_trial_nanos + call.held_paid_nanos) != "0"
    assert ask(shop, "/api/user/balance", customer).json["data"]["held"] == "0"


def test_receipt_shows_the_arithmetic_of_the_cost(shop: Shop):
    customer = shop.customer()
    answer = shop.chat(
        customer,
        sandbox={"usage": {"prompt_tokens": 30, "completion_tokens": 7}},
        max_tokens=50,
    )
    receipt = ask(shop, f"/api/usage/{answer.headers['X-Request-Id']}", customer).json["data"]
    lines = {line["unit"]: line for line in receipt["lines"]}
    assert {unit: line["quantity"] for unit, line in lines.items()} == {"input": 30, "output": 7}
    assert receipt["cost_usd"] == receipt["charged_usd"] == answer.headers["X-Cost-Usd"]
    assert (receipt["state"], receipt["status"], receipt["is_estimated"]) == ("posted", 200, False)
    assert (receipt["trial_usd"], receipt["paid_usd"]) == ("0", receipt["cost_usd"])


def test_receipt_of_a_running_request_is_202(shop: Shop):
    customer = shop.customer()
    with _running_call(shop, customer):
        path = f"/api/usage/{request_id(shop.only_call().id)}"
        answer = ask(shop, path, customer)
        assert answer.status_code == 202
        assert answer.json["data"]["state"] == "running"
        assert answer.json["data"]["cost_usd"] is None
    assert ask(shop, path, customer).status_code == 200


def test_receipt_of_a_failed_request_says_why_and_costs_nothing(shop: Shop):
    customer = shop.customer()
    answer = shop.chat(customer, sandbox={"behave": "status", "status": 500})
    receipt = ask(shop, f"/api/usage/{answer.headers['X-Request-Id']}", customer).json["data"]
    assert (receipt["state"], receipt["cost_usd"], receipt["lines"]) == ("voided", "0", [])
    assert (receipt["status"], receipt["reason"]) == (502, "upstream_error")


def test_another_keys_request_is_404_with_the_same_body_as_none(shop: Shop):
    customer, stranger = shop.customer(), shop.customer()
    theirs = shop.chat(customer).headers["X-Request-Id"]
    with shop.session() as session:
        user = session.get_one(User, customer.user_id)
        sibling, secret = make_key(session, shop.services.digester, user)
        same_user = Customer(user_id=user.id, key_id=sibling.id, secret=secret)
    none = ask(shop, "/api/usage/req_aaaaaaaaaaaaa", stranger)
    assert none.status_code == 404
    for who in (stranger, same_user):
        answer = ask(shop, f"/api/usage/{theirs}", who)
        assert (answer.status_code, answer.json) == (404, none.json)


def test_text_that_is_no_request_id_is_404(shop: Shop):
    customer = shop.customer()
    for text in ("x", "req_", "req_!!!!!!!!!!!!!", "REQ_AAAAAAAAAAAAA", "1", "req_7777777777777"):
        assert ask(shop, f"/api/usage/{text}", customer).status_code == 404


def test_queries_need_a_live_key(shop: Shop):
    pending = shop.customer(state=KeyState.PENDING)
    for path in ("/api/user/balance", "/api/usage/req_aaaaaaaaaaaaa"):
        assert shop.app.test_client().get(path).status_code == 401
        assert ask(shop, path, pending).status_code == 403


@contextmanager
def _running_call(shop: Shop, customer: Customer) -> Iterator[None]:
    """Within the block a stream of `customer` is under way."""
    slow = {"frames": 60, "delay_s": 0.02}
    thread = threading.Thread(
        target=lambda: shop.chat(customer, stream=True, sandbox=slow).get_data()
    )
    thread.start()
    assert wait_until(lambda: bool(shop.calls()))
    assert shop.only_call().state is CallState.PENDING
    yield
    thread.join()
