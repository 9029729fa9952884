"""Requests and tokens a minute of one key's family: counted, refused, told in OpenAI's headers."""

import time
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from app.core import clock
from app.core.errors import TooManyRequests
from app.core.ratelimit import Quota, RateLimiter, open_windows
from app.domain.accounts.models import KeyScope
from app.domain.billing.request_shape import RequestShape
from app.domain.catalog.kinds import ModelKind
from app.gateway.authentication import Caller
from app.gateway.rates import Rates, duration
from app.services import services
from tests.conftest import FrozenTime
from tests.gateway.shop import EMBEDDINGS_PATH, MESSAGES, Customer, Shop, limited

WINDOW_S = 60
STATES = [f"X-Ratelimit-{state}" for state in ("Limit", "Remaining", "Reset")]


@pytest.fixture(autouse=True)
def minute() -> Iterator[FrozenTime]:
    """A clock that stands still at the start of a minute near to now, which the prices know."""
    frozen = FrozenTime((time.time() // WINDOW_S + 1) * WINDOW_S)
    with clock.use_source(lambda: frozen.now_s):
        yield frozen


def rate_headers(answer: TestResponse, what: str) -> list[str | None]:
    return [answer.headers.get(f"{state}-{what}") for state in STATES]


def refusal(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]


def tokens_left(shop: Shop, customer: Customer, limit: int) -> int:
    """What a call of this family could take of its tokens now."""
    quota = Quota("key-tokens", str(customer.cap_id), limit)
    return shop.services.limiter.peek(quota).remaining


def said(characters: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": "x" * characters}]


class TestRequests:
    def test_as_many_pass_as_the_key_may_and_one_more_when_the_window_slid(
        self, shop: Shop, minute: FrozenTime
    ):
        customer = limited(shop, requests_per_minute=3)
        for left in (2, 1, 0):
            answer = shop.chat(customer)
            assert answer.status_code == 200
            assert rate_headers(answer, "Requests") == ["3", str(left), "2m0s"]
        answer = shop.chat(customer)
        assert refusal(answer) == (429, "rate_limit_exceeded")
        assert answer.json["error"]["type"] == "rate_limit_error"
        assert answer.json["error"]["requests_per_minute"] == 3
        assert rate_headers(answer, "Requests") == ["3", "0", "2m0s"]
        assert answer.headers["Retry-After"] == "60"
        assert "X-Should-Retry" not in answer.headers
        minute.advance(WINDOW_S + 21)
        assert shop.chat(customer).status_code == 200
        shop.assert_at_rest()

    def test_retry_after_is_long_enough(self, shop: Shop, minute: FrozenTime):
        customer = limited(shop, requests_per_minute=5)
        minute.advance(45)
        for pause_s in (20, 7, 30):
            while (answer := shop.chat(customer)).status_code == 200:
                pass
            assert answer.status_code == 429
            wait_s = int(answer.headers["Retry-After"])
            assert 1 <= wait_s <= 60
            minute.advance(wait_s)
            assert shop.chat(customer).status_code == 200
            minute.advance(pause_s)

    def test_keys_of_a_family_share_one_rate_and_others_have_their_own(self, shop: Shop):
        first = limited(shop, requests_per_minute=2)
        child = shop.child(first)
        other = limited(shop, requests_per_minute=2)
        assert [shop.chat(key).status_code for key in (first, child, child, other)] == [
            200,
            200,
            429,
            200,
        ]

    def test_refused_requests_count_for_nothing(self, shop: Shop, minute: FrozenTime):
        customer = limited(shop, requests_per_minute=2)
        assert {shop.chat(customer).status_code for _ in range(9)} == {200, 429}
        minute.advance(WINDOW_S + WINDOW_S // 2 + 1)
        assert shop.chat(customer).status_code == 200

    def test_what_is_wrong_later_counts_as_a_request(self, shop: Shop):
        customer = limited(shop, requests_per_minute=1)
        assert shop.chat(customer, n=0).status_code == 400
        assert shop.chat(customer).status_code == 429

    def test_answers_to_other_faults_tell_no_rates(self, shop: Shop):
        answer = shop.chat(limited(shop, requests_per_minute=5), n=0)
        assert answer.status_code == 400
        assert rate_headers(answer, "Requests") == [None, None, None]

    def test_stream_tells_its_rates(self, shop: Shop):
        customer = limited(shop, requests_per_minute=5, tokens_per_minute=10_000)
        answer = shop.chat(customer, stream=True)
        assert answer.get_data().endswith(b"data: [DONE]\n\n")
        assert rate_headers(answer, "Requests") == ["5", "4", "2m0s"]
        assert rate_headers(answer, "Tokens")[0] == "10000"


class TestTokens:
    def test_admission_takes_the_estimate_and_the_settlement_the_rest(self, shop: Shop):
        customer = limited(shop, tokens_per_minute=10_000)
        answer = shop.chat(customer, max_tokens=50)
        request = shop.provider.requests[-1]
        estimate = len(request.body) // 4
        assert rate_headers(answer, "Tokens") == ["10000", str(10_000 - estimate), "2m0s"]
        used = answer.json["usage"]["total_tokens"]
        assert tokens_left(shop, customer, 10_000) == 10_000 - max(used, estimate)

    @pytest.mark.parametrize("is_streamed", [False, True])
    def test_what_was_used_above_the_estimate_refuses_the_next_call(
        self, shop: Shop, is_streamed: bool
    ):
        customer = limited(shop, tokens_per_minute=200)
        usage = {"prompt_tokens": 40, "completion_tokens": 400, "total_tokens": 440}
        sandbox = {"usage": usage}
        first = shop.chat(customer, stream=is_streamed, max_tokens=1000, sandbox=sandbox)
        first.get_data()
        assert first.status_code == 200
        answer = shop.chat(customer)
        assert refusal(answer) == (429, "rate_limit_exceeded")
        assert answer.json["error"]["tokens_per_minute"] == 200
        assert rate_headers(answer, "Tokens")[:2] == ["200", "0"]
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        shop.assert_at_rest()

    def test_request_above_the_whole_rate_is_told_that_waiting_is_in_vain(self, shop: Shop):
        customer = limited(shop, tokens_per_minute=100)
        answer = shop.chat(customer, messages=said(4_000))
        assert refusal(answer) == (429, "request_above_tokens_per_minute")
        error = answer.json["error"]
        assert error["tokens_per_minute"] == 100
        assert error["estimated_tokens"] > 1_000
        assert f"{error['estimated_tokens']} input tokens" in error["message"]
        assert "100 tokens" in error["message"]
        assert "Retry-After" not in answer.headers
        assert answer.headers["X-Should-Retry"] == "false"
        assert rate_headers(answer, "Tokens") == ["100", None, None]
        assert tokens_left(shop, customer, 100) == 100
        assert shop.calls() == []

    def test_payloads_of_pictures_are_no_text(self, shop: Shop):
        customer = limited(shop, tokens_per_minute=300)
        picture = {"url": "data:image/png;base64," + "A" * 40_000}
        content = [{"type": "image_url", "image_url": picture}, {"type": "text", "text": "this?"}]
        answer = shop.chat(customer, messages=[{"role": "user", "content": content}])
        assert answer.status_code == 200

    def test_embeddings_count_too(self, shop: Shop):
        customer = limited(shop, tokens_per_minute=1_000)
        answer = shop.post(customer, EMBEDDINGS_PATH, model="embed", input="some words here")
        assert answer.status_code == 200
        assert tokens_left(shop, customer, 1_000) < 1_000

    @pytest.mark.parametrize(
        ("members", "status"),
        [
            ({"n": 0}, 400),
            ({"model": "unheard-of"}, 404),
            ({"model": "nowhere"}, 503),
            ({"max_tokens": 4_000_000}, 402),
        ],
    )
    def test_refused_call_takes_no_tokens(
        self, shop: Shop, members: dict[str, object], status: int
    ):
        customer = limited(shop, paid_nanos=1_000_000, tokens_per_minute=10_000)
        assert shop.chat(customer, **members).status_code == status
        assert tokens_left(shop, customer, 10_000) == 10_000

    def test_call_that_failed_at_the_provider_keeps_its_estimate_alone(self, shop: Shop):
        customer = limited(shop, tokens_per_minute=10_000)
        assert shop.chat(customer, sandbox={"behave": "status", "status": 500}).status_code == 502
        estimate = len(shop.provider.requests[-1].body) // 4
        assert tokens_left(shop, customer, 10_000) == 10_000 - estimate


def test_what_the_last_minute_counted_is_no_gift_to_the_next(minute: FrozenTime):
    """Calls that are refused while the minute turns: nothing they took is given back later."""
    limiter, caller = RateLimiter(), Caller(1, 1, KeyScope.FULL, cap_id=7, tokens_per_minute=100)
    refused_calls = [Rates(limiter, caller) for _ in range(4)]
    for rates in refused_calls:
        rates.take_tokens(RequestShape(kind=ModelKind.CHAT, text_bytes=100))  # 25 tokens
    minute.advance(2 * WINDOW_S - 1)
    limiter.add(Quota("key-tokens", "7", 100), 100)
    for rates in refused_calls:
        rates.give_back_tokens()
    assert not limiter.peek(Quota("key-tokens", "7", 100)).is_allowed


class _FailingLimiter(RateLimiter):
    """Its storage is gone when the settlement counts."""

    def add(self, quota: Quota, cost: int) -> None:
        raise OperationalError("INSERT", {}, Exception("gone"))


def test_what_cannot_be_counted_does_not_spoil_a_settled_answer(shop: Shop):
    shop.services.gateway.limiter = _FailingLimiter()
    customer = limited(shop, tokens_per_minute=1_000)
    answer = shop.chat(customer, max_tokens=900)
    assert (answer.status_code, answer.json["object"]) == (200, "chat.completion")
    shop.assert_at_rest()


def test_key_without_rates_never_asks_the_limiter(shop: Shop):
    class Untouched:
        """Whoever asks it anything fails."""

    shop.services.gateway.limiter = Untouched()  # type: ignore[assignment]
    for customer in (shop.customer(), limited(shop, max_running=3, models=["talk"])):
        answer = shop.chat(customer)
        assert answer.status_code == 200
        assert not [name for name, _ in answer.headers if "ratelimit" in name.lower()]
        assert shop.chat(customer, messages=MESSAGES, n=0).status_code == 400
    shop.assert_at_rest()


def test_times_are_written_as_openai_does():
    told = [duration(seconds) for seconds in (0, 1, 59, 60, 61, 120)]
    assert told == ["0s", "1s", "59s", "1m0s", "1m1s", "2m0s"]


@pytest.mark.slow
@pytest.mark.postgresql
def test_processes_on_postgresql_share_one_rate(postgresql_app: Flask):
    engine = services(postgresql_app).engine
    caller = Caller(key_id=1, user_id=1, scope=KeyScope.FULL, cap_id=7, requests_per_minute=3)
    processes = [RateLimiter(open_windows(engine, redis_url="")) for _ in range(2)]
    rates = [Rates(limiter, caller) for limiter in processes]
    for number in range(3):
        rates[number % 2].take_request()
    for one in rates:
        with pytest.raises(TooManyRequests):
            one.take_request()
