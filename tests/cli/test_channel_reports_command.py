"""`flask channels models, test, health, cost, costs`: what a provider says, and what it was."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.database import db
from app.domain.audit.models import AuditEntry
from app.domain.catalog.models import Model
from app.domain.channels.models import Channel, CostVersion
from app.services import services
from tests import factories
from tests.cli.channel_shop import KEY, add_channel, done, invoke, json_of, refused, stock
from tests.gateway.wire_client import closed_port
from tests.sandbox_server import RunningSandbox, running_sandbox

AWAY = "https://127.0.0.1:9/v1"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def shop(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setenv("PROVIDER_KEY", KEY)
    stock(app)
    yield app
    services(app).gateway.pool.close()


def last_actions(session: Session) -> list[str]:
    return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


class TestModels:
    def test_the_providers_list_says_what_we_serve_and_could_sell(
        self, shop: Flask, sandbox: RunningSandbox, session: Session
    ):
        session.execute(update(Model).where(Model.name == "think").values(name="sandbox-embedding"))
        session.commit()
        add_channel(shop, sandbox.base_url, "talk=sandbox-chat", "embed=gone")
        found = json_of(shop, "channels", "models", "main")
        assert found == {
            "models": [
                {"id": "sandbox-chat", "served_as": ["talk"], "sold_as": []},
                {"id": "sandbox-embedding", "served_as": [], "sold_as": ["sandbox-embedding"]},
                {"id": "sandbox-image", "served_as": [], "sold_as": []},
            ],
            "served_but_not_listed": ["gone"],
        }
        shown = done(shop, "channels", "models", "main")
        assert "served as talk" in shown
        assert "sold as sandbox-embedding, not served" in shown
        assert "not in the provider's list" in shown

    def test_a_provider_that_cannot_be_asked_is_told_without_its_key(self, shop: Flask):
        add_channel(shop, f"http://127.0.0.1:{closed_port()}/v1", "talk")
        assert "cannot be reached" in refused(shop, "channels", "models", "main")

    def test_a_private_host_is_not_asked(self, shop: Flask, session: Session):
        add_channel(shop, AWAY, "talk")
        done(shop, "channels", "change", "main", "--no-allow-private")
        assert "private network" in refused(shop, "channels", "models", "main")

    def test_a_key_that_no_longer_opens_is_told(self, shop: Flask, session: Session):
        add_channel(shop, AWAY, "talk")
        session.execute(update(Channel).values(sealed_key="lost"))
        session.commit()
        for words in (("models", "main"), ("test", "main")):
            assert "SEALING_KEYS" in refused(shop, "channels", *words)

    def test_a_new_channel_may_serve_all_that_we_sell_of_the_list(
        self, shop: Flask, sandbox: RunningSandbox
    ):
        done(shop, "catalog", "add", "sandbox-chat", "--provider", "acme", "--kind", "chat",
             "--input", "1", "--output", "1")  # fmt: skip
        add_words = (
            "channels", "add", "main", "--base-url", sandbox.base_url, "--allow-private",
            "--api-key-env", "PROVIDER_KEY", "--models-from-provider", "--model", "talk=any",
        )  # fmt: skip
        assert done(shop, *add_words) == "Channel main is enabled. It serves sandbox-chat, talk.\n"
        (row,) = json_of(shop, "channels", "list")
        assert row["models"] == {"sandbox-chat": "sandbox-chat", "talk": "any"}

    def test_a_list_without_a_name_of_ours_makes_no_channel(
        self, shop: Flask, sandbox: RunningSandbox, session: Session
    ):
        said = refused(
            shop, "channels", "add", "main", "--base-url", sandbox.base_url, "--allow-private",
            "--api-key-env", "PROVIDER_KEY", "--models-from-provider",
        )  # fmt: skip
        assert "lists 3 models, none of them in the catalogue" in said
        assert session.scalars(select(Channel)).all() == []


class TestTest:
    def test_a_channel_that_answers_is_told_with_its_reply(
        self, shop: Flask, sandbox: RunningSandbox
    ):
        add_channel(shop, sandbox.base_url, "talk", "embed", "draw")
        done(shop, "channels", "disable", "main")
        (result,) = json_of(shop, "channels", "test", "main")
        assert (result["model"], result["is_ok"], result["status"]) == ("talk", True, 200)
        assert result["reply"]
        assert "ok" in done(shop, "channels", "test", "main")
        tried = json_of(shop, "channels", "test", "main", "--all")
        assert [row["model"] for row in tried] == ["talk", "embed"]
        (asked,) = json_of(shop, "channels", "test", "main", "--model", "embed")
        assert asked["is_ok"]

    def test_a_channel_that_fails_ends_in_1(self, shop: Flask):
        add_channel(shop, f"http://127.0.0.1:{closed_port()}/v1", "talk")
        result = invoke(shop, "channels", "test", "main")
        assert result.exit_code == 1
        assert "failed" in result.stdout
        assert KEY not in result.output
        assert invoke(shop, "channels", "test", "main", "--json").exit_code == 1

    def test_what_costs_more_or_is_not_served_is_not_tried(
        self, shop: Flask, sandbox: RunningSandbox
    ):
        add_channel(shop, sandbox.base_url, "draw")
        assert "nothing that can be tried" in refused(shop, "channels", "test", "main")
        assert "cost more" in refused(shop, "channels", "test", "main", "--model", "draw")
        assert "does not serve" in refused(shop, "channels", "test", "main", "--model", "talk")


class TestCosts:
    def test_a_cost_is_recorded_and_shown(self, shop: Flask, session: Session):
        add_channel(shop, AWAY, "talk", "think")
        done(shop, "channels", "cost", "main", "talk", "--input", "1.5", "--output", "6",
             "--reason", "contract of November")  # fmt: skip
        version = session.scalars(select(CostVersion)).one()
        assert (version.author, version.reason) == ("operator", "contract of November")
        assert last_actions(session)[-1] == "price_changed"
        rows = json_of(shop, "channels", "costs")
        assert [(row["model"], row["is_known"]) for row in rows] == [
            ("talk", True),
            ("think", False),
        ]
        assert rows[0]["usd_per_million"] == {"input": "1.5", "output": "6"}
        shown = done(shop, "channels", "costs", "main")
        assert "input 1.5, output 6" in shown
        assert "not known" in shown

    def test_a_sale_below_cost_is_told_and_stays(self, shop: Flask):
        add_channel(shop, AWAY, "talk")
        result = invoke(shop, "channels", "cost", "main", "talk", "--input", "3", "--output", "8")
        assert result.exit_code == 0
        assert result.stderr == "Warning: it costs input 3, and is sold for 2.\n"

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("think", "--input", "1", "--output", "2"), "does not serve"),
            (("talk", "--input", "1"), "--output"),
            (("talk", "--input", "-1", "--output", "2"), "with a decimal point"),
        ],
    )
    def test_a_cost_that_cannot_be_is_not_recorded(
        self, shop: Flask, session: Session, words: tuple[str, ...], said: str
    ):
        add_channel(shop, AWAY, "talk")
        assert said in refused(shop, "channels", "cost", "main", *words)
        assert session.scalars(select(CostVersion)).all() == []


class TestHealth:
    def test_calls_are_shown_by_channel_and_model(self, shop: Flask, sandbox: RunningSandbox):
        assert done(shop, "channels", "health") == "No call in the last 24 h.\n"
        assert json_of(shop, "channels", "health") == []
        add_channel(shop, sandbox.base_url, "talk")
        done(shop, "channels", "cost", "main", "talk", "--input", "1", "--output", "4")
        with shop.app_context():
            user = factories.make_user(db.session())
            _, secret = factories.make_key(db.session(), services(shop).digester, user)
            factories.credit(db.session(), user.id, 1_000_000_000, "paid")
            db.session.commit()
        for status in (None, 400):
            wish = {} if status is None else {"sandbox": {"behave": "status", "status": status}}
            shop.test_client().post(
                "/v1/chat/completions",
                headers={"Authorization": f"Bearer {secret}"},
                json={"model": "talk", "messages": [{"role": "user", "content": "Hi"}], **wish},
            )
        (row,) = json_of(shop, "channels", "health", "--hours", "1")
        assert (row["channel"], row["model"], row["breaker"]) == ("main", "talk", "closed")
        assert (row["calls"], row["succeeded"], row["costed_calls"]) == (2, 1, 1)
        assert float(row["margin_usd"]) == pytest.approx(float(row["sale_usd"]) / 2)
        shown = done(shop, "channels", "health")
        assert "main" in shown
        assert "serves" in shown
        assert max(len(line) for line in shown.splitlines()) <= 100
