"""`flask channels change, serve, unserve, facts`: what is not named stays as it is."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.audit.models import AuditEntry
from app.domain.channels.models import Channel, ChannelModel, LimitField, StreamUsage
from app.services import services
from tests.cli.channel_shop import KEY, add_channel, done, invoke, json_of, refused, stock

URL = "https://provider.example/v1"


@pytest.fixture
def shop(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setenv("PROVIDER_KEY", KEY)
    monkeypatch.setenv("NEW_KEY", "sk-new-canary")
    stock(app)
    add_channel(app, URL, "talk=talk-2026")
    return app


def channel(session: Session) -> Channel:
    session.expire_all()
    return session.scalars(select(Channel)).one()


def last_act(session: Session) -> dict:
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
    assert entry.action == "channel_changed"
    assert "canary" not in str(entry.details)
    return entry.details


def models_of(app: Flask) -> dict[str, str]:
    return json_of(app, "channels", "list")[0]["models"]


def test_a_key_is_replaced_and_told_nowhere(shop: Flask, session: Session):
    done(shop, "channels", "change", "main", "--api-key-env", "NEW_KEY")
    assert services(shop).sealer.open(channel(session).sealed_key) == "sk-new-canary"
    assert last_act(session)["key"] == "replaced"
    assert "NEW_KEY2 is not set" in refused(
        shop, "channels", "change", "main", "--api-key-env", "NEW_KEY2"
    )


def test_place_and_order_are_changed_one_by_one(shop: Flask, session: Session):
    done(shop, "channels", "change", "main", "--priority", "5")
    done(shop, "channels", "change", "main", "--weight", "3")
    done(shop, "channels", "change", "main", "--base-url", "https://moved.example/v1/")
    found = channel(session)
    assert (found.priority, found.weight) == (5, 3)
    assert (found.base_url, found.allow_private) == ("https://moved.example/v1", True)
    details = last_act(session)
    assert (details["base_url_before"], details["base_url"]) == (URL, "https://moved.example/v1")
    done(shop, "channels", "change", "main", "--no-allow-private")
    assert not channel(session).allow_private


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "what to change"),
        (("--base-url", "provider.example"), "https://host/v1"),
        (("--base-url", "http://provider.example", "--no-allow-private"), "Plain http"),
        (("--weight", "0"), "--weight"),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(
    shop: Flask, session: Session, words: tuple[str, ...], said: str
):
    assert said in refused(shop, "channels", "change", "main", *words)
    found = channel(session)
    assert (found.base_url, found.weight, found.allow_private) == (URL, 1, True)


def test_models_come_and_go(shop: Flask, session: Session):
    done(shop, "channels", "serve", "main", "think=vendor/think")
    done(shop, "channels", "serve", "main", "embed")
    assert models_of(shop) == {"talk": "talk-2026", "think": "vendor/think", "embed": "embed"}
    assert "already" in refused(shop, "channels", "serve", "main", "think")
    done(shop, "channels", "unserve", "main", "think")
    assert last_act(session)["no_longer_served"] == "think"
    assert models_of(shop) == {"talk": "talk-2026", "embed": "embed"}
    assert "does not serve" in refused(shop, "channels", "unserve", "main", "think")
    assert "There is no model" in refused(shop, "channels", "serve", "main", "nothing")


def test_a_model_with_costs_can_go_and_come_back(shop: Flask, session: Session):
    done(shop, "channels", "cost", "main", "talk", "--input", "1", "--output", "2")
    done(shop, "channels", "unserve", "main", "talk")
    assert models_of(shop) == {}
    assert json_of(shop, "channels", "costs") == []
    done(shop, "channels", "serve", "main", "talk=other")
    assert models_of(shop) == {"talk": "other"}
    assert json_of(shop, "channels", "costs", "main")[0]["usd_per_million"]["input"] == "1"


def test_facts_are_shown_and_changed(shop: Flask, session: Session):
    assert "stream_usage               ask" in done(shop, "channels", "facts", "main", "talk")
    facts = json_of(
        shop, "channels", "facts", "main", "talk", "--stream-usage", "never",
        "--limit-field", "max_completion_tokens", "--no-limit-includes-reasoning",
        "--cut-member", "provider", "--knows-service-tier",
    )  # fmt: skip
    assert facts["stream_usage"] == "never"
    assert facts["upstream_name"] == "talk-2026"
    served = session.scalars(select(ChannelModel)).one()
    assert (served.stream_usage, served.limit_field) == (
        StreamUsage.NEVER,
        LimitField.MAX_COMPLETION_TOKENS,
    )
    assert (served.limit_includes_reasoning, served.enforces_limit) == (False, True)
    assert (served.cut_member, served.knows_service_tier) == ("provider", True)
    assert last_act(session)["facts"]["cut_member"] == "provider"


def test_facts_go_back_to_the_presets(shop: Flask, session: Session):
    done(shop, "channels", "facts", "main", "talk", "--stream-usage", "never",
         "--cut-member", "provider")  # fmt: skip
    done(shop, "channels", "facts", "main", "talk", "--cut-member", "")
    served = session.scalars(select(ChannelModel)).one()
    assert (served.stream_usage, served.cut_member) == (StreamUsage.NEVER, None)
    done(shop, "channels", "facts", "main", "talk", "--from-preset", "--no-enforces-limit")
    session.expire_all()
    assert (served.stream_usage, served.enforces_limit) == (StreamUsage.ASK, False)


def test_looking_at_facts_leaves_no_trace(shop: Flask, session: Session):
    before = session.scalars(select(AuditEntry.id)).all()
    done(shop, "channels", "facts", "main", "talk")
    assert session.scalars(select(AuditEntry.id)).all() == before


def test_a_fact_that_would_spoil_answers_is_refused(shop: Flask):
    said = refused(shop, "channels", "facts", "main", "talk", "--cut-member", "choices")
    assert "nobody needs" in said


@pytest.mark.parametrize(
    "words",
    [
        ("change", "nowhere", "--priority", "1"), ("serve", "nowhere", "talk"),
        ("unserve", "nowhere", "talk"), ("facts", "nowhere", "talk"), ("models", "nowhere"),
        ("test", "nowhere"), ("cost", "nowhere", "talk", "--input", "1", "--output", "1"),
        ("costs", "nowhere"),
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_an_unknown_channel_is_told(shop: Flask, words: tuple[str, ...]):
    result = invoke(shop, "channels", *words)
    assert result.exit_code == 1
    assert "flask channels list" in result.stderr
