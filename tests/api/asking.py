"""Asking as a key's holder, and a call that runs meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.test import TestResponse

from app.domain.accounts.models import KeyScope, User
from app.domain.billing.models import CallState
from tests.factories import make_key
from tests.gateway.shop import Customer, Shop, wait_until


def ask(shop: Shop, path: str, customer: Customer) -> TestResponse:
    return shop.app.test_client().get(path, headers=customer.headers)


def refusal(answer: TestResponse) -> tuple[int, str, str | None]:
    """Status, reason and field of a refused call to /api."""
    data = answer.json["data"]
    assert answer.json["code"] // 100 == answer.status_code
    return answer.status_code, data["reason"], data.get("field")


def sibling_of(shop: Shop, customer: Customer, scope: KeyScope = KeyScope.FULL) -> Customer:
    """Another key of the same account."""
    with shop.session() as session:
        user = session.get_one(User, customer.user_id)
        made, secret = make_key(session, shop.services.digester, user, scope=scope)
        return Customer(user_id=user.id, key_id=made.id, secret=secret)


@contextmanager
def running_call(shop: Shop, customer: Customer) -> Iterator[None]:
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
