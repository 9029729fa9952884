"""The presenting key: what it may do and has left, and how it tightens its own limits."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.core.money import format_usd
from app.domain.accounts.limits import change_limits
from app.domain.accounts.models import ApiKey, KeyOrigin, KeyScope, KeyState
from app.domain.audit.models import AuditEntry
from tests.api.asking import ask, refusal, running_call, sibling_of
from tests.conftest import FrozenTime
from tests.factories import make_key
from tests.gateway.shop import CHAT_PATH, MESSAGES, PLENTY_NANOS, Customer, Shop, wait_until

PATH = "/api/user/keys/current"


def current(shop: Shop, customer: Customer) -> dict[str, Any]:
    answer = ask(shop, PATH, customer)
    assert answer.status_code == 200, answer.json
    return answer.json["data"]


def patch(shop: Shop, customer: Customer, body: Any = None, **members: Any) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(members if body is None else body)
    headers = {"Content-Type": "application/json", **customer.headers}
    return shop.app.test_client().patch(PATH, data=data, headers=headers)


def limit(shop: Shop, customer: Customer, **changes: Any) -> None:
    """What the owner does on a page."""
    with shop.session() as session:
        key = session.get_one(ApiKey, customer.key_id)
        change_limits(session, key=key, changes=changes, actor="owner@example.com")


def child_of(shop: Shop, customer: Customer) -> Customer:
    with shop.session() as session:
        parent = session.get_one(ApiKey, customer.key_id)
        made, secret = make_key(session, shop.services.digester, parent.user, parent=parent)
        return Customer(customer.user_id, made.id, secret)


def test_key_without_limits_says_so(shop: Shop):
    customer = shop.customer(name="goodhr")
    key = current(shop, customer)
    assert (key["id"], key["name"], key["scope"], key["state"]) == (
        customer.key_id,
        "goodhr",
        "full",
        "active",
    )
    assert customer.secret.startswith(key["prefix"])
    assert len(key["prefix"]) == 7
    assert key["limits"] == {
        "cap_usd": None,
        "cap_period": "month",
        "max_running": None,
        "requests_per_minute": None,
        "tokens_per_minute": None,
        "models": None,
        "networks": None,
        "expires_at": None,
    }
    assert (key["cap"], key["rates"]) == (None, {"requests": None, "tokens": None})
    assert (key["parent_id"], key["expires_at"]) == (None, None)
    assert key["available_usd"] == format_usd(PLENTY_NANOS)
    assert customer.secret not in json.dumps(key)


def test_cap_shows_what_is_spent_held_and_left_and_when_it_starts_anew(shop: Shop):
    customer = shop.customer(cap_nanos=1_000_000_000)
    cost = shop.chat(customer, max_tokens=50).headers["X-Cost-Usd"]
    cap = current(shop, customer)["cap"]
    assert (cap["limit_usd"], cap["spent_usd"], cap["held_usd"]) == ("1", cost, "0")
    assert cap["left_usd"] == current(shop, customer)["available_usd"]
    now = datetime.now(UTC)
    anew = datetime.fromisoformat(cap["starts_anew_at"])
    assert cap["period"] == now.strftime("%Y-%m")
    assert anew.day == 1 and now < anew < now + timedelta(days=32)


def test_running_request_holds_of_the_cap(shop: Shop):
    customer = shop.customer(cap_nanos=1_000_000_000)
    with running_call(shop, customer):
        cap = current(shop, customer)["cap"]
        call = shop.only_call()
        assert cap["held_usd"] == format_usd(call.held_trial_nanos + call.held_paid_nanos) != "0"


def test_cap_lowered_below_what_was_spent_leaves_nothing(shop: Shop):
    customer = shop.customer()
    limit(shop, customer, cap_nanos=1_000_000_000)
    shop.chat(customer, max_tokens=50)
    assert patch(shop, customer, cap_usd="0.000001").status_code == 200
    key = current(shop, customer)
    assert (key["cap"]["left_usd"], key["available_usd"]) == ("0", "0")


def test_rates_show_what_remains_now_for_the_whole_family(shop: Shop):
    customer = shop.customer()
    limit(shop, customer, requests_per_minute=10, tokens_per_minute=10_000)
    child = child_of(shop, customer)
    shop.chat(child, max_tokens=50)
    for who in (customer, child):
        rates = current(shop, who)["rates"]
        assert (rates["requests"]["limit"], rates["requests"]["remaining"]) == (10, 9)
        assert rates["tokens"]["limit"] == 10_000
        assert rates["tokens"]["remaining"] < 10_000
        assert rates["requests"]["reset_s"] > 0
    assert current(shop, customer)["rates"]["requests"]["remaining"] == 9, "asking takes nothing"


def test_trial_key_knows_of_trial_money_alone(shop: Shop):
    customer = shop.trial_customer(trial_nanos=200_000_000, paid_nanos=PLENTY_NANOS)
    key = current(shop, customer)
    assert (key["scope"], key["available_usd"]) == ("trial", "0.2")


def test_each_key_sees_itself(shop: Shop):
    customer = shop.customer()
    limit(shop, customer, cap_nanos=5)
    for other in (shop.customer(), sibling_of(shop, customer)):
        key = current(shop, other)
        assert (key["id"], key["cap"]) == (other.key_id, None)


def test_key_tightens_its_limits_and_they_hold(shop: Shop):
    customer = shop.customer()
    answer = patch(
        shop,
        customer,
        cap_usd="1.5",
        cap_period="day",
        max_running=2,
        requests_per_minute=60,
        tokens_per_minute=100_000,
        models=["talk"],
        networks=["127.0.0.0/8"],
        expires_at="2099-12-31",
    )
    assert answer.status_code == 200, answer.json
    key = current(shop, customer)
    assert key == answer.json["data"]
    assert key["limits"] == {
        "cap_usd": "1.5",
        "cap_period": "day",
        "max_running": 2,
        "requests_per_minute": 60,
        "tokens_per_minute": 100_000,
        "models": ["talk"],
        "networks": ["127.0.0.0/8"],
        "expires_at": "2100-01-01T00:00:00.000Z",
    }
    refused = shop.post(customer, CHAT_PATH, model="thinker", messages=MESSAGES)
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "model_not_allowed")
    assert shop.chat(customer, max_tokens=5).status_code == 200


def test_member_that_is_left_out_stays(shop: Shop):
    customer = shop.customer()
    patch(shop, customer, cap_usd="2", models=["talk"])
    assert patch(shop, customer, requests_per_minute=5).status_code == 200
    limits = current(shop, customer)["limits"]
    assert (limits["cap_usd"], limits["models"], limits["requests_per_minute"]) == (
        "2",
        ["talk"],
        5,
    )


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"cap_usd": "3"}, "cap_usd"),
        ({"cap_usd": None}, "cap_usd"),
        ({"cap_period": "day"}, "cap_period"),
        ({"max_running": 3}, "max_running"),
        ({"requests_per_minute": 61}, "requests_per_minute"),
        ({"tokens_per_minute": None}, "tokens_per_minute"),
        ({"models": ["talk", "thinker"]}, "models"),
        ({"models": None}, "models"),
        ({"networks": ["0.0.0.0/0"]}, "networks"),
        ({"networks": ["127.0.0.0/9", "10.0.0.0/8"]}, "networks"),
        ({"expires_at": "2098-01-01"}, "expires_at"),
        ({"expires_at": None}, "expires_at"),
        ({"max_running": 1, "cap_usd": "3"}, "cap_usd"),
    ],
)
def test_nothing_is_ever_loosened(shop: Shop, members: dict[str, Any], field: str):
    customer = shop.customer()
    limit(
        shop,
        customer,
        cap_nanos=2_000_000_000,
        max_running=2,
        requests_per_minute=60,
        tokens_per_minute=1_000,
        models=["talk"],
        networks=["127.0.0.0/8"],
        expires_at=datetime(2097, 1, 1, tzinfo=UTC),
    )
    before = current(shop, customer)["limits"]
    assert refusal(patch(shop, customer, **members)) == (403, "limits_only_narrow", field)
    assert current(shop, customer)["limits"] == before


def test_period_is_not_laid_out_for_a_cap_that_the_owner_sets_later(shop: Shop):
    """$5 a month would become $5 a day."""
    customer = shop.customer()
    answer = patch(shop, customer, cap_period="day")
    assert refusal(answer) == (403, "limits_only_narrow", "cap_period")
    limit(shop, customer, cap_nanos=5_000_000_000)
    assert current(shop, customer)["limits"]["cap_period"] == "month"


def test_period_is_chosen_with_the_first_cap(shop: Shop):
    customer = shop.customer()
    assert patch(shop, customer, cap_period="day", cap_usd="1").status_code == 200
    assert current(shop, customer)["limits"]["cap_period"] == "day"


@pytest.mark.parametrize(
    ("body", "status", "reason", "field"),
    [
        ({"cap": "1"}, 400, "unknown_member", "cap"),
        ({"state": "active"}, 400, "unknown_member", "state"),
        ({"scope": "full"}, 400, "unknown_member", "scope"),
        ({"cap_nanos": 5}, 400, "unknown_member", "cap_nanos"),
        ({"cap_usd": 1}, 400, "invalid_member", "cap_usd"),
        ({"cap_usd": "1e3"}, 400, "invalid_amount", "cap_usd"),
        ({"cap_usd": "-1"}, 400, "invalid_amount", "cap_usd"),
        ({"max_running": "2"}, 400, "invalid_member", "max_running"),
        ({"max_running": True}, 400, "invalid_member", "max_running"),
        ({"max_running": 0}, 400, "invalid_limit", "max_running"),
        ({"max_running": 2**70}, 400, "invalid_limit", "max_running"),
        ({"cap_period": "year"}, 400, "invalid_limit", "cap_period"),
        ({"cap_period": None}, 400, "invalid_limit", "cap_period"),
        ({"models": []}, 400, "invalid_limit", "models"),
        ({"models": "talk"}, 400, "invalid_member", "models"),
        ({"networks": ["somewhere"]}, 400, "invalid_limit", "networks"),
        ({"networks": ["fe80::%\x1b[2J/64"]}, 400, "invalid_limit", "networks"),
        ({"expires_at": "soon"}, 400, "invalid_moment", "expires_at"),
        ({"expires_at": "2020-01-01"}, 400, "invalid_limit", "expires_at"),
        (b"[]", 400, "invalid_json", None),
        (b'{"cap_usd": "1", "cap_usd": "2"}', 400, "invalid_json", "cap_usd"),
        (b"{" + b" " * 70_000 + b"}", 413, "payload_too_large", None),
    ],
)
def test_what_is_not_understood_changes_nothing(
    shop: Shop, body: Any, status: int, reason: str, field: str | None
):
    customer = shop.customer()
    before = current(shop, customer)
    assert refusal(patch(shop, customer, body)) == (status, reason, field)
    assert current(shop, customer) == before


def test_form_is_no_json(shop: Shop):
    answer = shop.app.test_client().patch(
        PATH, data={"cap_usd": "1"}, headers=shop.customer().headers
    )
    assert refusal(answer)[:2] == (415, "unsupported_media_type")


def test_key_made_by_another_cannot_change_the_family_s_limits(shop: Shop):
    customer = shop.customer()
    child = child_of(shop, customer)
    refused = patch(shop, child, cap_usd="0")
    assert refusal(refused)[:2] == (409, "limits_of_first_key")
    assert refused.json["data"]["first_key_id"] == customer.key_id
    assert current(shop, customer)["cap"] is None
    assert current(shop, child)["parent_id"] == customer.key_id
    patch(shop, customer, cap_usd="1")
    assert current(shop, child)["cap"]["limit_usd"] == "1"


@pytest.mark.parametrize("state", [KeyState.PENDING, KeyState.REVOKED, KeyState.REFUSED])
def test_only_a_live_key_may_ask_or_change(shop: Shop, state: KeyState):
    customer = shop.customer(state=state, origin=KeyOrigin.ANONYMOUS)
    status = 403 if state is KeyState.PENDING else 401
    assert ask(shop, PATH, customer).status_code == status
    assert patch(shop, customer, cap_usd="0").status_code == status
    with shop.session() as session:
        assert session.get_one(ApiKey, customer.key_id).cap is None


def test_change_leaves_one_line_with_old_and_new(shop: Shop):
    customer = shop.customer(scope=KeyScope.FULL)
    patch(shop, customer, cap_usd="2")
    patch(shop, customer, cap_usd="1")
    patch(shop, customer, cap_usd="1")  # changes nothing, so it is no act
    patch(shop, customer, cap_usd="5")  # refused
    with shop.session() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "key_changed").order_by(AuditEntry.id)
        ).all()
        told = [(entry.actor, entry.user_id, entry.details) for entry in entries]
    actor = f"key:{customer.key_id}"
    assert [(who, user_id) for who, user_id, _ in told] == [(actor, customer.user_id)] * 2
    assert told[1][2]["old"] == {"cap_usd": "2"}
    assert told[1][2]["new"] == {"cap_usd": "1"}


def test_key_that_shuts_itself_out_is_out_within_a_second(shop: Shop):
    customer = shop.customer()
    assert shop.chat(customer, max_tokens=5).status_code == 200
    assert patch(shop, customer, networks=["192.0.2.0/24"]).status_code == 200
    assert ask(shop, PATH, customer).status_code == 403
    assert wait_until(lambda: shop.chat(customer, max_tokens=5).status_code == 403)


def test_key_is_tightened_on_either_database(any_shop: Shop):
    customer = any_shop.customer()
    assert patch(any_shop, customer, cap_usd="1", models=["talk"]).status_code == 200
    any_shop.chat(customer, max_tokens=50)
    key = current(any_shop, customer)
    assert key["cap"]["spent_usd"] != "0"
    assert key["limits"]["models"] == ["talk"]


def test_changes_are_limited_by_key_and_minute(shop: Shop, frozen_time: FrozenTime):
    customer, other = shop.customer(), shop.customer()
    assert {patch(shop, customer).status_code for _ in range(30)} == {200}
    refused = patch(shop, customer, cap_usd="1")
    assert refusal(refused)[:2] == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert patch(shop, other, cap_usd="1").status_code == 200
