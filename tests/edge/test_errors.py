"""Errors in three dialects, told apart by the path alone."""

import json
from collections.abc import Callable

import pytest
import sqlalchemy.exc
from flask import Flask, abort
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.core.errors import AppError, Forbidden, TooManyRequests, Unavailable

SECRET = "canary-9f3e"  # what an error knows inside and must not tell

# One route of each surface, whose view is replaced by one that fails.
ROUTES = {
    "openai": ("gateway.list_models", "/v1/models"),
    "envelope": ("api.balance", "/api/user/balance"),
    "page": ("account.ask_for_link", "/claim"),
}
Reason = Callable[[TestResponse], str]


def _openai_reason(response: TestResponse) -> str:
    error = json.loads(response.data)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return str(error["code"])


def _envelope_reason(response: TestResponse) -> str:
    body = json.loads(response.data)
    assert set(body) == {"code", "message", "data"}
    assert body["code"] // 100 == response.status_code
    return str(body["data"]["reason"])


JSON_SURFACES = [("/v1", _openai_reason), ("/api", _envelope_reason)]


@pytest.mark.parametrize(("prefix", "reason_of"), JSON_SURFACES)
@pytest.mark.parametrize("path", ["", "/", "/nothing/here", "//models"])
def test_unknown_path_is_answered_by_its_owner(
    app: Flask, prefix: str, reason_of: Reason, path: str
) -> None:
    response = app.test_client().post(prefix + path, json={})
    assert response.status_code == 404
    assert response.mimetype == "application/json"
    assert reason_of(response) == "not_found"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/chat/completions", "POST"), ("/api/auth/register", "POST"), ("/logout", "POST")],
)
def test_wrong_method_names_the_right_ones(app: Flask, path: str, allowed: str) -> None:
    response = app.test_client().get(path)
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {allowed, "OPTIONS"}


@pytest.mark.parametrize("path", ["/nothing", "/v1models", "/apis", "/v2/models"])
def test_every_other_path_is_a_page(app: Flask, path: str) -> None:
    response = app.test_client().get(path, headers={"Accept-Language": "vi"})
    assert (response.status_code, response.mimetype) == (404, "text/html")
    assert '<html lang="vi">' in response.text
    assert response.text.count("<h1>") == 1
    assert response.headers["X-Request-Id"] in response.text


@pytest.mark.parametrize(
    ("user_id", "offered"), [(None, 'href="/login"'), ("somebody", 'href="/account"')]
)
def test_error_page_leads_on_by_whether_the_reader_is_signed_in(
    app: Flask, user_id: str | None, offered: str
) -> None:
    client = app.test_client()
    with client.session_transaction() as kept:
        kept.update({"_user_id": user_id} if user_id else {})
    page = client.get("/nothing").text
    assert page.count("<a ") == 1
    assert offered in page


@pytest.mark.parametrize("surface", ROUTES)
def test_unexpected_failure_tells_nothing_but_the_request_id(
    app: Flask, caplog: pytest.LogCaptureFixture, surface: str
) -> None:
    response = _fail(app, surface, ZeroDivisionError(SECRET))
    assert response.status_code == 500
    assert SECRET not in response.text
    assert "ZeroDivision" not in response.text
    assert SECRET in caplog.text  # the operator finds it, under the same id
    assert response.headers["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize("surface", ROUTES)
@pytest.mark.parametrize(
    "error",
    [
        sqlalchemy.exc.TimeoutError("QueuePool limit"),
        sqlalchemy.exc.OperationalError("SELECT secret", {}, Exception("disk full")),
    ],
)
def test_database_that_does_not_answer_is_503(app: Flask, surface: str, error: Exception) -> None:
    response = _fail(app, surface, error)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "SELECT" not in response.text


def test_page_for_a_lost_database_needs_none(app: Flask, session: Session) -> None:
    session.execute(text("PRAGMA foreign_keys=OFF"))
    session.execute(text("DROP TABLE claim_links"))
    session.execute(text("DROP TABLE users"))
    session.commit()
    client = app.test_client()
    with client.session_transaction() as kept:
        kept["_user_id"] = "somebody"
    for path, status in (("/claim/abc", 503), ("/account/keys", 503), ("/nothing", 404)):
        response = client.get(path)
        assert (response.status_code, response.mimetype) == (status, "text/html")


@pytest.mark.parametrize("surface", ROUTES)
def test_rule_s_error_keeps_its_status_and_wait(app: Flask, surface: str) -> None:
    response = _fail(app, surface, TooManyRequests(retry_after_s=7))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize("error", [Forbidden(SECRET), Unavailable(SECRET), AppError(SECRET)])
def test_page_speaks_to_people_not_to_machines(app: Flask, error: AppError) -> None:
    assert SECRET not in _fail(app, "page", error).text


@pytest.mark.parametrize(("prefix", "status"), [("openai", 413), ("envelope", 413), ("page", 413)])
def test_werkzeug_s_errors_take_the_dialect(app: Flask, prefix: str, status: int) -> None:
    endpoint, path = ROUTES[prefix]
    app.view_functions[endpoint] = lambda: abort(status)
    response = app.test_client().get(path)
    assert response.status_code == status
    assert response.is_json is (prefix != "page")


def test_form_beyond_the_limit_is_413(app: Flask) -> None:
    response = app.test_client().post("/login", data={"email": "e" * 1_200_000})
    assert (response.status_code, response.mimetype) == (413, "text/html")


def _fail(app: Flask, surface: str, error: Exception) -> TestResponse:
    def view() -> str:
        raise error

    endpoint, path = ROUTES[surface]
    app.view_functions[endpoint] = view
    return app.test_client().get(path)
