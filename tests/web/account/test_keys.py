"""``/account/keys``: what an owner sees and does, and what nobody else can."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.accounts.approvals import TAIL_TRIES_MAX
from app.domain.accounts.models import ApiKey, KeyOrigin, KeyScope, KeyState, User
from app.domain.settings import set_value
from app.services import services
from tests.factories import make_key, make_partner
from tests.web.browser import Browser
from tests.web.conftest import PASSWORD

MakeOwner = Callable[..., User]
ACTIONS = ("approve", "replace", "refuse", "revoke")


@pytest.fixture
def owner(make_owner: MakeOwner) -> User:
    return make_owner()


@pytest.fixture
def signed_in(browser: Browser, owner: User) -> Browser:
    assert browser.sign_in(owner.email, PASSWORD).status == 302
    return browser


@pytest.fixture
def waiting(app: Flask, session: Session, owner: User) -> tuple[ApiKey, str]:
    """A key that a partner asked for anonymously."""
    key, secret = make_key(
        session,
        services(app).digester,
        owner,
        KeyScope.TRIAL,
        name="Their product",
        state=KeyState.PENDING,
        origin=KeyOrigin.ANONYMOUS,
        inviter=make_partner(session, name="GoodHR"),
    )
    session.commit()
    return key, secret


def test_list_shows_each_key_and_no_secret(signed_in: Browser, waiting: tuple[ApiKey, str]) -> None:
    key, secret = waiting
    page = signed_in.get("/account/keys")
    assert page.headings == ["API keys"]
    for shown in (key.name, key.prefix, "GoodHR", "Waiting for approval", "Nothing yet"):
        assert shown in page.text
    assert secret not in page.response.text
    assert secret[-6:] not in page.response.text
    assert key.digest not in page.response.text


def test_owner_approves_by_the_last_six(
    signed_in: Browser, session: Session, waiting: tuple[ApiKey, str]
) -> None:
    key, secret = waiting
    page = signed_in.get("/account/keys")
    action = f"/account/keys/{key.id}/approve"
    assert page.form(action).values["cap_usd"] == "5"
    answer = signed_in.submit(page, action, last_six=f" {secret[-6:]} ")
    assert (answer.status, answer.response.headers["Location"]) == (303, "/account/keys")
    assert "The key is approved." in signed_in.get("/account/keys").text
    session.refresh(key)
    assert (key.state, key.scope) == (KeyState.ACTIVE, KeyScope.FULL)
    assert key.cap is not None
    assert key.cap.limit_nanos == 5_000_000_000


def test_empty_cap_means_none(
    signed_in: Browser, session: Session, waiting: tuple[ApiKey, str]
) -> None:
    key, secret = waiting
    action = f"/account/keys/{key.id}/approve"
    page = signed_in.get("/account/keys")
    signed_in.submit(page, action, last_six=secret[-6:], cap_usd="")
    session.refresh(key)
    assert (key.scope, key.cap_id) == (KeyScope.FULL, None)


@pytest.mark.parametrize(
    "cap", ["five", "-1", "1e3", "1,000", "1.000", "1.000,50", "5,5,5", "1.0000000001"]
)
def test_cap_that_is_no_amount_is_told_and_changes_nothing(
    signed_in: Browser, session: Session, waiting: tuple[ApiKey, str], cap: str
) -> None:
    key, secret = waiting
    action = f"/account/keys/{key.id}/approve"
    page = signed_in.get("/account/keys")
    answer = signed_in.submit(page, action, last_six=secret[-6:], cap_usd=cap)
    assert answer.status == 400
    assert answer.text.count("Enter an amount such as 5 or 12.50") == 1
    assert "<details open>" not in answer.response.text
    session.refresh(key)
    assert key.state is KeyState.PENDING


@pytest.mark.parametrize("cap", ["12,50", "12.5", " 12,5 "])
def test_cap_takes_a_comma_as_well_as_a_dot(
    signed_in: Browser, session: Session, waiting: tuple[ApiKey, str], cap: str
) -> None:
    key, secret = waiting
    page = signed_in.get("/account/keys")
    approve = f"/account/keys/{key.id}/approve"
    assert signed_in.submit(page, approve, last_six=secret[-6:], cap_usd=cap).status == 303
    session.refresh(key)
    assert key.cap is not None
    assert key.cap.limit_nanos == 12_500_000_000


@pytest.mark.parametrize(("language", "shown"), [("en-US", "12.5"), ("vi-VN", "12,5")])
def test_proposed_cap_is_written_as_its_reader_writes(
    app: Flask, session: Session, make_owner: MakeOwner, language: str, shown: str
) -> None:
    set_value(session, name="approval_cap_usd", text="12.5", author="op", reason="test")
    owner = make_owner(language=language)
    key, _ = make_key(session, services(app).digester, owner, KeyScope.TRIAL)
    session.commit()
    browser = Browser(app)
    browser.sign_in(owner.email, PASSWORD)
    form = browser.get("/account/keys").form(f"/account/keys/{key.id}/approve")
    assert form.values["cap_usd"] == shown


def test_cap_wrong_in_the_second_form_is_told_there_alone(
    signed_in: Browser, waiting: tuple[ApiKey, str]
) -> None:
    key, _ = waiting
    page = signed_in.get("/account/keys")
    answer = signed_in.submit(page, f"/account/keys/{key.id}/replace", cap_usd="five")
    assert answer.status == 400
    assert answer.text.count("Enter an amount such as 5 or 12.50") == 1
    assert "<details open>" in answer.response.text
    assert answer.form(f"/account/keys/{key.id}/replace").values["cap_usd"] == "five"
    assert answer.form(f"/account/keys/{key.id}/approve").values["cap_usd"] == "5"


def test_wrong_tries_run_out_and_leave_replacement(
    signed_in: Browser, session: Session, waiting: tuple[ApiKey, str]
) -> None:
    key, secret = waiting
    action = f"/account/keys/{key.id}/approve"
    page = signed_in.get("/account/keys")
    token = page.form(action).values["csrf_token"]
    for _ in range(TAIL_TRIES_MAX):
        page = signed_in.post(action, {"csrf_token": token, "last_six": "wrong!", "cap_usd": ""})
        assert page.status == 400
    assert action not in {form.action for form in page.forms}
    right = {"csrf_token": token, "last_six": secret[-6:], "cap_usd": ""}
    assert signed_in.post(action, right).status == 400
    session.refresh(key)
    assert key.state is KeyState.PENDING
    answer = signed_in.submit(page, f"/account/keys/{key.id}/replace")
    assert answer.status == 200


def test_replacement_is_shown_once_and_works(
    app: Flask, signed_in: Browser, session: Session, waiting: tuple[ApiKey, str]
) -> None:
    key, old = waiting
    digest_before = key.digest
    page = signed_in.get("/account/keys")
    answer = signed_in.submit(page, f"/account/keys/{key.id}/replace", cap_usd="12.50")
    assert answer.response.headers["Cache-Control"] == "no-store"
    session.refresh(key)
    (secret,) = (word for word in answer.text.split() if word.startswith("sk-"))
    assert services(app).digester.digest("api-key", secret) == key.digest != digest_before
    assert secret != old
    assert secret not in signed_in.get("/account/keys").response.text


def test_signed_key_needs_no_last_six(
    app: Flask, signed_in: Browser, session: Session, owner: User
) -> None:
    key, _ = make_key(
        session,
        services(app).digester,
        owner,
        KeyScope.TRIAL,
        origin=KeyOrigin.SIGNED,
        inviter=make_partner(session),
    )
    session.commit()
    page = signed_in.get("/account/keys")
    action = f"/account/keys/{key.id}/approve"
    assert "last_six" not in page.form(action).values
    assert signed_in.submit(page, action).status == 303
    session.refresh(key)
    assert key.scope is KeyScope.FULL


def test_refused_key_is_refused_for_ever(
    signed_in: Browser, session: Session, waiting: tuple[ApiKey, str]
) -> None:
    key, _ = waiting
    page = signed_in.get("/account/keys")
    action = f"/account/keys/{key.id}/refuse"
    assert signed_in.submit(page, action).status == 303
    session.refresh(key)
    assert key.state is KeyState.REFUSED
    after = signed_in.get("/account/keys").text
    assert "Nothing any more" in after
    assert "Trial credit only" not in after
    again = signed_in.post(action, page.form(action).values)
    assert again.status == 409


def test_revoking_takes_the_children_along(
    app: Flask, signed_in: Browser, session: Session, owner: User
) -> None:
    parent, _ = make_key(session, services(app).digester, owner)
    child, _ = make_key(session, services(app).digester, owner, parent=parent)
    session.commit()
    page = signed_in.get("/account/keys")
    assert signed_in.submit(page, f"/account/keys/{parent.id}/revoke").status == 303
    session.refresh(child)
    assert child.state is KeyState.REVOKED


@pytest.mark.parametrize("action", ACTIONS)
def test_another_user_s_key_is_as_missing(
    app: Flask,
    session: Session,
    make_owner: MakeOwner,
    waiting: tuple[ApiKey, str],
    action: str,
) -> None:
    key, secret = waiting
    stranger = Browser(app)
    stranger.sign_in(make_owner().email, PASSWORD)
    token = stranger.get("/account/keys").form("/logout").values["csrf_token"]
    values = {"csrf_token": token, "last_six": secret[-6:], "cap_usd": ""}
    answers = [
        stranger.post(f"/account/keys/{key_id}/{action}", values)
        for key_id in (key.id, key.id + 1000, 2**63 - 1)
    ]
    assert [answer.status for answer in answers] == [404, 404, 404]
    bodies = {answer.text.partition("Request ")[0] for answer in answers}
    assert len(bodies) == 1
    assert session.scalars(select(ApiKey.state).where(ApiKey.id == key.id)).one() == "pending"
    assert key.name not in stranger.get("/account/keys").text


def test_number_beyond_the_database_is_a_missing_page(signed_in: Browser) -> None:
    token = signed_in.get("/account/keys").form("/logout").values["csrf_token"]
    assert signed_in.post(f"/account/keys/{2**63}/revoke", {"csrf_token": token}).status == 404


@pytest.mark.parametrize("action", ACTIONS)
def test_form_from_another_site_is_refused(
    signed_in: Browser, session: Session, waiting: tuple[ApiKey, str], action: str
) -> None:
    key, secret = waiting
    answer = signed_in.post(f"/account/keys/{key.id}/{action}", {"last_six": secret[-6:]})
    assert answer.status == 400
    session.refresh(key)
    assert key.state is KeyState.PENDING


def test_page_says_when_there_is_no_key(signed_in: Browser) -> None:
    assert "There is no key yet." in signed_in.get("/account/keys").text


def test_every_field_has_its_own_label(
    app: Flask, signed_in: Browser, session: Session, owner: User, waiting: tuple[ApiKey, str]
) -> None:
    make_key(session, services(app).digester, owner, KeyScope.TRIAL, origin=KeyOrigin.ANONYMOUS)
    session.commit()
    page = signed_in.get("/account/keys")
    ids = [str(each["id"]) for each in page.inputs if each.get("type") != "hidden"]
    assert len(ids) == len(set(ids)) == 6
    assert set(ids) <= page.labelled
