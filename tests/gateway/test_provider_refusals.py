"""A provider's refusal on its way through a call: who is asked next, what the caller learns, what
the channel's health is told, and what stays inside."""

import json
import logging
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.domain.alerts.models import Alert
from app.domain.billing.models import CallState
from app.domain.channels.presets import Dialect
from app.gateway.provider_errors import Sort
from tests.gateway.conftest import OpenShop
from tests.gateway.failing_provider import Failing, assert_nothing_leaks, refusing, url_of
from tests.gateway.provider_bodies import CASES
from tests.gateway.provider_case import Case
from tests.gateway.shop import PROVIDER_KEY, Shop
from tests.gateway.wire_server import Wire
from tests.sandbox_server import RunningSandbox

PRESETS = {Dialect.LLAMA_CPP: "llama-cpp"}

OBJECTS = [case for case in CASES if isinstance(case.body, dict)]
ONE_OF_EACH = list({(case.dialect, case.sort): case for case in reversed(OBJECTS)}.values())

NO_CREDIT = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}
BUSY = {"error": {"message": "Rate limit reached.", "code": "rate_limit_exceeded"}}
NO_MODEL = {"error": {"message": "The model does not exist.", "code": "model_not_found"}}


def name_of(case: Case) -> str:
    return f"{case.dialect}-{case.name}"


def ask(shop: Shop, case: Case, *, is_streamed: bool = False) -> TestResponse:
    """A call that the provider of ``main`` refuses as the case says."""
    shop.set_channel("main", preset=PRESETS.get(case.dialect, case.dialect.value))
    behave = "error_after_200" if case.status == 200 else "status"
    wish = {"behave": behave, "status": case.status, "body": case.body}
    blamed = {"temperature": 0, "top_k": 4, "max_tokens": 5}
    return shop.chat(shop.customer(), stream=is_streamed, sandbox=wish, **blamed)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
def test_refusal_is_told_as_ours(shop: Shop, case: Case, is_streamed: bool):
    response = ask(shop, case, is_streamed=is_streamed)
    assert (response.status_code, response.json["error"]["code"]) == case.ours
    assert response.headers["X-Should-Retry"] == "false"
    if case.sort is Sort.CALLER:
        assert "Retry-After" not in response.headers
    else:
        assert int(response.headers["Retry-After"]) in range(1, 61)
    assert_nothing_leaks(response)
    assert len(shop.provider.requests) == 1
    call = shop.only_call()
    assert (call.state, call.cost_nanos) == (CallState.VOIDED, 0)
    assert (call.status, call.reason) == case.ours
    shop.assert_at_rest()


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=name_of)
def test_only_a_fault_of_the_channel_moves_on(
    shop: Shop, shared_provider: RunningSandbox, case: Case, is_streamed: bool
):
    """The second channel reads the same wish, so that only its being asked tells."""
    shop.add_channel("second", shared_provider.base_url, priority=-1)
    ask(shop, case, is_streamed=is_streamed)
    asked = 1 if case.sort is Sort.CALLER else 2
    assert len(shop.provider.requests) == asked
    assert len(json.loads(shop.only_call().attempts)) == asked
    shop.assert_at_rest()


def test_error_sent_whole_to_a_stream_is_read_too(shop: Shop, failing: Failing):
    """MiniMax answers a streamed request so: 200, and JSON that is no stream."""
    body = {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}
    server = failing(refusing(200, body, "Content-Type: application/json"))
    shop.add_channel("minimax", url_of(server), priority=9, preset="minimax")
    response = shop.chat(shop.customer(), stream=True)
    assert (response.status_code, response.json["error"]["code"]) == (400, "content_filter")
    assert not shop.provider.requests
    shop.assert_at_rest()


def test_refusal_whose_body_never_ends_is_judged_by_what_came(
    open_shop: OpenShop, failing: Failing
):
    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 429 X\r\nRetry-After: 9\r\nContent-Length: 900\r\n\r\n{")
        wire.hold()

    shop = open_shop(UPSTREAM_FIRST_CONTENT_WHOLE_S=0.3)
    shop.add_channel("stalls", url_of(failing(script)), priority=9)
    shop.set_channel("main", is_enabled=False)
    response = shop.chat(shop.customer())
    assert (response.status_code, response.headers["Retry-After"]) == (503, "9")
    shop.assert_at_rest()


class TestWhatTheCallerLearns:
    def test_sentence_and_member_of_a_clean_provider(self, shop: Shop):
        response = self._refused(
            shop, "openai", "Invalid value: 'robot'. Supported values are: 'user'.", "invalid_value"
        )
        assert response.json["error"] == {
            "message": "Invalid value: 'robot'. Supported values are: 'user'.",
            "type": "invalid_request_error",
            "param": "messages[0].role",
            "code": "invalid_parameter",
        }

    def test_only_our_own_words_from_another(self, shop: Shop):
        response = self._refused(shop, "openrouter", "Invalid value: 'robot'.", "invalid_value")
        assert response.json["error"]["message"] == "A parameter is not valid."
        assert response.json["error"]["param"] == "messages[0].role"

    def test_model_under_the_name_that_was_bought(self, shop: Shop):
        said = "upstream-secret-name does not take images of this kind."
        response = self._refused(shop, "openai", said, None, model="renamed")
        assert response.json["error"]["message"] == "renamed does not take images of this kind."

    def _refused(
        self, shop: Shop, preset: str, message: str, code: str | None, **members: Any
    ) -> TestResponse:
        shop.set_channel("main", preset=preset)
        error = {"message": message, "param": "messages[0].role", "code": code}
        wish = {"behave": "status", "status": 400, "body": {"error": error}}
        return shop.chat(shop.customer(), sandbox=wish, **members)


class TestWait:
    @pytest.mark.parametrize("waits", [("40", "7"), ("7", "40")])
    def test_of_the_channel_that_is_free_first_is_told(
        self, shop: Shop, failing: Failing, waits: tuple[str, str]
    ):
        shop.set_channel("main", is_enabled=False)
        for number, wait in enumerate(waits):
            server = failing(refusing(429, BUSY, f"Retry-After: {wait}"))
            shop.add_channel(f"busy{number}", url_of(server), priority=9 - number)
        response = shop.chat(shop.customer())
        assert (response.status_code, response.headers["Retry-After"]) == (503, "7")

    def test_of_a_busy_channel_is_told_though_the_last_one_is_dead(
        self, shop: Shop, failing: Failing
    ):
        shop.set_channel("main", is_enabled=False)
        busy = failing(refusing(429, BUSY, "Retry-After: 33"))
        shop.add_channel("busy", url_of(busy), priority=9)
        shop.add_channel("dead", url_of(failing(refusing(402, NO_CREDIT))), priority=8)
        response = shop.chat(shop.customer())
        assert (response.status_code, response.headers["Retry-After"]) == (503, "33")

    def test_is_kept_by_the_next_call(self, shop: Shop, failing: Failing):
        server = failing(refusing(429, BUSY, "Retry-After: 30"))
        shop.add_channel("busy", url_of(server), priority=9)
        customer = shop.customer()
        assert shop.chat(customer).status_code == 200
        assert shop.chat(customer).status_code == 200
        assert server.connections == 1


class TestHealth:
    def test_suspects_a_channel_that_seems_dead(self, shop: Shop, failing: Failing):
        dead = shop.add_channel("dead", url_of(failing(refusing(402, NO_CREDIT))), priority=9)
        assert shop.chat(shop.customer()).status_code == 200
        (suspicion,) = shop.services.gateway.health.take_suspicions()
        assert (suspicion.route.channel_id, suspicion.outcome) == (dead, "no_credit")

    @pytest.mark.parametrize(
        ("preset", "status", "error"),
        [
            ("openai", 400, {"message": "Invalid value.", "code": "invalid_value"}),
            ("openrouter", 402, {"message": "You can only afford 10 tokens.", "code": 402}),
            ("openrouter", 403, {"message": "Flagged.", "metadata": {"flagged_input": "x"}}),
            ("groq", 413, {"message": "Request too large for model `x` in organization `y`"}),
            ("openai", 401, {"message": "", "code": "mismatched_organization"}),
        ],
    )
    def test_is_not_hurt_by_one_customers_doing(
        self, shop: Shop, failing: Failing, preset: str, status: int, error: dict[str, Any]
    ):
        many = 25
        server = failing(*[refusing(status, {"error": error}) for _ in range(many)])
        shop.add_channel("strict", url_of(server), priority=9, preset=preset)
        customer = shop.customer()
        for _ in range(many):
            assert shop.chat(customer).status_code in (200, 400)
        assert len(server.heads) == many
        assert shop.services.gateway.health.take_suspicions() == []

    def test_learns_of_failures(self, shop: Shop, failing: Failing):
        many = 40
        body = {"error": {"message": "Oops"}}
        server = failing(*[refusing(500, body) for _ in range(many)])
        shop.add_channel("broken", url_of(server), priority=9)
        customer = shop.customer()
        for _ in range(many):
            assert shop.chat(customer).status_code == 200
        assert len(server.heads) < many


class TestUnknownModel:
    def test_raises_an_alert_once(self, shop: Shop, failing: Failing):
        server = failing(refusing(404, NO_MODEL), refusing(404, NO_MODEL))
        shop.add_channel("elsewhere", url_of(server), priority=9)
        customer = shop.customer()
        for _ in range(2):
            assert shop.chat(customer).status_code == 200
        with shop.session() as session:
            (alert,) = session.scalars(select(Alert))
            assert (alert.kind, alert.subject) == ("model_unknown_to_provider", "elsewhere/talk")
            assert alert.occurrences == 1

    def test_in_a_400_is_no_fault_of_the_caller(self, shop: Shop, failing: Failing):
        body = {"error": {"message": "Model Not Exist", "code": "invalid_request_error"}}
        server = failing(refusing(400, body))
        shop.add_channel("elsewhere", url_of(server), priority=9, preset="deepseek")
        assert shop.chat(shop.customer()).status_code == 200
        assert shop.alerts() == ["model_unknown_to_provider"]


SECRETS = (PROVIDER_KEY, "127.0.0.1", "org-Ab12Cd34Ef56", "req_011CbrFTcXhtiMzr3s6EocF7")


@pytest.mark.parametrize("preset", ["openai", "anthropic", "plain"])
@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 429, 500])
def test_secrets_of_a_refusal_stay_inside(
    shop: Shop, caplog: pytest.LogCaptureFixture, preset: str, status: int
):
    """Neither the answer, nor the call's row, nor an alert, nor the log holds one."""
    shop.set_channel("main", preset=preset)
    text = f"Your key {PROVIDER_KEY} of {SECRETS[2]} at 127.0.0.1 was refused, see {SECRETS[3]}."
    body = {"error": {"message": text, "type": text, "code": text, "param": PROVIDER_KEY}}
    with caplog.at_level(logging.DEBUG):
        response = shop.chat(
            shop.customer(), sandbox={"behave": "status", "status": status, "body": body}
        )
    assert response.status_code >= 400
    call = shop.only_call()
    with shop.session() as session:
        alerts = [f"{alert.subject} {alert.message}" for alert in session.scalars(select(Alert))]
    told = [
        response.get_data(as_text=True),
        str(list(response.headers)),
        f"{call.attempts} {call.reason} {call.reported}",
        *alerts,
        caplog.text,
        *(str(record.__dict__) for record in caplog.records),
    ]
    for secret in SECRETS:
        assert not [text for text in told if secret in text]
