"""From the mail to an account of one's own, and "This wasn't me"."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import create_app
from app.domain.accounts.models import (
    ApiKey,
    InviterBlock,
    InviterState,
    KeyOrigin,
    KeyScope,
    KeyState,
    User,
)
from app.domain.mail.models import OutboxMail
from app.domain.partners.models import Partner
from app.domain.settings import set_value
from app.services import services
from app.web.account.claiming import LINKS_A_MINUTE_OF_IP
from tests.conftest import FrozenTime, boot_settings
from tests.factories import make_key, make_partner, make_user
from tests.web.browser import Browser, Page
from tests.web.conftest import PASSWORD

EMAIL = "owner@example.com"
NEW_PASSWORD = "seven green bicycles"


@dataclass
class Onboarded:
    """An account that a partner opened, with the key that it made."""

    user: User
    partner: Partner
    key: ApiKey
    secret: str


@pytest.fixture
def onboarded(app: Flask, session: Session) -> Onboarded:
    partner = make_partner(session, name="GoodHR")
    user = make_user(session, email=EMAIL, claimed=False, inviter=partner)
    key, secret = make_key(
        session,
        services(app).digester,
        user,
        KeyScope.TRIAL,
        name="Their product",
        origin=KeyOrigin.ANONYMOUS,
        inviter=partner,
    )
    session.commit()
    return Onboarded(user, partner, key, secret)


def test_whole_way_from_the_mail_to_an_approved_key(
    browser: Browser, session: Session, onboarded: Onboarded
) -> None:
    path = _link(browser, session)
    page = browser.get(path)
    assert page.headings == ["Claim your account"]
    assert "GoodHR opened an account for owner@example.com." in page.text
    assert onboarded.key.name in page.text
    answer = _claim(browser, page, inviter=str(onboarded.partner.user_id))
    assert (answer.status, answer.response.headers["Location"]) == (303, "/account/keys")
    keys_page = browser.get("/account/keys")
    approve = f"/account/keys/{onboarded.key.id}/approve"
    assert browser.submit(keys_page, approve, last_six=onboarded.secret[-6:]).status == 303
    session.expire_all()
    assert onboarded.user.is_claimed
    assert onboarded.user.inviter_state is InviterState.CONFIRMED
    assert onboarded.key.scope is KeyScope.FULL


def test_password_from_the_claim_signs_in_later(
    app: Flask, browser: Browser, session: Session, onboarded: Onboarded
) -> None:
    _claim(browser, browser.get(_link(browser, session)), inviter="none")
    session.expire_all()
    assert onboarded.user.inviter_state is InviterState.NONE
    assert Browser(app).sign_in(EMAIL, NEW_PASSWORD).status == 302


def test_looking_uses_nothing_up(browser: Browser, session: Session, onboarded: Onboarded) -> None:
    path = _link(browser, session)
    for _ in range(3):
        assert browser.get(path).status == browser.get(f"{path}/refuse").status == 200
    session.expire_all()
    assert not onboarded.user.is_claimed
    assert onboarded.key.state is KeyState.ACTIVE


def test_used_link_leads_on(browser: Browser, session: Session, onboarded: Onboarded) -> None:
    path = _link(browser, session)
    page = browser.get(path)
    _claim(browser, page, inviter="none")
    for dead in (browser.get(path), browser.get(f"{path}/refuse")):
        assert dead.status == 404
        assert dead.headings == ["This link no longer works"]
        assert {"/claim", "/account/keys"} <= set(dead.links)
        assert "/login" not in dead.links


def test_old_link_leads_to_a_fresh_one(
    browser: Browser, session: Session, onboarded: Onboarded, frozen_time: FrozenTime
) -> None:
    path = _link(browser, session)
    frozen_time.advance(24 * 3600 + 1)
    dead = browser.get(path)
    assert dead.status == 404
    assert {"/claim", "/login"} <= set(dead.links)


def test_one_link_claims_once(
    app: Flask, browser: Browser, session: Session, onboarded: Onboarded
) -> None:
    path = _link(browser, session)
    other = Browser(app)
    page, other_page = browser.get(path), other.get(path)
    assert _claim(browser, page, inviter="none").status == 303
    assert _claim(other, other_page, inviter="none", password="another long one").status == 404
    assert other.get("/account/keys").status == 303


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "at least 12"),
        ("aaaaaaaaaaaaaa", "different characters"),
        ("password123456", "too easy to guess"),
        ("owner-is-my-name", "Leave your email out"),
        ("x" * 129, "at most 128"),
    ],
)
def test_weak_password_is_told_and_uses_nothing_up(
    browser: Browser, session: Session, onboarded: Onboarded, password: str, said: str
) -> None:
    path = _link(browser, session)
    page = _claim(browser, browser.get(path), inviter="none", password=password)
    assert page.status == 400
    assert said in page.text
    assert password not in page.response.text
    assert browser.get(path).status == 200


@pytest.mark.parametrize("chosen", ["", "10001x", "999999"])
def test_inviter_must_be_one_of_those_offered(
    browser: Browser, session: Session, onboarded: Onboarded, chosen: str
) -> None:
    page = _claim(browser, browser.get(_link(browser, session)), inviter=chosen)
    assert page.status == 400
    assert "Choose one of these." in page.text


def test_refusing_revokes_the_keys_and_blocks_the_inviter(
    browser: Browser, session: Session, onboarded: Onboarded
) -> None:
    path = _link(browser, session)
    page = browser.get(f"{path}/refuse")
    assert browser.submit(page, f"{path}/refuse").status == 200
    session.expire_all()
    assert onboarded.key.state is KeyState.REVOKED
    block = session.get(InviterBlock, (onboarded.user.id, onboarded.partner.user_id))
    assert block is not None
    assert browser.get(path).status == 404


def test_asking_for_a_link_answers_alike_for_every_email(
    browser: Browser, session: Session, onboarded: Onboarded
) -> None:
    make_user(session, email="claimed@example.com")
    session.commit()
    page = browser.get("/claim")
    answers = [
        browser.submit(page, "/claim", email=email)
        for email in (EMAIL, "claimed@example.com", "nobody@example.com")
    ]
    assert {answer.status for answer in answers} == {200}
    assert len({re.sub(r"\S+@example\.com", "", answer.text) for answer in answers}) == 1
    assert list(session.scalars(select(OutboxMail.recipient))) == [EMAIL]


def test_asking_is_limited_for_each_ip(browser: Browser, session: Session) -> None:
    page = browser.get("/claim")
    for number in range(LINKS_A_MINUTE_OF_IP):
        assert browser.submit(page, "/claim", email=f"n{number}@example.com").status == 200
    refused = browser.submit(page, "/claim", email="more@example.com")
    assert refused.status == 429
    assert int(refused.response.headers["Retry-After"]) > 0


def test_mails_asked_for_count_for_the_network_that_asks(
    app: Flask, browser: Browser, session: Session
) -> None:
    emails = [f"n{number}@example.com" for number in range(3)]
    for email in emails:
        make_user(session, email=email, claimed=False)
    set_value(session, name="claim_mails_per_network", text="2", author="op", reason="test")
    session.commit()
    page = browser.get("/claim")
    assert {browser.submit(page, "/claim", email=email).status for email in emails} == {200}
    assert list(session.scalars(select(OutboxMail.recipient))) == emails[:2]
    elsewhere = Browser(app, ip="198.51.100.7")
    elsewhere.submit(elsewhere.get("/claim"), "/claim", email=emails[2])
    assert set(session.scalars(select(OutboxMail.recipient))) == set(emails)


def test_what_is_no_email_is_told(browser: Browser) -> None:
    page = browser.submit(browser.get("/claim"), "/claim", email="owner")
    assert page.status == 400
    assert "Enter an email" in page.text


def test_claim_page_gives_its_link_to_nobody(
    browser: Browser, session: Session, onboarded: Onboarded
) -> None:
    headers = browser.get(_link(browser, session)).response.headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


def test_claim_without_referer_works_over_https_in_production(
    migrated_production: Flask, session: Session
) -> None:
    """The page asks for no Referer, so its own form must not need one."""
    make_user(session, email=EMAIL, claimed=False)
    session.commit()
    browser = Browser(migrated_production)
    browser.environ["wsgi.url_scheme"] = "https"
    path = _link(browser, session)
    assert _claim(browser, browser.get(path)).status == 303
    assert browser.get("/account/keys").status == 200


@pytest.fixture
def migrated_production(app: Flask) -> Flask:
    """The same database, served by an app in production."""
    boot = boot_settings(app.config["INSTANCE_PATH"], APP_ENV="production")
    return create_app(boot)


def test_claiming_replaces_whoever_was_signed_in(
    browser: Browser, session: Session, onboarded: Onboarded, make_owner: Callable[..., User]
) -> None:
    browser.sign_in(make_owner(email="first@example.com").email, PASSWORD)
    _claim(browser, browser.get(_link(browser, session)), inviter="none")
    page = browser.get("/account/keys")
    assert EMAIL in page.text
    assert "first@example.com" not in page.text


def _link(browser: Browser, session: Session) -> str:
    """Ask for a link; its path as the mail in the outbox says."""
    answer = browser.submit(browser.get("/claim"), "/claim", email=EMAIL)
    assert answer.status == 200
    mail = session.scalars(select(OutboxMail).order_by(OutboxMail.id.desc())).first()
    assert mail is not None
    assert mail.recipient == EMAIL
    found = re.search(r"https?://[^/\s]+(/claim/[\w-]+)", mail.text_body)
    assert found is not None
    return found.group(1)


def _claim(browser: Browser, page: Page, *, password: str = NEW_PASSWORD, **values: str) -> Page:
    (form,) = (form for form in page.forms if form.action.startswith("/claim/"))
    return browser.submit(page, form.action, password=password, **values)
