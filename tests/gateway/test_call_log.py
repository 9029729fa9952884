"""Every call leaves one line, whichever way it came in and however it ended."""

from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from app.core.ids import parse_request_id
from tests.gateway.shop import (
    CHAT_PATH,
    EMBEDDINGS_PATH,
    IMAGES_PATH,
    MESSAGES,
    Shop,
    wait_until,
)
from tests.log_lines import KeptLines, kept_lines


@pytest.fixture
def log(shop: Shop) -> Iterator[KeptLines]:
    with kept_lines() as lines:
        yield lines


def test_whole_answer_is_one_line_with_what_it_cost(shop: Shop, log: KeptLines) -> None:
    customer = shop.customer()
    response = shop.chat(customer)
    line = log.only_request
    call = shop.only_call()
    assert parse_request_id(line.pop("request_id")) == call.id
    assert line.pop("at")
    assert line.pop("duration_ms") >= line.pop("first_content_ms") >= 0
    assert call.units is not None
    assert line.pop("cost_usd") == response.headers["X-Cost-Usd"]
    assert line.pop("units").keys() == {"input", "output"}
    assert line == {
        "level": "info",
        "logger": "app.access",
        "message": "request",
        "method": "POST",
        "path": CHAT_PATH,
        "status": 200,
        "user_id": customer.user_id,
        "key_id": customer.key_id,
        "protocol": "chat",
        "model": "talk",
        "channel": "main",
        "is_streamed": False,
        "outcome": "ok",
    }


@pytest.mark.parametrize(
    ("path", "protocol", "body"),
    [
        (EMBEDDINGS_PATH, "embeddings", {"model": "embed", "input": "x"}),
        (IMAGES_PATH, "images", {"model": "draw", "prompt": "x", "size": "64x64"}),
    ],
)
def test_other_protocols_say_theirs(
    shop: Shop, log: KeptLines, path: str, protocol: str, body: dict[str, Any]
) -> None:
    shop.post(shop.customer(), path, **body)
    assert (log.only_request["protocol"], log.only_request["outcome"]) == (protocol, "ok")


def test_stream_is_logged_at_its_end(shop: Shop, log: KeptLines) -> None:
    customer = shop.customer()
    with shop.chat(customer, stream=True) as response:
        chunks = response.iter_encoded()
        next(chunks)
        assert log.requests == []
        for _ in chunks:
            pass
    line = log.only_request
    assert (line["status"], line["is_streamed"], line["outcome"]) == (200, True, "ok")
    assert line["request_id"] == response.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("sandbox", "outcome"),
    [
        ({"behave": "truncate", "after": 2}, "upstream_truncated"),
        ({"behave": "break", "after": 3}, "upstream_broken"),
    ],
)
def test_stream_that_broke_off_says_so(
    shop: Shop, log: KeptLines, sandbox: dict[str, Any], outcome: str
) -> None:
    shop.chat(shop.customer(), stream=True, sandbox=sandbox).get_data()
    line = log.only_request
    assert (line["outcome"], line.get("is_estimated")) == (outcome, True)


def test_client_that_left_is_an_outcome(shop: Shop, log: KeptLines) -> None:
    response = shop.chat(shop.customer(), stream=True)
    next(iter(response.iter_encoded()))
    response.close()
    assert wait_until(lambda: len(log.requests) == 1)
    assert log.only_request["outcome"] == "client_left"
    shop.assert_at_rest()


REFUSALS: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown-model": ({"model": "nope"}, 404, "model_not_found"),
    "unpaid": ({"model": "thinker", "n": 1_000_000}, 402, "insufficient_balance"),
    "no-channel": ({"model": "nowhere"}, 503, "upstream_unavailable"),
    "provider": ({"sandbox": {"behave": "status", "status": 500}}, 502, "upstream_error"),
}


@pytest.mark.parametrize(("members", "status", "outcome"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusal_is_a_line_with_its_word(
    shop: Shop, log: KeptLines, members: dict[str, Any], status: int, outcome: str
) -> None:
    customer = shop.customer()
    response = shop.chat(customer, **members)
    line = log.only_request
    assert (line["status"], line["outcome"]) == (status, outcome)
    assert response.get_json()["error"]["code"] == outcome
    assert (line["user_id"], line["key_id"]) == (customer.user_id, customer.key_id)
    assert "cost_usd" not in line


def test_model_that_a_client_invented_is_not_logged(shop: Shop, log: KeptLines) -> None:
    shop.chat(shop.customer(), model="my private thoughts")
    assert "private" not in log.text


def test_stranger_has_no_user(shop: Shop, log: KeptLines) -> None:
    shop.app.test_client().post(CHAT_PATH, json={}, headers={"Authorization": "Bearer sk-wrong"})
    line = log.only_request
    assert (line["status"], line["outcome"]) == (401, "invalid_api_key")
    assert "user_id" not in line
    assert "sk-wrong" not in log.text


def test_fault_of_our_own_is_a_line_too(shop: Shop, log: KeptLines) -> None:
    shop.set_channel("main", base_url="https://no.such:99999/v1")
    shop.chat(shop.customer())
    line = log.only_request
    assert (line["status"], line["outcome"]) == (500, "internal_error")
    assert [one["level"] for one in log.all if one["logger"] != "app.access"] == ["error"]


def test_failover_shows_each_attempt(shop: Shop, log: KeptLines) -> None:
    shop.add_channel("dear", "http://127.0.0.1:9/v1", priority=9)
    shop.chat(shop.customer())
    line = log.only_request
    assert (line["channel"], line["outcome"]) == ("main", "ok")
    assert [attempt["outcome"] for attempt in line["attempts"]] == ["ConnectFailed", "ok"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/talk"])
def test_models_list_is_one_line(shop: Shop, log: KeptLines, path: str) -> None:
    customer = shop.customer()
    shop.app.test_client().get(path, headers=customer.headers)
    line = log.only_request
    assert (line["path"], line["outcome"], line["key_id"]) == (path, "ok", customer.key_id)


def test_way_past_the_lane_writes_one_line_as_well(shop: Shop, log: KeptLines) -> None:
    customer = shop.customer()
    shop.app.lane = {}  # type: ignore[attr-defined]
    response = shop.chat(customer)
    assert log.only_request["request_id"] == response.headers["X-Request-Id"]
    assert log.only_request["cost_usd"] == response.headers["X-Cost-Usd"]


def test_client_s_label_is_logged_without_what_could_harm(shop: Shop, log: KeptLines) -> None:
    label = 'job-7"}\t\x1b[31m' + "x" * 500
    environ = EnvironBuilder(path=CHAT_PATH, method="POST", json=body()).get_environ()
    environ["HTTP_AUTHORIZATION"] = f"Bearer {shop.customer().secret}"
    environ["HTTP_X_CLIENT_REQUEST_ID"] = label
    b"".join(shop.app.wsgi_app(environ, lambda *_: lambda data: None))
    kept = log.only_request["client_request_id"]
    assert kept.startswith('job-7"}[31mxxx')
    assert len(kept) == 128


def test_neither_prompt_nor_completion_nor_key_is_logged(shop: Shop, log: KeptLines) -> None:
    customer = shop.trial_customer()
    message = {"role": "user", "content": "PROMPT-CANARY"}
    for is_streamed in (False, True):
        answer = shop.chat(customer, messages=[message], stream=is_streamed)
        assert "CANARY" in answer.get_data(as_text=True), "the sandbox repeats what it was told"
    shop.chat(customer, messages=[message], model="for-payers")
    assert len(log.requests) == 3
    assert "CANARY" not in log.text
    assert customer.secret not in log.text


def body() -> dict[str, Any]:
    return {"model": "talk", "messages": MESSAGES}
