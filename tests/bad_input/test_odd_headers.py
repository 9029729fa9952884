"""Headers and addresses that no one should send: a clear answer in the dialect of the surface."""

from typing import Any

import pytest

from tests.gateway.shop import CHAT_PATH, MESSAGES, Customer, Shop

GOOD_BODY = {"model": "talk", "messages": MESSAGES}


@pytest.fixture(scope="module")
def customer(shared_shop: Shop) -> Customer:
    return shared_shop.customer()


@pytest.mark.parametrize(
    "credential",
    [
        None, "", "Bearer", "Bearer ", "Bearer sk-", "Bearer sk-unknown", "Bearer  sk-a sk-b",
        "Bearer: {secret}", "Token {secret}", "Basic {secret}", "{secret}", "Bearer {secret}x",
        "Bearer {secret},", "Bearer \x00{secret}", "Bearer " + "s" * 20_000, "Bearer sk-\xe9\xff",
        "Bearer null", "Bearer undefined", "Bearer ' OR 1=1 --",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", CHAT_PATH), ("GET", "/v1/models"), ("GET", "/api/user/balance")],
)
def test_odd_credential_is_401_and_says_how_to_send_one(
    shared_shop: Shop, customer: Customer, method: str, path: str, credential: str | None
):
    sent = {}
    if credential is not None:
        sent["HTTP_AUTHORIZATION"] = credential.replace("{secret}", customer.secret)
    answer = shared_shop.app.test_client().open(
        path, method=method, json=GOOD_BODY if method == "POST" else None, environ_overrides=sent
    )
    assert answer.status_code == 401
    body = answer.json
    assert (body["error"]["code"] if "error" in body else body["data"]["reason"]) == (
        "invalid_api_key"
    )
    assert customer.secret not in answer.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR "])
def test_scheme_is_read_in_any_case(shared_shop: Shop, customer: Customer, scheme: str):
    headers = {"Authorization": f"{scheme} {customer.secret}"}
    assert shared_shop.app.test_client().get("/v1/models", headers=headers).status_code == 200


HARMLESS_HEADERS: tuple[dict[str, str], ...] = (
    {"Accept": "text/html"},
    {"Accept": "\x7f/*;q=nonsense"},
    {"Accept-Language": "-,*;q=x" * 200},
    {"Accept-Encoding": "gzip;q=2,,,"},
    {"Cookie": "session=forged; session=twice; \x01"},
    {"Origin": "https://evil.example"},
    {"Host": "evil.example:99999"},
    {"X-Forwarded-For": "unknown, 999.1.1.1, ::ffff:1.2.3.4%eth0"},
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Proto": "javascript"},
    {"Forwarded": 'for="[::1]"; proto=gopher'},
    {"X-HTTP-Method-Override": "DELETE"},
    {"X-Original-URL": "/account"},
    {"Range": "bytes=0-1"},
    {"If-None-Match": "*"},
    {"If-Modified-Since": "yesterday"},
    {"Expect": "200-maybe"},
    {"X-Client-Request-Id": "x" * 5_000},
    {"X-Client-Request-Id": "\x01\x02 tiếng việt".encode().decode("latin-1")},
    {"X-Request-Id": "req_chosen-by-client"},
    {"Idempotency-Key": "a" * 5_000},
    {"OpenAI-Organization": "org-x"},
    {"anthropic-beta": "everything"},
    {"X-Stainless-Timeout": "NaN"},
)


@pytest.mark.parametrize("headers", HARMLESS_HEADERS, ids=lambda headers: next(iter(headers)))
def test_header_that_is_none_of_ours_changes_nothing(
    shared_shop: Shop, customer: Customer, headers: dict[str, str]
):
    answer = shared_shop.app.test_client().post(
        CHAT_PATH,
        json=GOOD_BODY,
        headers=customer.headers,
        environ_overrides={f"HTTP_{n.upper().replace('-', '_')}": v for n, v in headers.items()},
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"].startswith("req_")
    assert answer.headers["X-Request-Id"] != "req_chosen-by-client"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    label = shared_shop.calls()[-1].client_request_id or ""
    assert len(label) <= 128
    assert label.isascii() and (label.isprintable() or not label)


@pytest.mark.parametrize(
    ("length", "status"),
    [("-1", 400), ("+5", 400), ("5e1", 400), ("٥", 400), ("1_0", 400), ("9" * 30, 400),
     ("999999999999", 413), ("", 400), ("0", 400), ("100000", 400)],
)  # fmt: skip
def test_content_length_that_is_none_or_wrong_is_refused(
    shared_shop: Shop, customer: Customer, length: str, status: int
):
    answer = shared_shop.app.test_client().post(
        CHAT_PATH,
        data=b"{}",
        content_type="application/json",
        headers=customer.headers,
        environ_overrides={"CONTENT_LENGTH": length},
    )
    assert answer.status_code == status
    assert answer.json["error"]["type"] == "invalid_request_error"


ADDRESSES: tuple[tuple[str, str, int], ...] = (
    ("GET", "/v1", 404),
    ("GET", "/v1/", 404),
    ("POST", "/v1/responses", 404),
    ("POST", "/v1/messages", 404),
    ("POST", "/v1/completions", 404),
    ("POST", "/v1/audio/speech", 404),
    ("POST", "/v1/chat/completions/", 404),
    ("POST", "/v1/chat/completions/x", 404),
    ("POST", "/v1/chat//completions", 404),
    ("POST", "/v1/chat/completions;x=1", 404),
    ("POST", "/v1/chat/completions\x00", 404),
    ("POST", "/v1/chat/completions\n", 404),
    ("POST", "/v1/Chat/Completions", 404),
    ("POST", "/v1/../v1/chat/completions", 404),
    ("GET", "/v1/models/", 404),
    ("GET", "/v1/models/nope", 404),
    ("GET", "/v1/models/..%2f..%2fetc", 404),
    ("GET", "/v1/models/" + "m" * 4_000, 404),
    ("GET", "/v1/models/\ud7ff💥", 404),
    ("GET", CHAT_PATH, 405),
    ("PUT", CHAT_PATH, 405),
    ("DELETE", "/v1/models/talk", 405),
    ("PATCH", CHAT_PATH, 405),
    ("TRACE", CHAT_PATH, 405),
    ("PROPFIND", CHAT_PATH, 405),
    ("POST", "/v1/models", 405),
    ("GET", "/api", 404),
    ("GET", "/api/nothing", 404),
    ("POST", "/api/auth/register/", 404),
    ("GET", "/api/auth/register", 405),
    ("GET", "/api/usage/req_", 404),
    ("GET", "/api/usage/req_0000000000000", 404),
    ("GET", "/api/usage/" + "z" * 3_000, 404),
    ("GET", "/api/usage/1' OR '1'='1", 404),
    ("GET", "/api/usage/💥", 404),
)


@pytest.mark.parametrize(("method", "path", "status"), ADDRESSES)
def test_odd_address_is_answered_in_the_dialect_of_its_surface(
    shared_shop: Shop, customer: Customer, method: str, path: str, status: int
):
    answer = shared_shop.app.test_client().open(
        "/", method=method, headers=customer.headers, environ_overrides=_path(path)
    )
    assert answer.status_code == status
    _assert_dialect(path, answer.json)
    if status == 405:
        assert answer.headers["Allow"]


def test_query_string_is_not_forwarded_and_changes_nothing(shared_shop: Shop, customer: Customer):
    shared_shop.provider.clear()
    answer = shared_shop.post(customer, f"{CHAT_PATH}?model=embed&key=x&%00=%ff", **GOOD_BODY)
    assert answer.status_code == 200
    assert answer.json["model"] == "talk"
    assert [request.path for request in shared_shop.provider.requests] == [CHAT_PATH]


def _path(path: str) -> dict[str, str]:
    """The path as a server hands it over: its bytes, one character each."""
    return {"PATH_INFO": path.encode("utf-8", "surrogatepass").decode("latin-1")}


def _assert_dialect(path: str, body: Any) -> None:
    if path.startswith("/v1"):
        assert {"message", "type", "param", "code"} <= body["error"].keys()
    else:
        assert body.keys() == {"code", "message", "data"}
        assert body["code"] // 100 in (404, 405)
