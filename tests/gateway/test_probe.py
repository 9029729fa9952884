"""Our own tiny request to a channel: what it sends, what it makes of the answer."""

import json
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from app.domain.billing.models import Call
from app.domain.catalog.kinds import ModelKind
from app.domain.channels.models import LimitField
from app.domain.channels.offers import Route
from app.gateway.probe import REASONING_OUTPUT_LIMIT, TEXT_LENGTH, ProbeResult, probe
from app.gateway.provider_errors import Sort
from tests.gateway.failing_provider import answer_bytes
from tests.gateway.shop import PROVIDER_KEY, Shop
from tests.gateway.switched_provider import (
    GOOD_ANSWER,
    SwitchedProvider,
    answers,
    hangs_up,
    refuses,
    switched_provider,
)
from tests.gateway.wire_server import Wire

PATIENCE_S = 0.4


@pytest.fixture
def asked() -> Iterator[SwitchedProvider]:
    with switched_provider() as provider:
        yield provider


def route_of(shop: Shop, model: str) -> Route:
    return shop.services.offers.offers()[model].routes[0]


def probe_of(shop: Shop, asked: SwitchedProvider, model: str = "talk") -> ProbeResult:
    """Probe `model` at the switched provider."""
    shop.set_channel("main", base_url=asked.base_url)
    offer = shop.services.offers.offers()[model]
    return probe(
        shop.services.gateway,
        offer.routes[0],
        kind=offer.kind,
        model_name=model,
        timeout_s=PATIENCE_S,
    )


@pytest.mark.parametrize("model", ["talk", "thinker", "renamed", "embed"])
def test_working_channel_answers(shop: Shop, model: str) -> None:
    offer = shop.services.offers.offers()[model]
    result = probe(shop.services.gateway, offer.routes[0], kind=offer.kind, model_name=model)
    assert result.is_ok
    assert (result.status, result.sort, result.word) == (200, None, None)
    (request,) = shop.provider.requests
    assert json.loads(request.body)["model"] == offer.routes[0].upstream_name


def test_probe_is_not_billed_and_is_no_call(shop: Shop) -> None:
    probe(shop.services.gateway, route_of(shop, "talk"), kind=ModelKind.CHAT, model_name="talk")
    with shop.session() as session:
        assert session.scalars(select(Call)).all() == []
    assert shop.services.gateway.health.take_turns() == []


def test_reply_is_shown_on_one_short_line(shop: Shop, asked: SwitchedProvider) -> None:
    reply = json.loads(json.dumps(GOOD_ANSWER))
    reply["choices"][0]["message"]["content"] = "ok\n\x1b[2Jok " + "x" * 500
    asked.does = lambda wire: wire.send(answer_bytes(200, body=json.dumps(reply).encode()))
    result = probe_of(shop, asked)
    assert result.text is not None
    assert result.text.startswith("ok [2Jok xxx")
    assert len(result.text) == TEXT_LENGTH


def test_limit_goes_under_the_name_that_the_channel_knows(
    shop: Shop, asked: SwitchedProvider
) -> None:
    shop.set_served("thinker", limit_field=LimitField.MAX_COMPLETION_TOKENS)
    probe_of(shop, asked, "thinker")
    assert asked.bodies[0]["max_completion_tokens"] == REASONING_OUTPUT_LIMIT
    assert "max_tokens" not in asked.bodies[0]


@pytest.mark.parametrize(
    ("refusal", "status", "sort"),
    [
        (
            refuses(401, message="Incorrect API key provided", code="invalid_api_key"),
            401,
            Sort.DEAD,
        ),
        (refuses(429, message="no", code="insufficient_quota"), 429, Sort.DEAD),
        (refuses(429, message="slow down"), 429, Sort.WAIT),
        (refuses(500, message="no"), 500, Sort.ELSEWHERE),
        (refuses(404, message="no", code="model_not_found"), 404, Sort.ELSEWHERE),
        (refuses(200, message="no", code="invalid_api_key"), 200, Sort.DEAD),
    ],
)
def test_failure_is_judged_as_a_calls_would_be(
    shop: Shop, asked: SwitchedProvider, refusal: object, status: int, sort: Sort
) -> None:
    asked.does = refusal  # type: ignore[assignment]
    result = probe_of(shop, asked)
    assert not result.is_ok
    assert (result.status, result.sort) == (status, sort)
    assert result.word


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff\xfe", b""])
def test_unreadable_answer_is_a_failure(shop: Shop, asked: SwitchedProvider, body: bytes) -> None:
    asked.does = lambda wire: wire.send(answer_bytes(200, body=body))
    result = probe_of(shop, asked)
    assert not result.is_ok
    assert result.sort is Sort.ELSEWHERE


def test_key_is_in_no_sentence(shop: Shop, asked: SwitchedProvider) -> None:
    asked.does = refuses(401, message=f"The key {PROVIDER_KEY} of 127.0.0.1 is wrong", code="x")
    result = probe_of(shop, asked)
    assert PROVIDER_KEY not in str(result)
    assert "127.0.0.1" not in str(result)


def test_hang_up_is_a_failure(shop: Shop, asked: SwitchedProvider) -> None:
    asked.does = hangs_up
    result = probe_of(shop, asked)
    assert (result.is_ok, result.status, result.word) == (False, None, "ConnectionBroken")


def never_answers(wire: Wire) -> None:
    wire.hold()


def drips(wire: Wire) -> None:
    wire.drip(answer_bytes(200, body=b"{" * 5_000), pause_s=0.01)


@pytest.mark.parametrize("act", [never_answers, drips])
def test_probe_ends_in_time(shop: Shop, asked: SwitchedProvider, act: object) -> None:
    asked.does = act  # type: ignore[assignment]
    started_s = time.monotonic()
    result = probe_of(shop, asked)
    assert time.monotonic() - started_s < PATIENCE_S + 1.0
    assert not result.is_ok
    assert result.latency_ms >= PATIENCE_S * 900


def test_pictures_are_not_asked_for(shop: Shop, asked: SwitchedProvider) -> None:
    asked.does = answers
    with pytest.raises(ValueError, match="not probed"):
        probe_of(shop, asked, "draw")
    assert asked.bodies == []
