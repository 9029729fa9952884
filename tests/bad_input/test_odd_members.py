"""Every member of every body, with every kind of value that no one should send.

Most of them pass to the provider, who judges them; what matters here is that none is a 500, that
money moves only with a 200, and that nothing is held afterwards.
"""

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from app.domain.accounts.models import ApiKey, User
from app.gateway.protocols import PROTOCOLS, Protocol
from tests.api.registering import PATH as REGISTER_PATH
from tests.factories import make_partner
from tests.gateway.shop import CHAT_PATH, EMBEDDINGS_PATH, IMAGES_PATH, MESSAGES, Shop

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 7.5, 1e308, -(2**63), 2**64, 10**30,
    "", " ", "x", "null", "\x00", "\ud800", "\u202e", "💥", "é" * 300, "x" * 5_000,
    "../../etc/passwd", "'; DROP TABLE users; --", "{{7*7}}", "%s%n", "<script>alert(1)</script>",
    "http://169.254.169.254/latest", "data:;base64,", "\r\nX-Injected: 1",
    [], [None], [[]], [[[[]]]], ["x"] * 300, [0] * 300, [{"type": "text"}], [True],
    {}, {"": ""}, {"a": {"b": {"c": []}}}, {"type": None}, {"__proto__": 1}, {"\ud800": 1},
)  # fmt: skip
BODIES: dict[str, dict[str, Any]] = {
    CHAT_PATH: {"model": "talk", "messages": MESSAGES},
    EMBEDDINGS_PATH: {"model": "embed", "input": "hello"},
    IMAGES_PATH: {"model": "draw", "prompt": "a hat"},
}
EXPECTED_STATUSES = frozenset({200, 400, 402, 404})
UNHEARD_OF = ("unheard_of", "", "model.", "0", "__class__", "💥", "a" * 300)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_odd_value_of_any_member_is_answered_and_costs_nothing_unless_served(
    shop: Shop, protocol: Protocol
):
    customer = shop.customer()
    billed_nanos = 0
    surprises = []
    for name in (*sorted(protocol.known), *UNHEARD_OF):
        for value in ODD_VALUES:
            balance = shop.balances(customer).paid_balance
            body = {**BODIES[protocol.path], name: value}
            answer = shop.post(customer, protocol.path, raw=json.dumps(body).encode())
            answer.get_data()
            cost = balance - shop.balances(customer).paid_balance
            billed_nanos += cost
            is_served = answer.status_code == 200
            if answer.status_code not in EXPECTED_STATUSES or (cost and not is_served):
                surprises.append((name, repr(value)[:40], answer.status_code, cost))
            if not is_served:
                assert {"message", "type", "param", "code"} <= answer.json["error"].keys()
    assert surprises == []
    assert sum(call.cost_nanos or 0 for call in shop.calls()) == billed_nanos > 0
    shop.assert_at_rest()


def test_odd_value_of_any_member_of_a_register_call_makes_nothing(shop: Shop):
    with shop.session() as session:
        inviter_id = make_partner(session).user_id
    good = {"email": "user@example.com", "inviter_id": inviter_id, "key_name": "goodhr"}
    client = shop.app.test_client()
    before = _people_and_keys(shop)
    surprises = []
    for name in good:
        for value in ODD_VALUES:
            if (name, value) == ("key_name", "x") or (name, value) == ("key_name", "null"):
                continue  # these are fine names
            raw = json.dumps({**good, name: value}).encode()
            answer = client.post(REGISTER_PATH, data=raw, content_type="application/json")
            if answer.status_code not in (400, 403) or answer.json["data"].get("field") != name:
                surprises.append((name, repr(value)[:40], answer.status_code, answer.json))
    assert surprises == []
    assert _people_and_keys(shop) == before


def _people_and_keys(shop: Shop) -> tuple[int | None, int | None]:
    with shop.session() as session:
        return tuple(  # type: ignore[return-value]
            session.scalar(select(func.count()).select_from(table)) for table in (User, ApiKey)
        )
