"""`flask demo`, `flask demo remove`, `flask init`."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import create_app
from app.cli import demonstration, demonstration_end
from app.core.database import db
from app.domain.accounts.models import ApiKey, KeyState, User
from app.domain.billing.models import Transfer, TransferKind, Wallet
from app.domain.billing.verify import verify
from app.domain.channels import buying
from app.domain.partners.models import Partner
from app.services import services
from tests.conftest import boot_settings
from tests.domain.billing.books import Books
from tests.web.browser import Browser


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=words)


def demo(app: Flask) -> dict:
    result = run(app, "demo", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def restarted(app: Flask, folder: Path, **changes: object) -> Flask:
    """The same instance in a process that remembers nothing."""
    keys = {"SEALING_KEYS": ",".join(app.config["SEALING_KEYS"])}
    return create_app(boot_settings(folder, **(keys | changes)))


def register(app: Flask, email: str) -> str:
    """A key made for `email` as the demonstration's partner does."""
    answer = app.test_client().post(
        "/api/auth/register", json={"email": email, "inviter_id": 10001, "key_name": "goodhr"}
    )
    assert answer.status_code == 200, answer.text
    return answer.json["data"]["api_key"]["key"]


def may_ask(app: Flask, key: str) -> bool:
    headers = {"Authorization": f"Bearer {key}"}
    return app.test_client().get("/v1/models", headers=headers).status_code == 200


@pytest.fixture
def bare_app(tmp_path: Path) -> Iterator[Flask]:
    """An app on a database without any table."""
    app = create_app(boot_settings(tmp_path / "bare"))
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_demo_prints_the_promised_shape(app: Flask):
    facts = demo(app)
    assert list(facts) == ["base_url", "admin", "user", "inviter_id", "api_key", "models"]
    assert facts["base_url"] == app.config["BASE_URL"]
    for who in ("admin", "user"):
        assert list(facts[who]) == ["email", "password"]
        assert facts[who]["email"].endswith("@example.org")
        assert len(facts[who]["password"]) >= 16
    assert facts["inviter_id"] == 10001
    assert facts["api_key"].startswith("sk-")
    assert {"gpt-4o", "text-embedding-3-small"} <= set(facts["models"])
    assert facts["models"] == sorted(facts["models"])


def test_demo_again_makes_nothing_new(app: Flask, session: Session):
    first = demo(app)
    counts = [len(session.scalars(select(table)).all()) for table in (User, ApiKey, Transfer)]
    assert demo(app) == first
    session.rollback()
    again = [len(session.scalars(select(table)).all()) for table in (User, ApiKey, Transfer)]
    assert again == counts


def test_demo_in_words_names_the_same(app: Flask):
    facts = demo(app)
    told = run(app, "demo").stdout
    for value in (facts["admin"]["password"], facts["user"]["password"], facts["api_key"]):
        assert value in told
    assert "Partner id  10001\n" in told
    assert "not running: make run" in told


@pytest.mark.parametrize(("who", "is_admin"), [("admin", True), ("user", False)])
def test_its_people_sign_in(app: Flask, session: Session, who: str, is_admin: bool):
    person = demo(app)[who]
    answer = Browser(app).sign_in(person["email"], person["password"]).response
    assert (answer.status_code, answer.headers["Location"]) == (302, "/account/keys")
    user = session.scalars(select(User).where(User.email == person["email"])).one()
    assert user.has_role("admin") is is_admin


def test_demo_fills_an_empty_wallet_again(app: Flask, session: Session):
    demo(app)
    user = session.scalars(select(User).where(User.email == demonstration.USER_EMAIL)).one()
    wallet = session.get_one(Wallet, user.id)
    assert wallet.paid_balance_nanos == 10_000_000_000
    demonstration_end.return_balances(session, user)
    session.commit()
    demo(app)
    session.refresh(wallet)
    assert wallet.paid_balance_nanos == 10_000_000_000
    assert verify(session) == []


def test_kept_passwords_open_the_accounts_of_a_new_database(
    app: Flask, tmp_path: Path, migrated_sqlite: Path
):
    """Somebody starts over by deleting the database alone."""
    first = demo(app)
    with app.app_context():
        db.engine.dispose()
    for path in tmp_path.glob("flowhub.db*"):
        path.unlink()
    shutil.copy(migrated_sqlite, tmp_path / "flowhub.db")
    second = demo(app)
    assert second["admin"] == first["admin"]
    assert second["api_key"] != first["api_key"]
    answer = Browser(app).sign_in(**second["admin"]).response
    assert answer.status_code == 302


def test_demo_is_refused_in_production(app: Flask, session: Session, tmp_path: Path):
    result = run(restarted(app, tmp_path, APP_ENV="production"), "demo", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "outside of production" in result.stderr
    assert session.scalars(select(User)).all() == []


def test_demo_serves_models_that_the_starting_catalogue_gained(app: Flask, session: Session):
    facts = demo(app)
    channel = buying.find_channel(session, demonstration.CHANNEL)
    lost = channel.models[0]
    session.delete(lost)
    session.commit()
    assert demo(app)["models"] == facts["models"]


def test_remove_ends_everything_and_the_books_stay_true(
    app: Flask, session: Session, tmp_path: Path
):
    facts = demo(app)
    keys = [facts["api_key"], register(app, "one@example.com"), register(app, "two@example.com")]
    before = restarted(app, tmp_path)
    assert [may_ask(before, key) for key in keys] == [True, True, True]
    result = run(app, "demo", "remove")
    assert result.exit_code == 0, result.output
    assert "5 accounts closed" in result.output
    assert {user.active for user in session.scalars(select(User))} == {False}
    assert {key.state for key in session.scalars(select(ApiKey))} == {KeyState.REVOKED}
    assert session.get_one(Partner, 10001).is_active is False
    assert buying.find_channel(session, demonstration.CHANNEL).is_enabled is False
    for wallet in session.scalars(select(Wallet)):
        assert (wallet.trial_balance_nanos, wallet.paid_balance_nanos) == (0, 0)
    closings = session.scalars(select(Transfer).where(Transfer.kind == TransferKind.CLOSING)).all()
    assert sorted(row.amount_nanos for row in closings) == [200_000_000] * 2 + [10_000_000_000]
    assert verify(session) == []
    assert not (tmp_path / "demonstration.json").exists()
    after = restarted(app, tmp_path)
    assert [may_ask(after, key) for key in keys] == [False, False, False]
    assert Browser(after).sign_in(**facts["admin"]).response.status_code == 200  # the form again
    assert json.loads(run(after, "catalog", "list", "--sellable", "--json").stdout) == []


def test_partner_of_a_removed_demonstration_invites_nobody(app: Flask):
    demo(app)
    run(app, "demo", "remove")
    answer = app.test_client().post(
        "/api/auth/register",
        json={"email": "late@example.com", "inviter_id": 10001, "key_name": "goodhr"},
    )
    assert answer.json["data"]["reason"] == "inviter_not_accepted"


def test_remove_is_refused_while_a_hold_is_pending(app: Flask, session: Session, tmp_path: Path):
    facts = demo(app)
    register(app, "one@example.com")
    invited = session.scalars(select(User).where(User.email == "one@example.com")).one()
    books = Books(services(app).engine)
    hold = books.hold(books.key(invited.id), 1_000)
    rows = "SELECT state, COUNT(*) FROM api_keys GROUP BY state"
    state = (
        books.rows(rows),
        books.rows("SELECT * FROM wallets"),
        books.rows("SELECT * FROM users"),
    )
    result = run(app, "demo", "remove")
    assert result.exit_code == 1
    assert "one@example.com has a request running" in result.output
    assert state == (
        books.rows(rows),
        books.rows("SELECT * FROM wallets"),
        books.rows("SELECT * FROM users"),
    )
    assert demo(restarted(app, tmp_path)) == facts
    books.void(hold)
    assert run(app, "demo", "remove").exit_code == 0
    session.rollback()
    assert verify(session) == []


def test_demo_brings_it_back(app: Flask, session: Session, tmp_path: Path):
    facts = demo(app)
    invited = register(app, "one@example.com")
    run(app, "demo", "remove")
    back = demo(restarted(app, tmp_path))
    assert back["inviter_id"] == 10001
    assert back["models"] == facts["models"]
    assert back["api_key"] != facts["api_key"]
    fresh = restarted(app, tmp_path)
    assert may_ask(fresh, back["api_key"])
    assert not may_ask(fresh, facts["api_key"])
    assert not may_ask(fresh, invited)
    assert Browser(fresh).sign_in(**back["user"]).response.status_code == 302
    assert register(fresh, "new@example.com").startswith("sk-")
    assert verify(session) == []


def test_remove_without_a_demonstration_says_so(app: Flask):
    assert run(app, "demo", "remove").output == "There is no demonstration here.\n"
    demo(app)
    run(app, "demo", "remove")
    assert run(app, "demo", "remove").output == "There is no demonstration here.\n"


def test_init_makes_one_admin_who_signs_in(bare_app: Flask):
    result = run(bare_app, "init", "--email", " Me@Example.com")
    assert result.exit_code == 0, result.output
    password = result.stdout.partition("Password  ")[2].split()[0]
    assert Browser(bare_app).sign_in("me@example.com", password).response.status_code == 302
    with bare_app.app_context():
        (user,) = db.session.scalars(select(User)).all()
        assert user.has_role("admin")
    assert json.loads(run(bare_app, "catalog", "list", "--json").stdout) == []


def test_init_is_refused_where_there_are_accounts(app: Flask, session: Session):
    assert run(app, "init", "--email", "me@example.com").exit_code == 0
    again = run(app, "init", "--email", "other@example.com")
    assert again.exit_code == 1
    assert "has accounts already" in again.stderr
    assert [user.email for user in session.scalars(select(User))] == ["me@example.com"]


@pytest.mark.parametrize("email", ["nobody", "a@b@c", "", "x" * 300 + "@example.com"])
def test_init_refuses_what_is_no_email(app: Flask, email: str):
    result = run(app, "init", "--email", email)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


def test_demo_needs_no_other_command_first(bare_app: Flask):
    assert demo(bare_app)["inviter_id"] == 10001
