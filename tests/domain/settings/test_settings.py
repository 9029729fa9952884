"""Business settings: what may be written, what code reads, and how soon it is in force."""

import json
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.database import db
from app.domain import settings
from app.domain.settings.catalogue import BY_NAME, SETTINGS
from app.domain.settings.errors import InvalidSetting, ReasonMissing, UnknownSetting
from tests.conftest import NOW_S


@pytest.fixture
def engine(any_app: Flask) -> Engine:
    with any_app.app_context():
        return db.engine


def change(engine: Engine, name: str, value: str) -> None:
    with Session(engine) as session:
        settings.set_value(session, name=name, text=value, author="op@example.com", reason="test")
        session.commit()


def test_names_are_small_letters_once_each_with_a_help():
    assert len(BY_NAME) == len(SETTINGS)
    for spec in SETTINGS:
        assert spec.name == spec.name.lower()
        assert spec.name.replace("_", "").isalnum()
        assert len(spec.name) <= 64
        assert spec.help


def test_every_default_survives_the_database_form():
    for spec in SETTINGS:
        stored = json.loads(json.dumps(spec.read(spec.default)))
        assert spec.value(stored) == spec.value(spec.read(spec.default))


def test_defaults_are_in_force_and_typed(engine):
    with Session(engine) as session:
        view = settings.in_force(session)
    assert view["trial_amount_usd"] == 200_000_000
    assert view["trial_budget_open_usd"] == 20 * 10**9
    assert view["rate_vnd"] == Decimal(26300)
    assert view["trial_network_share"] == Decimal("0.2")
    assert view["trial_domain_grants"] == 3
    assert view["register_mode"] == "open"
    assert view["blocked_email_domains"] == frozenset()
    assert view["display_currencies"]["vi-VN"] == ("VND", "USD", "CNY")
    assert view.set_at("rate_vnd") is None
    assert set(view) == set(BY_NAME)


def test_newest_value_is_in_force_with_its_date(engine, frozen_time):
    change(engine, "rate_vnd", "26400")
    frozen_time.advance(60)
    change(engine, "rate_vnd", "26450.5")
    with Session(engine) as session:
        view = settings.in_force(session)
    assert view["rate_vnd"] == Decimal("26450.5")
    assert view.set_at("rate_vnd").timestamp() == NOW_S + 60
    assert view.set_at("rate_cny") is None


def test_view_cannot_be_changed(session):
    view = settings.in_force(session)
    with pytest.raises(TypeError):
        view["rate_vnd"] = Decimal(1)
    with pytest.raises(TypeError):
        view["display_currencies"]["vi-VN"] = ("USD",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trial_amount_usd", "-1"),
        ("trial_amount_usd", "0.2 USD"),
        ("trial_amount_usd", "1e3"),
        ("trial_amount_usd", "NaN"),
        ("trial_network_share", "1.1"),
        ("rate_vnd", "0"),
        ("rate_vnd", "Infinity"),
        ("rate_vnd", "2e4"),
        ("rate_vnd", "26,300"),
        ("rate_vnd", "26.300"),  # how a Vietnamese reader writes 26300
        ("rate_cny", "7200"),
        ("trial_days", "-1"),
        ("trial_days", "1.5"),
        ("trial_days", "99999999999"),
        ("trial_days", "٣"),
        ("price_notice_days", "3651"),
        ("default_markup", "10.1"),
        ("provider_markups", "openai"),
        ("provider_markups", "openai=-0.1"),
        ("provider_markups", "openai=15%"),
        ("provider_markups", "=0.1"),
        ("model_markups", "gpt=0.1 gpt=0.2"),
        ("model_markups", "mô-hình=0.1"),
        ("sign_up", "yes"),
        ("register_mode", "closed"),
        ("blocked_email_domains", "a@b.com"),
        ("blocked_email_domains", "localhost"),
        ("display_currencies", "vi-VN=VND"),
        ("display_currencies", "vi-VN=VND,VND en-US=USD"),
        ("display_currencies", "vi-VN=EUR en-US=USD"),
        ("display_currencies", "vi-VN= en-US=USD"),
        ("site_name", "two\nlines"),
        ("site_name", "x" * 201),
        ("contact_email", "someone"),
        ("legal_notification_url", "javascript:alert(1)"),
        ("legal_notification_url", "http://example.com"),
        ("legal_notification_url", "https://["),
    ],
)
def test_value_that_does_not_fit_is_refused_by_name(session, name, value):
    with pytest.raises(InvalidSetting) as caught:
        settings.set_value(session, name=name, text=value, author="a", reason="b")
    assert caught.value.field == name
    assert name in caught.value.message
    assert settings.stored_values(session) == {}


def test_markups_are_read_by_name(engine):
    change(engine, "model_markups", "vendor/a=b=0.3  gpt-4o=0")
    with Session(engine) as session:
        view = settings.in_force(session)
        stored = settings.stored_values(session)["model_markups"].value
    assert view["model_markups"] == {"vendor/a=b": Decimal("0.3"), "gpt-4o": Decimal(0)}
    assert view["provider_markups"] == {}
    assert stored == {"gpt-4o": "0", "vendor/a=b": "0.3"}


def test_typed_forms_are_made_canonical(session):
    for name, value in (
        ("blocked_email_domains", " Spam.example , other.example. "),
        ("trial_amount_usd", "0.50"),
        ("sign_up", "false"),
    ):
        settings.set_value(session, name=name, text=value, author="a", reason="b")
    stored = settings.stored_values(session)
    assert stored["blocked_email_domains"].value == ["other.example", "spam.example"]
    assert stored["trial_amount_usd"].value == "0.5"
    assert settings.in_force(session)["sign_up"] is False


def test_unknown_name_and_missing_reason_are_refused(session):
    with pytest.raises(UnknownSetting):
        settings.set_value(session, name="rate_eur", text="1", author="a", reason="b")
    with pytest.raises(UnknownSetting):
        settings.history(session, "rate_eur")
    with pytest.raises(ReasonMissing):
        settings.set_value(session, name="rate_vnd", text="26000", author="a", reason=" ")


def test_history_keeps_author_time_and_reason_newest_first(session, frozen_time):
    for number in ("26400", "26500"):
        settings.set_value(
            session, name="rate_vnd", text=number, author="op@example.com", reason=f"to {number}"
        )
    rows = settings.history(session, "rate_vnd")
    assert [(row.value, row.author, row.reason) for row in rows] == [
        ('"26500"', "op@example.com", "to 26500"),
        ('"26400"', "op@example.com", "to 26400"),
    ]
    assert rows[0].created_at.timestamp() == NOW_S


def test_a_version_can_be_neither_edited_nor_deleted(engine):
    change(engine, "rate_vnd", "26400")
    for statement in ("UPDATE business_settings SET value = '1'", "DELETE FROM business_settings"):
        with engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
            connection.execute(text(statement))


def test_row_of_a_setting_that_is_gone_is_not_read(engine):
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO business_settings (name, value, author, reason, created_at) "
                "VALUES ('gone', '1', 'a', 'b', 1)"
            )
        )
    with Session(engine) as session:
        assert "gone" not in settings.in_force(session)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_reader_sees_a_change_within_a_second_and_asks_at_most_twice_a_second(engine):
    now = Clock()
    reader = settings.SettingsReader(engine, now=now)
    first = reader.current()
    change(engine, "price_notice_days", "14")
    now.now_s = 0.49
    assert reader.current() is first
    now.now_s = 0.5
    assert reader.current()["price_notice_days"] == 14
    assert engine.pool.checkedout() == 0


def test_reader_keeps_its_view_while_nothing_changes(engine):
    now = Clock()
    reader = settings.SettingsReader(engine, now=now)
    first = reader.current()
    now.now_s = 5.0
    assert reader.current() is first


@pytest.mark.postgresql
@pytest.mark.slow
def test_reader_sees_a_row_that_became_visible_after_a_higher_id(postgresql_app: Flask):
    """Ids are given out before the commit and may appear out of order; SQLite has one writer."""
    with postgresql_app.app_context():
        engine = db.engine
    now = Clock()
    reader = settings.SettingsReader(engine, now=now)
    with Session(engine) as slow:
        settings.set_value(slow, name="trial_days", text="60", author="a", reason="b")
        change(engine, "price_notice_days", "14")
        assert reader.current()["trial_days"] == 30
        slow.commit()
    now.now_s = 0.5
    assert reader.current()["trial_days"] == 60


def test_revision_moves_with_the_commit_and_each_bump(engine):
    now = Clock()
    watch = settings.RevisionWatch(engine, now=now)
    assert watch.number("catalog") == 0
    with Session(engine) as session:
        settings.bump(session, "catalog")
        now.now_s = 0.5
        assert watch.number("catalog") == 0
        session.commit()
    now.now_s = 1.0
    assert watch.number("catalog") == 1
    with Session(engine) as session:
        settings.bump(session, "catalog")
        settings.bump(session, "channels")
        session.commit()
    now.now_s = 1.5
    assert (watch.number("catalog"), watch.number("channels")) == (2, 1)
