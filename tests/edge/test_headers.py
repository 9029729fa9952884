"""Headers that protect a reader's browser, and cookies that stay where they belong."""

import re
from http.cookies import SimpleCookie

import pytest
from flask import Flask

from app import create_app
from tests.conftest import boot_settings

PAGES = ("/login", "/claim", "/nothing", "/account")
JSON = ("/v1/models", "/v1/nothing", "/api/nothing", "/api/user/balance")


@pytest.mark.parametrize("path", PAGES)
def test_page_runs_nothing_inline_and_sits_in_no_frame(app: Flask, path: str) -> None:
    headers = app.test_client().get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["form-action"] == "'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/login", "/nothing"])
def test_page_s_style_is_a_file_of_ours(app: Flask, path: str) -> None:
    page = app.test_client().get(path).text
    (sheet,) = re.findall(r'<link rel="stylesheet" href="(/static/[^"]+)"', page)
    assert "style=" not in page
    with app.test_client().get(sheet) as answer:
        assert answer.mimetype == "text/css"


@pytest.mark.parametrize("path", PAGES)
def test_page_is_not_shared_by_caches(app: Flask, path: str) -> None:
    cache_control = app.test_client().get(path).headers["Cache-Control"]
    assert cache_control in ("private, no-cache", "no-store")


@pytest.mark.parametrize("path", JSON)
def test_json_surface_neither_reads_nor_sends_cookies(app: Flask, path: str) -> None:
    client = app.test_client()
    client.get("/login")
    client.set_cookie("session", "tampered")
    client.set_cookie("remember_token", "10001|forged")
    response = client.get(path)
    assert "Set-Cookie" not in response.headers
    assert "Cookie" not in response.headers.get("Vary", "")
    assert "Access-Control-Allow-Origin" not in response.headers


def test_session_cookie_is_for_this_site_s_requests_alone(app: Flask) -> None:
    cookie = _cookies(app)["session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert not cookie["secure"]


def test_production_s_session_cookie_is_secure_and_bound_to_the_host(app: Flask) -> None:
    boot = boot_settings(app.config["INSTANCE_PATH"], APP_ENV="production")
    cookie = _cookies(create_app(boot))["__Host-session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["secure"]
    assert not cookie["domain"]


def _cookies(app: Flask) -> SimpleCookie:
    response = app.test_client().get("/login", base_url="https://localhost")
    return SimpleCookie(response.headers["Set-Cookie"])
