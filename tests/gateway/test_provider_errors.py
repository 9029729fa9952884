"""The table of providers' errors: what each body means, and that none of its words gets out."""

import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.core.errors import BadRequest, PayloadTooLarge
from app.domain.channels.presets import Dialect
from app.gateway.error_texts import LENGTH_MAX, names_of
from app.gateway.errors import NoChannel, error_body
from app.gateway.provider_errors import Asked, Judgement, Sort, judge, judge_document
from app.gateway.provider_errors.bodies import BODY_MAX_BYTES
from app.gateway.provider_errors.common_rows import COMMON, STATUSES
from app.gateway.provider_errors.dialect_rows import DIALECTS
from tests.gateway.provider_bodies import CASES
from tests.gateway.provider_case import Case

ROWS = (*COMMON, *STATUSES.values(), *(row for rows in DIALECTS.values() for row in rows))
REQUEST = {
    "model": "talk",
    "messages": [{"role": "user", "content": "Hi"}],
    "max_tokens": 5,
    "top_k": 4,
    "temperature": 0,
}

SECRETS = (
    "sk-provider-canary-7f3a9b",
    "llm.acme-internal.example",
    "org-Ab12Cd34Ef56Gh78",
    "req_011CbrFTcXhtiMzr3s6EocF7",
    "f9fdb027-830c-9e05-8366-ce479a878825",
    "owner@acme-internal.example",
    "16f2151a40f44a808ad0",
    "895908428397",
    "10.20.30.40",
    "/srv/models/acme-7b",
)
NAMES = names_of(
    sold="talk",
    upstream="acme-upstream-7b",
    api_key=SECRETS[0],
    host=SECRETS[1],
    channel_name="acme main account",
)


def asked(**members: Any) -> Asked:
    document = members or REQUEST
    return Asked(document, json.dumps(document).encode(), NAMES)


def raw(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def judge_openai(status: int, message: str, code: str | None = None, **more: Any) -> Judgement:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return judge(Dialect.OPENAI, status, {}, raw({"error": error | more}), asked())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.dialect}-{case.name}")
def test_body_means_what_its_provider_says(case: Case):
    judgement = judge(case.dialect, case.status, {}, raw(case.body))
    assert judgement.sort is case.sort
    assert (judgement.error.status, judgement.error.reason) == case.ours
    assert judgement.counts is (case.counts and case.sort is not Sort.CALLER)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.status == 200],
    ids=lambda case: f"{case.dialect}-{case.name}",
)
def test_error_in_an_answer_that_was_parsed_means_the_same(case: Case):
    assert judge_document(case.dialect, {}, case.body).sort is case.sort


class TestTable:
    def test_callers_rows_refuse_the_request(self):
        for row in ROWS:
            if row.sort is Sort.CALLER:
                assert issubclass(row.error, BadRequest | PayloadTooLarge)

    def test_dead_and_waiting_channels_are_unavailable(self):
        for row in ROWS:
            if row.sort in (Sort.DEAD, Sort.WAIT):
                assert row.error is NoChannel

    def test_no_echo_of_a_request_makes_a_channel_seem_dead(self):
        """A refusal may repeat what a client wrote, anywhere but at its beginning."""
        for row in ROWS:
            if row.sort is Sort.DEAD and row.says:
                assert row.statuses
                assert row.statuses.isdisjoint({400, 413, 422})

    def test_patterns_are_in_lower_case(self):
        for row in ROWS:
            patterns = [*row.codes, *row.begins, *row.says]
            assert patterns == [pattern.casefold() for pattern in patterns]

    def test_every_dialect_is_the_row_of_a_provider(self):
        assert set(DIALECTS) <= set(Dialect)


@pytest.mark.parametrize(
    "message",
    [
        "Invalid value: 'Your credit balance is too low'. Supported values are: 'a' and 'b'.",
        "'insufficient_quota' is not one of ['low', 'high']",
        "Unknown tool: Incorrect API key provided: sk-1",
    ],
)
def test_client_cannot_make_a_channel_seem_dead(message: str):
    for dialect in Dialect:
        body = raw({"error": {"message": message, "type": "invalid_request_error"}})
        assert judge(dialect, 400, {}, body).sort is Sort.CALLER


class TestParam:
    @pytest.mark.parametrize(
        ("param", "shown"),
        [
            ("top_k", "top_k"),
            ("messages[0].role", "messages[0].role"),
            ("messages.0.content", "messages.0.content"),
            ("max_completion_tokens", "max_tokens"),
            ("messages[0].secret_member", None),
            ("not_sent", None),
            ("top_k; DROP", None),
            ("sk-provider-canary-7f3a9b", None),
            ("messages[0]." + "a." * 20, None),
            ("", None),
        ],
    )
    def test_is_shown_only_as_the_client_sent_it(self, param: str, shown: str | None):
        judgement = judge_openai(400, "Invalid type.", "invalid_type", param=param)
        if shown is not None:
            assert judgement.sort is Sort.CALLER
            assert judgement.error.field == shown
        else:
            assert judgement.error.field is None

    def test_of_a_list_of_findings_is_their_place(self):
        finding = {"type": "extra_forbidden", "loc": ["body", "top_k"], "msg": "Extra inputs"}
        judgement = judge(Dialect.MISTRAL, 422, {}, raw({"detail": [finding]}), asked())
        assert (judgement.error.reason, judgement.error.field) == ("unsupported_parameter", "top_k")

    def test_that_we_added_is_no_fault_of_the_caller(self):
        """A server that refuses the limit we chose may have a neighbour that does not."""
        request = {"model": "talk", "messages": []}
        body = raw({"error": {"message": "Unknown parameter", "param": "max_completion_tokens",
                              "code": "unknown_parameter"}})  # fmt: skip
        judgement = judge(Dialect.PLAIN, 400, {}, body, asked(**request))
        assert judgement.sort is Sort.ELSEWHERE
        assert judgement.counts is False
        assert judgement.error.status == 400

    def test_limit_that_nobody_sent_is_no_fault_of_the_caller(self):
        body = raw({"error": {"message": "max_tokens is too large: 90000"}})
        request = {"model": "talk", "messages": []}
        assert judge(Dialect.PLAIN, 400, {}, body, asked(**request)).sort is Sort.ELSEWHERE
        assert judge(Dialect.PLAIN, 400, {}, body, asked()).sort is Sort.CALLER


class TestSentence:
    def test_of_a_clean_dialect_is_passed_on(self):
        said = "Invalid value: 'robot'. Supported values are: 'system' and 'user'."
        assert judge_openai(400, said, "invalid_value").error.message == said

    def test_of_another_dialect_is_not(self):
        body = raw({"error": {"message": "Invalid value: 'robot'.", "code": "invalid_value"}})
        for dialect in (Dialect.PLAIN, Dialect.OPENROUTER, Dialect.ZHIPU, Dialect.VLLM):
            assert judge(dialect, 400, {}, body, asked()).error.message == (
                "A parameter is not valid."
            )

    def test_is_not_passed_on_without_the_request(self):
        body = raw({"error": {"message": "Invalid value: 'robot'.", "code": "invalid_value"}})
        assert "robot" not in judge(Dialect.OPENAI, 400, {}, body).error.message

    def test_of_a_channels_fault_is_never_passed_on(self):
        for status in (401, 402, 403, 404, 429, 500, 503):
            assert "Hear" not in judge_openai(status, "Hear the provider's words.").error.message

    def test_names_the_model_as_it_is_sold(self):
        said = judge_openai(400, "acme-upstream-7b does not take a temperature of 0.")
        assert said.error.message == "talk does not take a temperature of 0."


WAITS = (
    ({"retry-after": "7"}, 7),
    ({"retry-after": "0"}, 1),
    ({"retry-after": "1.5"}, 2),
    ({"retry-after": "100000"}, 60),
    ({"retry-after": "9" * 6_000}, 60),
    ({"retry-after": "soon"}, None),
    ({"retry-after": "-5"}, None),
    ({"retry-after": "²"}, None),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "Wed, 25 Nov 2026 10:00:30 GMT"}, 30),
    ({"retry-after": "Wed, 25 Nov 2026 09:00:00 GMT"}, 1),
    ({"retry-after": "Wed, 25 Nov 2026 10:00:30 +99999999999"}, None),
    ({"retry-after-ms": "2500", "retry-after": "50"}, 3),
    ({"x-ratelimit-reset-tokens": "7.66s"}, 8),
    ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "7.66s"}, 1),
    (
        {
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-reset-tokens": "7.66s",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-remaining-tokens": "0",
        },
        8,
    ),
    ({"x-ratelimit-reset-tokens": "6m0s"}, 60),
    ({"x-ratelimit-reset-tokens": "20ms"}, 1),
    ({"x-ratelimit-reset": "1795600815"}, 15),
    ({"x-ratelimit-reset": "1795600815000"}, 15),
    ({"x-ratelimit-reset": "whenever"}, None),
    ({}, None),
)
NOW_S = 1_795_600_800  # 25 November 2026, 10:00:00 UTC


class TestWait:
    @pytest.mark.parametrize(("headers", "wait_s"), WAITS)
    def test_is_read_from_the_headers(self, frozen_time, headers: dict[str, str], wait_s):
        frozen_time.now_s = NOW_S
        judgement = judge(Dialect.PLAIN, 429, headers, b"")
        assert judgement.sort is Sort.WAIT
        assert judgement.wait_s == wait_s
        assert judgement.error.retry_after_s == (wait_s or 5)

    @pytest.mark.parametrize(
        ("message", "wait_s"),
        [
            ("Rate limit reached. Please try again in 4.77s. Need more?", 5),
            ("Rate limit reached. Please try again in 20ms.", 1),
            ("Rate limit reached. Please try again in 1m2.5s.", 60),
            ("Requests have exceeded the limit. Please retry after 10 seconds.", 10),
            ("Please try again in a while", None),
        ],
    )
    def test_is_read_from_the_sentence(self, message: str, wait_s: int | None):
        body = raw({"error": {"message": message}})
        assert judge(Dialect.PLAIN, 429, {}, body).wait_s == wait_s

    def test_is_read_from_googles_details(self):
        detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}
        error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "", "details": [detail]}
        assert judge(Dialect.GEMINI, 429, {}, raw([{"error": error}])).wait_s == 35

    def test_is_not_told_to_a_caller_at_fault(self):
        judgement = judge(Dialect.PLAIN, 400, {"retry-after": "7"}, b"")
        assert (judgement.wait_s, judgement.error.retry_after_s) == (None, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "param", "detail", "details",
                             "metadata", "base_resp", "status_code", "loc", "x"]),
            inner, max_size=5,
        )
    ),
    max_leaves=20,
)  # fmt: skip
STATUS = st.sampled_from([200, 204, 302, 400, 401, 402, 403, 404, 413, 422, 429, 500, 503, 529])
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"]),
    st.text(max_size=30),
)
PATIENT = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


class TestAnyBody:
    @PATIENT
    @given(dialect=st.sampled_from(Dialect), status=STATUS, headers=HEADERS, body=st.binary())
    @example(dialect=Dialect.OPENAI, status=400, headers={}, body=b"[" * 60_000)
    @example(dialect=Dialect.OPENAI, status=400, headers={}, body=b'{"error":' * 9_000)
    @example(dialect=Dialect.GEMINI, status=400, headers={}, body=b"[" + b"{}," * 20_000 + b"{}]")
    @example(dialect=Dialect.XAI, status=400, headers={}, body=b"\xff\xfe" * 100)
    def test_of_bytes_is_judged(self, dialect, status, headers, body: bytes):
        self._assert_sound(judge(dialect, status, headers, body, asked()))

    @PATIENT
    @given(dialect=st.sampled_from(Dialect), status=STATUS, document=JSON)
    def test_of_json_is_judged(self, dialect, status, document: Any):
        body = json.dumps(document).encode()
        self._assert_sound(judge(dialect, status, {}, body, asked()))
        self._assert_sound(judge_document(dialect, {}, document, asked()))

    def _assert_sound(self, judgement: Judgement) -> None:
        error = judgement.error
        assert orjson.loads(error_body(error))["error"]["code"] == error.reason
        assert len(error.message) <= LENGTH_MAX
        assert judgement.wait_s is None or 1 <= judgement.wait_s <= 60
        assert (error.retry_after_s is None) == (error.status < 500)

    @PATIENT
    @given(
        secret=st.sampled_from(SECRETS),
        before=st.text(max_size=60),
        after=st.text(max_size=60),
        glue=st.sampled_from(["", " ", " '", "=", ": ", "(", '"', "<", ", "]),
        place=st.sampled_from(["message", "param", "code", "type", "detail", "request_id"]),
        status=STATUS,
        dialect=st.sampled_from(Dialect),
    )
    def test_keeps_a_providers_secrets(self, secret, before, after, glue, place, status, dialect):
        error = {
            "message": "This request cannot be served.",
            place: f"{before}{glue}{secret} {after}",
        }
        judgement = judge(dialect, status, {}, raw({"error": error, place: secret}), asked())
        shown = error_body(judgement.error).decode() + judgement.word
        assert secret.casefold() not in shown.casefold()

    @pytest.mark.parametrize(
        "body",
        [
            b'{"error":{"message":"' + b"a-" * 40_000 + b'"}}',
            b'{"error":{"message":"' + b"*" * 60_000 + b'"}}',
            b'{"error":{"message":"' + b"a." * 30_000 + b'"}}',
            b'{"error":{"message":"' + b"org " * 15_000 + b'"}}',
            b'{"error":{"message":"' + b"a@" * 30_000 + b'"}}',
            b'{"error":{"message":"' + b":0" * 30_000 + b'"}}',
            b'{"error":{"message":"' + b"/a" * 30_000 + b'"}}',
            b"try again in " * 5_000,
        ],
        ids=range(8),
    )
    def test_is_judged_in_bounded_time(self, body: bytes):
        started_s = time.perf_counter()
        judge(Dialect.OPENAI, 400, {}, body[:BODY_MAX_BYTES], asked())
        assert time.perf_counter() - started_s < 0.5
