"""Every refusal of a body: the right status, code and param, nothing held, no row, no call made."""

import json
from typing import Any

import pytest

from tests.gateway.shop import (
    CHAT_PATH,
    EMBEDDINGS_PATH,
    IMAGES_PATH,
    MESSAGES,
    Customer,
    Shop,
)

BASES: dict[str, dict[str, Any]] = {
    CHAT_PATH: {"model": "talk", "messages": MESSAGES},
    EMBEDDINGS_PATH: {"model": "embed", "input": "hello"},
    IMAGES_PATH: {"model": "draw", "prompt": "a hat"},
}
PART = {"type": "text", "text": "hi"}
FUNCTION = {"type": "function", "function": {"name": "f"}}


@pytest.fixture(scope="module")
def customer(shared_shop: Shop) -> Customer:
    return shared_shop.customer()


@pytest.fixture
def refuse(shared_shop: Shop, customer: Customer):
    """Posts a body that must be refused; returns the error object."""

    def post(path: str = CHAT_PATH, *, raw: bytes, status: int = 400) -> dict[str, Any]:
        shared_shop.provider.clear()
        calls_before = len(shared_shop.calls())
        answer = shared_shop.post(customer, path, raw=raw)
        assert answer.status_code == status, answer.data
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Request-Id"].startswith("req_")
        error: dict[str, Any] = answer.json["error"]
        assert {"message", "type", "param", "code"} <= error.keys()
        assert error["type"] == "invalid_request_error"
        assert len(shared_shop.calls()) == calls_before
        assert not shared_shop.provider.requests
        assert shared_shop.services.gateway.slots.taken == 0
        balances = shared_shop.balances(customer)
        assert (balances.trial_held, balances.paid_held) == (0, 0)
        return error

    return post


def with_members(path: str = CHAT_PATH, **members: Any) -> bytes:
    return json.dumps({**BASES[path], **members}).encode()


UNSUPPORTED: tuple[tuple[str, Any], ...] = (
    ("service_tier", "priority"),
    ("service_tier", "flex"),
    ("service_tier", 1),
    ("models", ["talk", "other"]),
    ("route", "fallback"),
    ("provider", {"order": ["x"]}),
    ("plugins", []),
    ("preset", "x"),
    ("fallbacks", ["x"]),
    ("speed", "fast"),
    ("inference_geo", "us"),
    ("mcp_servers", []),
    ("web_search_options", {}),
    ("enable_search", True),
    ("audio", {"voice": "alloy"}),
    ("modalities", ["text", "audio"]),
    ("modalities", "audio"),
    ("api_base", "http://127.0.0.1"),
    ("base_url", "http://127.0.0.1"),
    ("api_key", "sk-mine"),
    ("user_config", {}),
    ("tools", [{"type": "web_search"}]),
    ("tools", [FUNCTION, {"type": "mcp"}]),
    ("tools", [{"type": "code_interpreter"}]),
    ("tools", [{"type": "file_search"}]),
    ("tools", [{"type": None}]),
    ("tools", ["web_search"]),
    ("tools", [{"Type": "web_search"}]),
    ("tools", [{**FUNCTION, "TYPE": "web_search"}]),
)


@pytest.mark.parametrize(("name", "value"), UNSUPPORTED)
def test_what_changes_the_price_is_unsupported(refuse, name: str, value: Any):
    error = refuse(raw=with_members(**{name: value}))
    assert (error["code"], error["param"]) == ("unsupported_parameter", name)


STATEFUL: tuple[tuple[str, Any], ...] = (
    ("previous_response_id", "resp_1"),
    ("conversation", "conv_1"),
    ("prompt", {"id": "pmpt_1"}),
    ("background", True),
    ("store", True),
    ("file_id", "file-1"),
    ("file_ids", ["file-1"]),
    ("vector_store_ids", ["vs_1"]),
    ("container", "c_1"),
    ("cached_content", "cachedContents/1"),
)


@pytest.mark.parametrize(("name", "value"), STATEFUL)
def test_state_at_the_provider_is_refused(refuse, name: str, value: Any):
    error = refuse(raw=with_members(**{name: value}))
    assert (error["code"], error["param"]) == ("stateful_not_supported", name)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "image_file", "image_file": {"file_id": "file-1"}},
        {"type": "text", "text": "x", "cached_content": "c"},
        {"type": "tool_result", "content": {"type": "file", "file": {"file_id": "file-1"}}},
        {"type": "tool_result", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
    ],
)
def test_file_kept_at_the_provider_is_refused(refuse, part: dict[str, Any]):
    error = refuse(raw=with_members(messages=[{"role": "user", "content": [PART, part]}]))
    assert (error["code"], error["param"]) == ("stateful_not_supported", "messages")


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        (IMAGES_PATH, "background", "transparent"),
        (CHAT_PATH, "store", False),
        (CHAT_PATH, "store", None),
        (CHAT_PATH, "service_tier", "default"),
        (CHAT_PATH, "modalities", ["text"]),
        (CHAT_PATH, "models", None),
        (CHAT_PATH, "tools", []),
        (CHAT_PATH, "Unheard_Of", 1),
    ],
)
def test_harmless_values_pass(shop: Shop, path: str, name: str, value: Any):
    assert (
        shop.post(shop.customer(), path, raw=with_members(path, **{name: value})).status_code == 200
    )


LOOK_ALIKES = (
    ("Model", "model"),
    ("MAX_TOKENS", "max_tokens"),
    ("N", "n"),
    ("ſtream", "stream"),
    ("meſſages", "messages"),
    ("to\u212aens", None),
    ("max_to\u212aens", "max_tokens"),
    ("Service_Tier", "service_tier"),
    ("\u017fervice_tier", "service_tier"),
    ("PROVIDER", "provider"),
    ("previous_Response_id", "previous_response_id"),
    ("web_ſearch_options", "web_search_options"),
    ("Best_Of", "best_of"),
)


@pytest.mark.parametrize(("name", "meant"), LOOK_ALIKES)
@pytest.mark.parametrize("is_escaped", [False, True], ids=["plain", "escaped"])
def test_name_that_a_provider_may_take_for_another_is_refused(
    refuse, shared_shop: Shop, customer: Customer, name: str, meant: str | None, is_escaped: bool
):
    raw = json.dumps({**BASES[CHAT_PATH], name: 5}, ensure_ascii=is_escaped).encode()
    if meant is None:
        return  # not one of ours in any case; see `test_harmless_values_pass`
    error = refuse(raw=raw)
    assert (error["code"], error["param"]) == ("invalid_parameter", name)
    assert meant in error["message"]


DUPLICATES = (
    (b'{"model":"talk","model":"other","messages":[]}', "model"),
    (b'{"model":"talk","mod\\u0065l":"other","messages":[]}', "model"),
    (b'{"model":"talk","messages":[],"max_tokens":1,"max_tokens":9}', "max_tokens"),
    (
        b'{"model":"talk","messages":[],"stream_options":{"include_usage":true,"include_usage":false}}',
        "stream_options",
    ),
    (
        b'{"model":"talk","messages":[],"tools":[{"type":"function","type":"web_search"}]}',
        "tools",
    ),
    (
        b'{"model":"talk","messages":[{"role":"user","content":[{"type":"text","text":"a",'
        b'"type":"image_url"}]}]}',
        "messages",
    ),
)


@pytest.mark.parametrize(("raw", "param"), DUPLICATES)
def test_name_given_twice_is_refused(refuse, raw: bytes, param: str):
    assert refuse(raw=raw)["param"] == param


WRONG_VALUES: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"n": 1.0}, "invalid_count", "n"),
    ({"n": True}, "invalid_count", "n"),
    ({"n": "3"}, "invalid_count", "n"),
    ({"n": 0}, "invalid_count", "n"),
    ({"n": 10**20}, "invalid_count", "n"),
    ({"best_of": -1}, "invalid_count", "best_of"),
    ({"max_tokens": 1.5}, "invalid_count", "max_tokens"),
    ({"max_tokens": [1]}, "invalid_count", "max_tokens"),
    ({"max_completion_tokens": "9"}, "invalid_count", "max_completion_tokens"),
    (
        {"max_tokens": 5, "max_completion_tokens": 6},
        "conflicting_output_limits",
        "max_completion_tokens",
    ),
    ({"model": ""}, "invalid_parameter", "model"),
    ({"model": None}, "invalid_parameter", "model"),
    ({"model": 7}, "invalid_parameter", "model"),
    ({"model": "x" * 200}, "invalid_parameter", "model"),
    ({"model": "\ud800"}, "invalid_parameter", "model"),
    ({"messages": None}, "invalid_parameter", "messages"),
    ({"stream": 1}, "invalid_parameter", "stream"),
    ({"stream": "true"}, "invalid_parameter", "stream"),
    ({"stream_options": []}, "invalid_parameter", "stream_options"),
    ({"stream_options": {"include_usage": 1}}, "invalid_parameter", "stream_options"),
    ({"stream_options": {"Include_Usage": True}}, "invalid_parameter", "stream_options"),
    ({"stream_options": {"include_u\u017fage": False}}, "invalid_parameter", "stream_options"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("members", "code", "param"), WRONG_VALUES, ids=lambda value: str(value)[:40]
)
def test_wrong_value_is_refused(refuse, members: dict[str, Any], code: str, param: str):
    error = refuse(raw=with_members(**members))
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize("path", [EMBEDDINGS_PATH, IMAGES_PATH])
def test_endpoint_that_does_not_stream_says_so(refuse, path: str):
    assert refuse(path, raw=with_members(path, stream=True))["param"] == "stream"


@pytest.mark.parametrize(
    ("path", "name"),
    [(CHAT_PATH, "messages"), (EMBEDDINGS_PATH, "input"), (IMAGES_PATH, "prompt")],
)
def test_required_member_is_named(refuse, path: str, name: str):
    raw = json.dumps({"model": BASES[path]["model"]}).encode()
    assert refuse(path, raw=raw)["param"] == name
    assert refuse(path, raw=b"{}")["param"] == "model"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": "http://169.254.169.254/"},
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        {"type": "text", "text": "x", "image_url": {"url": "//example.com/a.png"}},
    ],
)
def test_remote_url_with_private_channels_only_is_refused(refuse, part: dict[str, Any]):
    error = refuse(raw=with_members(messages=[{"role": "user", "content": [part]}]))
    assert (error["code"], error["param"]) == ("remote_url_not_supported", "messages")


def test_link_in_text_is_no_remote_url(shop: Shop):
    messages = [{"role": "user", "content": "read https://example.com/a"}]
    assert shop.chat(shop.customer(), messages=messages).status_code == 200


NOT_JSON = {
    "empty": b"",
    "array": b"[]",
    "string": b'"x"',
    "number": b"1",
    "null": b"null",
    "nan": b'{"model":"talk","messages":[],"temperature":NaN}',
    "infinity": b'{"model":"talk","messages":[],"temperature":-Infinity}',
    "huge-float": b'{"model":"talk","messages":[],"temperature":1e400}',
    "huge-integer": b'{"model":"talk","messages":[],"seed":' + b"9" * 5_000 + b"}",
    "deep-array": b'{"model":"talk","messages":' + b"[" * 100 + b"]" * 100 + b"}",
    "very-deep": b'{"model":"talk","messages":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep-object": b'{"a":' * 70 + b"1" + b"}" * 70,
    "unclosed": b'{"model":"talk"',
    "trailing": b'{"model":"talk","messages":[]} x',
    "two-objects": b"{}{}",
    "comment": b'{"model":"talk"/**/}',
    "single-quotes": b"{'model':'talk'}",
    "bom": b"\xef\xbb\xbf{}",
    "utf-16": json.dumps(BASES[CHAT_PATH]).encode("utf-16"),
    "utf-16-be": json.dumps(BASES[CHAT_PATH]).encode("utf-16-be"),
    "utf-32": json.dumps(BASES[CHAT_PATH]).encode("utf-32"),
    "latin-1": '{"model":"té"}'.encode("latin-1"),
    "surrogate-name": b'{"\\ud800":1,"model":"talk","messages":[]}',
    "encoded-surrogate": b'{"model":"\xed\xa0\x80"}',
    "control": b'{"model":"a\nb"}',
    "zeros": b"\x00" * 50,
}


@pytest.mark.parametrize("path", list(BASES))
@pytest.mark.parametrize("raw", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_no_json_is_400_and_never_500(refuse, path: str, raw: bytes):
    assert refuse(path, raw=raw)["code"] in ("invalid_json", "invalid_parameter")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"talk","messages":"\\ud800"}',
        b'{"model":"talk","messages":[{"role":"\\ud800","content":[{"type":"\\ud800"}]}]}',
        b'{"model":"talk","messages":[1,null,"x",[[]]]}',
        b'{"model":"talk","messages":{"content":[{"type":["x"]}]},"tools":{"type":"x"}}',
        b'{"model":"talk","messages":[{"role":"user","content":{"type":{"a":1}}}],"user":["x"]}',
        b'{"model":"talk","messages":[{"role":"user","content":"x"}],"user":"\\ud800",'
        b'"prompt_cache_key":"\\udfff"}',
        b'{"model":"talk","messages":[{"role":"user","content":"x"}],"stream":true,'
        b'"stream_options":{"x":1' + b"0" * 40 + b',"y":"\\ud800"}}',
        b'{"model":"talk","messages":[{"role":"user","content":"x"}],"response_format":7,'
        b'"functions":"x","tool_choice":[],"logit_bias":{"\\ud800":1}}',
    ],
)
@pytest.mark.parametrize("is_poor", [False, True], ids=["rich", "poor"])
def test_odd_shapes_are_the_providers_to_judge_and_never_500(shop: Shop, raw: bytes, is_poor: bool):
    customer = shop.customer(paid_nanos=1_000 if is_poor else 5_000_000_000)
    answer = shop.post(customer, raw=raw)
    answer.get_data()
    assert answer.status_code in ((402,) if is_poor else (200, 400))
    shop.assert_at_rest()


@pytest.mark.parametrize(
    "content_type",
    [
        "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/json; charset=utf-16", "application/jsonp",
    ],
)  # fmt: skip
def test_wrong_content_type_is_415(shared_shop: Shop, customer: Customer, content_type: str):
    answer = shared_shop.post(customer, raw=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == 415
    assert answer.json["error"]["type"] == "invalid_request_error"


def test_compressed_body_is_415(shared_shop: Shop, customer: Customer):
    answer = shared_shop.post(customer, raw=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("content_type", ["Application/JSON", 'application/json; charset="UTF-8"'])
def test_right_content_type_is_read_without_regard_to_case(
    shared_shop: Shop, customer: Customer, content_type: str
):
    answer = shared_shop.post(customer, raw=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["nope", "retired", "hidden"])
def test_model_that_is_not_sold_is_404(refuse, name: str):
    error = refuse(raw=with_members(model=name), status=404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


def test_model_without_a_channel_is_503(shop: Shop):
    answer = shop.post(shop.customer(), raw=with_members(model="nowhere"))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) in range(1, 61)
    assert shop.calls() == []


def test_model_of_another_endpoint_is_400_and_names_it(refuse):
    error = refuse(raw=with_members(model="embed"))
    assert error["param"] == "model"
    assert EMBEDDINGS_PATH in error["message"]


def test_trial_key_is_refused_a_model_for_payers(shop: Shop):
    trial = shop.trial_customer()
    answer = shop.post(trial, raw=with_members(model="for-payers"))
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "model_not_allowed")
    assert "/claim" in answer.json["error"]["message"]
    assert shop.calls() == []
