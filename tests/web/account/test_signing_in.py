"""Signing in by password, and out."""

import re
import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.domain.accounts import users
from app.domain.accounts.models import User
from app.web.account.passwords import HASHES_AT_ONCE, hash_new, hashing_place
from app.web.account.sign_in_limits import TRIES_OF_STRANGER_AT_IP
from tests.factories import make_user
from tests.web.browser import Browser, Page
from tests.web.conftest import PASSWORD

MakeOwner = Callable[..., User]


def test_sign_in_leads_to_the_keys(browser: Browser, make_owner: MakeOwner) -> None:
    owner = make_owner()
    answer = browser.sign_in(owner.email, PASSWORD)
    assert (answer.status, answer.response.headers["Location"]) == (302, "/account/keys")
    page = browser.get("/account/keys")
    assert page.status == 200
    assert owner.email in page.text


def test_email_is_taken_as_accounts_keep_it(browser: Browser, make_owner: MakeOwner) -> None:
    make_owner(email="owner@example.com")
    assert browser.sign_in("  Owner@Example.COM ", PASSWORD).status == 302


def test_sign_out_is_a_post(browser: Browser, make_owner: MakeOwner) -> None:
    browser.sign_in(make_owner().email, PASSWORD)
    refused = browser.get("/logout")
    assert refused.status == 405
    assert set(refused.response.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    assert browser.submit(browser.get("/account/keys"), "/logout").status == 302
    assert browser.get("/account/keys").status == 303


@pytest.mark.parametrize("kind", ["wrong password", "unknown", "unclaimed", "disabled"])
def test_every_failure_looks_the_same(
    browser: Browser, session: Session, make_owner: MakeOwner, kind: str
) -> None:
    make_owner(email="known@example.com")
    make_owner(email="disabled@example.com", active=False)
    make_user(session, email="unclaimed@example.com", claimed=False)
    session.commit()
    password = "wrong horse battery" if kind == "wrong password" else PASSWORD
    email = {"wrong password": "known", "unknown": "nobody"}.get(kind, kind) + "@example.com"
    reference = browser.sign_in("another-nobody@example.com", PASSWORD)
    failure = browser.sign_in(email, password)
    assert failure.status == reference.status == 200
    assert "Wrong email or password." in failure.text
    assert _shape(failure) == _shape(reference)
    assert browser.get("/account/keys").status == 303


def test_form_without_its_token_is_refused(browser: Browser, make_owner: MakeOwner) -> None:
    answer = browser.post("/login", {"email": make_owner().email, "password": PASSWORD})
    assert answer.status == 400
    assert browser.get("/account/keys").status == 303


def test_json_is_no_form(browser: Browser) -> None:
    answer = browser.client.post("/login", json=["email"])
    assert answer.status_code == 415


def test_session_and_token_from_before_are_worth_nothing_after(
    app: Flask, make_owner: MakeOwner
) -> None:
    """Session fixation: whoever planted the visitor's cookie does not come in with them."""
    attacker, victim = Browser(app), Browser(app)
    token = attacker.get("/login").form("/login").values["csrf_token"]
    planted = attacker.client.get_cookie("session")
    assert planted is not None
    victim.client.set_cookie("session", planted.value)
    victim.submit(victim.get("/login"), "/login", email=make_owner().email, password=PASSWORD)
    signed_in = victim.client.get_cookie("session")
    assert signed_in is not None
    assert signed_in.value != planted.value
    assert attacker.get("/account/keys").status == 303
    assert victim.post("/logout", {"csrf_token": token}).status == 400
    assert victim.get("/account/keys").status == 200


@pytest.mark.parametrize(
    ("wished", "reached"),
    [
        ("/account", "/account"),
        ("//evil.example/", "/account/keys"),
        ("https://evil.example/", "/account/keys"),
        ("/\\evil.example", "/%5Cevil.example"),
        ("javascript:alert(1)", "/account/keys"),
    ],
)
def test_sign_in_returns_to_our_own_pages_only(
    browser: Browser, make_owner: MakeOwner, wished: str, reached: str
) -> None:
    page = browser.get("/login")
    answer = browser.submit(
        page, "/login", email=make_owner().email, password=PASSWORD, next=wished
    )
    assert answer.response.headers["Location"] == reached


def test_stranger_is_slowed_down_and_the_owner_is_not(app: Flask, make_owner: MakeOwner) -> None:
    owner = make_owner()
    home = Browser(app, ip="198.51.100.7")
    home.sign_in(owner.email, PASSWORD)
    home.submit(home.get("/account/keys"), "/logout")
    stranger = Browser(app, ip="198.51.100.7")
    for _ in range(TRIES_OF_STRANGER_AT_IP):
        stranger.sign_in(owner.email, "wrong horse battery")
    refused = stranger.sign_in(owner.email, PASSWORD)
    assert refused.status == 429
    assert int(refused.response.headers["Retry-After"]) > 0
    assert home.sign_in(owner.email, PASSWORD).status == 302


def test_device_cookie_serves_its_own_account_alone(app: Flask, make_owner: MakeOwner) -> None:
    attacker, victim = make_owner(), make_owner()
    browser = Browser(app)
    browser.sign_in(attacker.email, PASSWORD)
    browser.submit(browser.get("/account/keys"), "/logout")
    for _ in range(TRIES_OF_STRANGER_AT_IP):
        browser.sign_in(victim.email, "wrong horse battery")
    assert browser.sign_in(victim.email, PASSWORD).status == 429


def test_ending_all_sessions_ends_this_one(
    browser: Browser, session: Session, make_owner: MakeOwner
) -> None:
    owner = make_owner()
    browser.sign_in(owner.email, PASSWORD)
    users.end_sessions(owner)
    session.commit()
    assert browser.get("/account/keys").status == 303


def test_disabled_user_is_signed_out(
    browser: Browser, session: Session, make_owner: MakeOwner
) -> None:
    owner = make_owner()
    browser.sign_in(owner.email, PASSWORD)
    owner.active = False
    session.commit()
    assert browser.get("/account/keys").status == 303


def test_page_speaks_the_account_s_language(app: Flask, make_owner: MakeOwner) -> None:
    browser = Browser(app, language="en")
    browser.sign_in(make_owner(language="vi-VN").email, PASSWORD)
    assert '<html lang="vi">' in browser.get("/account/keys").response.text


def test_hash_is_argon2_of_19_mib(app: Flask) -> None:
    with app.app_context():
        assert hash_new(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_only_so_many_passwords_are_hashed_at_once(app: Flask) -> None:
    all_in, leave = threading.Barrier(HASHES_AT_ONCE + 1), threading.Event()
    entered_late = threading.Event()

    def hold() -> None:
        with hashing_place():
            all_in.wait(5)
            leave.wait(5)

    def come_late() -> None:
        with hashing_place():
            entered_late.set()

    holders = [threading.Thread(target=hold) for _ in range(HASHES_AT_ONCE)]
    for thread in holders:
        thread.start()
    all_in.wait(5)
    late = threading.Thread(target=come_late)
    late.start()
    assert not entered_late.wait(0.1)
    leave.set()
    assert entered_late.wait(5)
    for thread in [*holders, late]:
        thread.join()


def _shape(page: Page) -> str:
    """The page without what differs by nature: its tokens, and the email that was typed."""
    html = re.sub(r'value="[^"]*"', "", page.response.text)
    return re.sub(r"\S+@example\.com", "", html)
