"""Who calls: how a key may be sent, and when it no longer opens anything."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from app.domain.accounts.errors import InvalidApiKey
from app.domain.accounts.models import ApiKey, KeyState, User
from app.gateway.authentication import Keys
from app.gateway.inbound import Inbound
from tests.gateway.shop import CHAT_PATH, MESSAGES, Customer, Shop, in_an_hour

PROMISED_S = 1.0


def ask(shop: Shop, headers: dict[str, str]) -> TestResponse:
    return shop.app.test_client().post(
        CHAT_PATH, json={"model": "talk", "messages": MESSAGES, "max_tokens": 5}, headers=headers
    )


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
@pytest.mark.parametrize("gap", [" ", "   "])
def test_scheme_is_read_without_regard_to_case(shared_shop: Shop, scheme: str, gap: str):
    secret = shared_shop.customer().secret
    assert ask(shared_shop, {"Authorization": f"{scheme}{gap}{secret} "}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "sk-without-scheme"},
        {"Authorization": "Basic c2s6eA=="},
        {"Authorization": "Bearer sk-unknown"},
        {"Authorization": "Bearer sk-" + "x" * 5_000},
        {"Authorization": "Bearer sk-\xe9\xff"},
        {"Authorization": "Bearer sk-a sk-b"},
    ],
    ids=lambda headers: headers.get("Authorization", "none")[:24] or "empty",
)
def test_missing_malformed_or_unknown_key_is_401(shared_shop: Shop, headers: dict[str, str]):
    answer = ask(shared_shop, headers)
    assert answer.status_code == 401
    error = answer.json["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "authentication_error")
    assert answer.headers["X-Request-Id"].startswith("req_")


def test_secret_in_another_header_alone_is_not_a_key(shared_shop: Shop):
    secret = shared_shop.customer().secret
    assert ask(shared_shop, {"X-Api-Key": secret}).status_code == 401


@pytest.mark.parametrize("other", ["X-Api-Key", "Api-Key"])
def test_two_differing_credentials_are_400_and_the_same_twice_is_fine(
    shared_shop: Shop, other: str
):
    first, second = shared_shop.customer(), shared_shop.customer()
    answer = ask(shared_shop, first.headers | {other: second.secret})
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "conflicting_credentials")
    assert ask(shared_shop, first.headers | {other: first.secret}).status_code == 200


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ({"state": KeyState.PENDING}, 403, "key_pending_approval"),
        ({"state": KeyState.REVOKED}, 401, "invalid_api_key"),
        ({"state": KeyState.REFUSED}, 401, "invalid_api_key"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, 403, "key_expired"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_key_that_is_not_active_is_refused(
    shared_shop: Shop, key: dict[str, Any], status: int, code: str
):
    answer = ask(shared_shop, shared_shop.customer(**key).headers)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    if code == "key_pending_approval":
        assert "/claim" in answer.json["error"]["message"]


def test_key_that_expires_later_works(shared_shop: Shop):
    assert (
        ask(shared_shop, shared_shop.customer(expires_at=in_an_hour()).headers).status_code == 200
    )


def test_disabled_account_is_403(shared_shop: Shop):
    customer = shared_shop.customer()
    with shared_shop.session() as session:
        session.execute(update(User).where(User.id == customer.user_id).values(active=False))
    answer = ask(shared_shop, customer.headers)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "account_disabled")
    assert answer.json["error"]["type"] == "permission_error"


def test_refusal_is_the_same_for_every_path_of_v1(shared_shop: Shop):
    client = shared_shop.app.test_client()
    for path in ("/v1/models", "/v1/models/talk"):
        assert client.get(path).status_code == 401
    for path in (CHAT_PATH, "/v1/embeddings", "/v1/images/generations"):
        assert client.post(path, json={}).status_code == 401


@pytest.mark.slow
def test_revoked_key_stops_within_a_second_in_every_process(shop: Shop):
    customer = shop.customer()
    processes = [_another_process(shop) for _ in range(2)]
    for keys in processes:
        assert _opens(keys, customer)
    with shop.session() as session:
        session.execute(
            update(ApiKey).where(ApiKey.id == customer.key_id).values(state=KeyState.REVOKED)
        )
    began_s = time.monotonic()
    stopped_s = {}
    while time.monotonic() - began_s < 2 * PROMISED_S:
        for number, keys in enumerate(processes):
            if not _opens(keys, customer):
                stopped_s.setdefault(number, time.monotonic() - began_s)
            else:
                assert number not in stopped_s, "a revoked key came back"
        time.sleep(0.02)
    assert set(stopped_s) == {0, 1}
    assert max(stopped_s.values()) < PROMISED_S


@pytest.mark.slow
def test_expiry_takes_effect_while_the_key_is_remembered(shop: Shop):
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    customer = shop.customer(expires_at=soon)
    assert ask(shop, customer.headers).status_code == 200
    time.sleep(PROMISED_S + 0.3)
    assert ask(shop, customer.headers).status_code == 403


def test_unknown_secrets_take_no_place_in_memory(shop: Shop):
    keys = _another_process(shop)
    for number in range(50):
        with pytest.raises(InvalidApiKey):
            keys.authenticate(Inbound({"HTTP_AUTHORIZATION": f"Bearer sk-{number}"}))
    assert len(keys._kept) == 0


def _another_process(shop: Shop) -> Keys:
    return Keys(shop.services.engine, digester=shop.services.digester)


def _opens(keys: Keys, customer: Customer) -> bool:
    try:
        found = keys.authenticate(Inbound({"HTTP_AUTHORIZATION": f"Bearer {customer.secret}"}))
    except InvalidApiKey:
        return False
    return found.key_id == customer.key_id
