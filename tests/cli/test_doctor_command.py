"""`flask doctor`: a sound instance passes, and each fault is found by its own check."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_security.utils import hash_password
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import create_app
from app.cli import demonstration
from app.cli.doctor import host
from app.cli.doctor.table import CHECKS, DATABASE
from app.cli.doctor.values import State
from app.core import clock
from app.core.crypto import Digester, Sealer
from app.core.database import db
from app.domain.accounts.models import User
from app.domain.alerts import AlertKind, raise_alert
from app.domain.catalog.models import Model
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import REVISION, find_model, set_price
from app.domain.channels.buying import (
    NewChannel,
    add_channel,
    find_channel,
    set_base_url,
    set_enabled,
)
from app.domain.mail.models import OutboxMail
from app.domain.payments import vouchers
from app.domain.settings.revisions import bump
from app.services import services
from tests.cli.sound_instance import (
    ADMIN,
    DEAD_END,
    SOUND,
    answer_a_call,
    living,
    make_sound,
    sent_mail,
    set_business,
)
from tests.conftest import boot_settings
from tests.factories import make_user
from tests.sandbox_server import RunningSandbox, running_sandbox

Result = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def provider() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def open_instance(
    migrated_sqlite: Path, tmp_path: Path, provider: RunningSandbox
) -> Iterator[Callable[..., Flask]]:
    """A sound, stocked instance, but for the boot settings given."""
    with ExitStack() as stack:

        def opened(**changes: str) -> Flask:
            tmp_path.chmod(0o700)
            shutil.copy(migrated_sqlite, tmp_path / "flowhub.db")
            app = stack.enter_context(
                living(create_app(boot_settings(tmp_path, **SOUND | changes)))
            )
            with app.app_context(), Session(db.engine) as session:
                make_sound(session, app, provider)
                session.commit()
            answer_a_call(app)
            return app

        yield opened


def examined(app: Flask, *words: str) -> Result:
    result = app.test_cli_runner().invoke(args=["doctor", "--json", *words])
    rows = json.loads(result.stdout)
    assert result.exit_code == any(row["state"] == "fail" for row in rows)
    return {row["check"]: row for row in rows}


def states(result: Result) -> dict[str, str]:
    return {name: row["state"] for name, row in result.items()}


def test_sound_instance_passes_every_check(open_instance: Callable[..., Flask]):
    app = open_instance()
    found = examined(app)
    assert {name: row for name, row in found.items() if row["state"] != "ok"} == {}
    assert list(found) == [check.name for check in CHECKS]
    shown = app.test_cli_runner().invoke(args=["doctor"]).stdout
    assert "ok    Books                19 proofs hold" in shown
    assert shown.endswith(f"\n{len(CHECKS)} ok.\n")


@pytest.mark.parametrize(
    ("boot", "check", "state"),
    [
        ({"APP_ENV": "development"}, "environment", "fail"),
        ({"SECRET_KEY": "secretsecretsecretsecretsecretsecret"}, "secrets", "fail"),
        ({"DIGEST_KEY": SOUND["SECRET_KEY"]}, "secrets", "fail"),
        ({"BASE_URL": "http://ai.flowhub.vn"}, "base_url", "fail"),
        ({"BASE_URL": "https://localhost"}, "base_url", "fail"),
        ({"BASE_URL": "https://203.0.113.7"}, "base_url", "fail"),
        ({"BASE_URL": "https://shop.local"}, "base_url", "fail"),
        ({"BASE_URL": f"https://{'x' * 64}.vn"}, "base_url", "fail"),
        ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "trusted_proxies", "fail"),
        ({"TRUSTED_PROXIES": "127.0.0.1/32,::/0"}, "trusted_proxies", "fail"),
        ({"TRUSTED_PROXIES": ""}, "trusted_proxies", "fail"),
        ({"TRUSTED_PROXIES": "", "HOST": "0.0.0.0"}, "trusted_proxies", "ok"),
        ({"SQLITE_SYNCHRONOUS": "NORMAL"}, "sqlite", "warn"),
        ({"SMTP_URL": ""}, "mail_server", "fail"),
        ({"SMTP_URL": ""}, "outbox", "skip"),
        ({"SMTP_URL": "mail.flowhub.vn"}, "mail_server", "fail"),
        ({"MAIL_FROM": "FlowHub <no-reply@localhost>"}, "mail_server", "fail"),
        ({"OPERATOR_EMAIL": ""}, "operator_email", "warn"),
        ({"OPERATOR_EMAIL": "me"}, "operator_email", "fail"),
        ({"METRICS_TOKEN": ""}, "metrics", "warn"),
    ],
)
def test_boot_setting_that_will_not_do_is_found(
    open_instance: Callable[..., Flask], boot: dict[str, str], check: str, state: str
):
    assert states(examined(open_instance(**boot)))[check] == state


def leave_the_demonstration(session: Session) -> None:
    make_user(session, email=demonstration.ADMIN_EMAIL)


def make_password_notorious(session: Session) -> None:
    _admin(session).password = hash_password("ann")


def close_the_admin(session: Session) -> None:
    _admin(session).active = False


def leave_the_admin_without_password(session: Session) -> None:
    _admin(session).password = None


def _admin(session: Session) -> User:
    return session.scalars(select(User).where(User.email == ADMIN)).one()


def keep_a_mail_waiting(session: Session) -> None:
    session.add(sent_mail(sent_at=None, created_at=clock.now() - timedelta(hours=2)))


def refuse_a_mail(session: Session) -> None:
    session.add(sent_mail(sent_at=None, attempts=10))


def forget_the_mails(session: Session) -> None:
    for mail in session.scalars(select(OutboxMail)):
        session.delete(mail)


def let_a_rate_grow_old(session: Session) -> None:
    long_ago_s = clock.now_s() - 31 * 86_400
    with clock.use_source(lambda: long_ago_s):
        set_business(session, rate_vnd="26000")


def unpublish_all(session: Session) -> None:
    for model in session.scalars(select(Model)):
        model.is_published = False
    bump(session, REVISION)


def sell_below_cost(session: Session) -> None:
    set_price(
        session,
        model=find_model(session, "talk"),
        sheet=PriceSheet(Prices.from_usd(per_million={"input": "0.4", "output": "2"})),
        effective_at=clock.now(),
        author="test",
        reason="test",
    )


def add_a_channel(session: Session, *, name: str = "second", base_url: str = DEAD_END) -> None:
    new = NewChannel(
        name=name, base_url=base_url, api_key="x", models={"talk": "talk"}, allow_private=True
    )
    add_channel(session, new, sealer=Sealer((SOUND["SEALING_KEYS"],)))


def leave_the_sandbox_alone(session: Session) -> None:
    set_enabled(session, channel=find_channel(session, "main"), is_enabled=False)
    add_a_channel(session, name=demonstration.CHANNEL)


def take_the_bank_away(session: Session) -> None:
    set_business(session, bank_name="")


def sell_vouchers_instead(session: Session) -> None:
    take_the_bank_away(session)
    vouchers.create(
        session, Digester(b"d" * 40), amount_nanos=5, count=1, batch="b", expires_at=None,
        author="test", reason="test",
    )  # fmt: skip


def lose_a_nano(session: Session) -> None:
    session.execute(text("UPDATE wallets SET paid_balance_nanos = paid_balance_nanos + 1"))


def alert(session: Session) -> None:
    raise_alert(session, kind=AlertKind.WRITE_OFF, subject="talk", message="x")


def change_the_sealing_key(session: Session) -> None:
    session.execute(text("UPDATE channels SET sealed_key = 'sealed by another'"))


def go_back_a_migration(session: Session) -> None:
    session.execute(text("UPDATE alembic_version SET version_num = '0001'"))


@pytest.mark.parametrize(
    ("change", "check", "state", "said"),
    [
        (leave_the_demonstration, "demonstration", "fail", "it is there"),
        (make_password_notorious, "admin", "fail", ADMIN),
        (close_the_admin, "admin", "fail", "can sign in"),
        (leave_the_admin_without_password, "admin", "fail", "can sign in"),
        (keep_a_mail_waiting, "outbox", "fail", "1 mails have waited"),
        (refuse_a_mail, "outbox", "warn", "1 mails were refused"),
        (forget_the_mails, "outbox", "warn", "no mail was sent"),
        (let_a_rate_grow_old, "rates", "warn", "rate_vnd of"),
        (change_the_sealing_key, "provider_keys", "fail", "do not open"),
        (unpublish_all, "models", "fail", "no model"),
        (unpublish_all, "channels", "fail", "no provider's channel"),
        (sell_below_cost, "below_cost", "fail", "talk"),
        (add_a_channel, "unknown_cost", "warn", "talk"),
        (add_a_channel, "channels", "warn", "second"),
        (leave_the_sandbox_alone, "channels", "fail", "no provider's channel"),
        (take_the_bank_away, "payment", "warn", "nobody can pay"),
        (sell_vouchers_instead, "payment", "ok", "1 vouchers"),
        (lambda session: set_business(session, legal_name=""), "legal", "warn", "legal_name"),
        (lambda session: set_business(session, contact_email=""), "contact", "warn", "empty"),
        (lose_a_nano, "ledger", "fail", "balances"),
        (alert, "alerts", "warn", "write_off"),
        (go_back_a_migration, "database", "fail", "0001"),
        (go_back_a_migration, "ledger", "skip", "not ready"),
    ],
)
def test_what_is_wrong_inside_is_found_by_its_check(
    open_instance: Callable[..., Flask],
    change: Callable[[Session], None],
    check: str,
    state: str,
    said: str,
):
    app = open_instance()
    with app.app_context(), Session(db.engine) as session:
        change(session)
        session.commit()
    row = examined(app)[check]
    assert (row["state"], said in row["detail"]) == (state, True), row
    assert (row["advice"] is None) == (state in ("ok", "skip"))


def test_what_happened_long_ago_does_not_count(open_instance: Callable[..., Flask]):
    app = open_instance()
    tomorrow_s = clock.now_s() + 27 * 3600
    with clock.use_source(lambda: tomorrow_s):
        found = examined(app)
    assert (found["backup"]["state"], found["channels"]["state"]) == ("warn", "fail")


def test_probe_asks_each_channel_and_none_without_it(
    open_instance: Callable[..., Flask], provider: RunningSandbox
):
    app = open_instance()
    with app.app_context(), Session(db.engine) as session:
        add_a_channel(session)
        session.commit()
    provider.clear()
    examined(app)
    assert len(provider.requests) == 0
    row = examined(app, "--probe")["channels"]
    assert (row["state"], row["detail"]) == ("warn", "did not answer a probe: second")
    assert len(provider.requests) == 1


def test_probe_that_nobody_answers_fails(open_instance: Callable[..., Flask]):
    app = open_instance()
    with app.app_context(), Session(db.engine) as session:
        set_base_url(session, channel=find_channel(session, "main"), base_url=DEAD_END)
        session.commit()
    assert examined(app, "--probe")["channels"]["state"] == "fail"


def test_public_address_is_called_only_online(open_instance: Callable[..., Flask]):
    """No name of the public tree is called by a test: what a call finds stands below."""
    assert "not called" in examined(open_instance())["base_url"]["detail"]


def test_address_that_does_not_answer_is_told():
    found = host._call("http://127.0.0.1:9")
    assert (found.state, "does not answer" in found.detail) == (State.FAIL, True)


def test_address_that_answers_something_else_is_not_ours(provider: RunningSandbox):
    found = host._call(f"http://127.0.0.1:{provider.port}/nowhere")
    assert (found.state, found.detail[-11:]) == (State.FAIL, "answers 404")


def test_secrets_made_for_development_are_named(open_instance: Callable[..., Flask]):
    app = open_instance()
    kept = app.config["INSTANCE_PATH"] / "secrets.json"
    kept.write_text(json.dumps({"DIGEST_KEY": SOUND["DIGEST_KEY"]}))
    row = examined(app)["secrets"]
    assert (row["state"], "secrets.json" in row["detail"]) == ("warn", True)


def test_files_that_others_may_read_are_named(open_instance: Callable[..., Flask]):
    app = open_instance()
    folder = app.config["INSTANCE_PATH"]
    folder.chmod(0o755)
    (folder / "flowhub.db").chmod(0o644)
    assert states(examined(app))["files"] == "warn"
    kept = folder / "secrets.json"
    kept.write_text("{}")
    kept.chmod(0o640)
    row = examined(app)["files"]
    assert (row["state"], row["detail"]) == ("fail", "others may read secrets.json")


def test_instance_without_a_database_is_told_and_none_is_made(tmp_path: Path):
    with living(create_app(boot_settings(tmp_path, **SOUND))) as app:
        found = examined(app)
    assert (found["database"]["state"], found["database"]["detail"]) == (
        "fail", "there is no database",
    )  # fmt: skip
    assert {found[check.name]["state"] for check in CHECKS if check.needs_database} == {"skip"}
    assert not (tmp_path / "flowhub.db").exists()


def test_nothing_that_is_shown_is_a_secret(open_instance: Callable[..., Flask]):
    app = open_instance()
    shown = json.dumps(examined(app, "--probe"))
    hidden = ("SECRET_KEY", "DIGEST_KEY", "SEALING_KEYS", "SMTP_URL", "METRICS_TOKEN")
    assert [name for name in hidden if SOUND[name] in shown] == []
    for canary in ("sk-provider-canary", "secret-in-mail", "password@127"):
        assert canary not in shown


def test_doctor_changes_nothing(open_instance: Callable[..., Flask]):
    app = open_instance()
    with Session(services(app).engine) as session:
        before = session.scalar(text("PRAGMA data_version"))
        examined(app)
        assert session.scalar(text("PRAGMA data_version")) == before


@pytest.mark.parametrize(
    ("version", "is_mended"),
    [("3.40.1", False), ("3.44.5", False), ("3.44.6", True), ("3.50.6", False), ("3.50.7", True),
     ("3.51.2", False), ("3.51.3", True), ("3.53.4", True), ("4.0.0", True)],
)  # fmt: skip
def test_versions_of_sqlite_with_the_bug_are_known(version: str, is_mended: bool):
    assert host._is_mended(version) is is_mended


def test_database_row_stands_before_those_that_need_it():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert not any(check.needs_database for check in CHECKS[: names.index(DATABASE)])
