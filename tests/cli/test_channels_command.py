"""`flask channels …`: where models are bought; and how soon a running process knows."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import create_app
from app.cli import demonstration
from app.core.database import db
from app.domain.audit.models import AuditEntry
from app.domain.catalog.models import Model
from app.domain.channels.models import (
    BreakerState,
    BreakerTurn,
    Channel,
    ChannelModel,
    StreamUsage,
)
from app.domain.channels.presets import PRESETS
from app.services import services
from tests.conftest import boot_settings
from tests.running_product import running_product
from tests.sandbox_server import running_sandbox

IN_FORCE_WITHIN_S = 1.0
URL = "https://provider.example/v1"
GOOD = ("--base-url", URL, "--api-key-env", "PROVIDER_KEY", "--model", "gpt-4o=gpt-4o-2024-11-20")


def invoke(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=words)


def add(app: Flask, *words: str, name: str = "main") -> Result:
    return invoke(app, "channels", "add", name, *words)


@pytest.fixture(autouse=True)
def provider_key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PROVIDER_KEY", "sk-provider-canary")
    return "sk-provider-canary"


@pytest.fixture
def shop(app: Flask) -> Flask:
    """An app with two models to sell."""
    for name in ("gpt-4o", "gpt-4o-mini"):
        result = invoke(
            app, "catalog", "add", name, "--provider", "openai", "--kind", "chat",
            "--input", "1", "--output", "2",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
    return app


def test_added_channel_serves_and_never_shows_its_key(
    shop: Flask, session: Session, provider_key: str
):
    result = add(shop, *GOOD, "--model", "gpt-4o-mini=mini", "--priority", "5", "--weight", "3")
    assert result.exit_code == 0, result.output
    assert result.stdout == "Channel main is enabled. It serves gpt-4o, gpt-4o-mini.\n"
    shown = [invoke(shop, "channels", "list", *words) for words in ((), ("--json",))]
    (row,) = json.loads(shown[1].stdout)
    assert row == {
        "name": "main",
        "preset": "plain",
        "base_url": URL,
        "is_enabled": True,
        "allow_private": False,
        "proxy": None,
        "priority": 5,
        "weight": 3,
        "models": {"gpt-4o": "gpt-4o-2024-11-20", "gpt-4o-mini": "mini"},
        "troubles": {},
    }
    assert "gpt-4o as gpt-4o-2024-11-20" in shown[0].stdout
    assert all(provider_key not in each.output for each in shown)
    sealed = session.scalars(select(Channel.sealed_key)).one()
    assert provider_key not in sealed
    assert services(shop).sealer.open(sealed) == provider_key
    assert {row["id"] for row in sellable(shop)} == {"gpt-4o", "gpt-4o-mini"}


def sellable(app: Flask) -> list[dict]:
    return json.loads(invoke(app, "catalog", "list", "--sellable", "--json").stdout)


@pytest.mark.parametrize(
    ("url", "extra"),
    [
        ("provider.example/v1", ()),
        ("ftp://provider.example/v1", ()),
        ("https://", ()),
        ("http://provider.example/v1", ()),
        ("https://user:secret@provider.example/v1", ()),
        ("https://provider.example/v1?key=1", ()),
        ("https://provider.example/v1#part", ()),
        ("https://provider.example:99999/v1", ()),
        ("https://provider.example:port/v1", ()),
        ("https://[::1/v1", ()),
        ("https://provider.example/v1 ", ()),
        ("https://mô-hình.example/v1", ()),
        ("https://provider.example/" + "x" * 600, ()),
        ("", ()),
    ],
)
def test_bad_base_url_is_refused(shop: Flask, session: Session, url: str, extra: tuple[str, ...]):
    result = add(shop, "--base-url", url, *GOOD[2:], *extra)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert session.scalars(select(Channel)).all() == []


def test_plain_http_needs_a_word_of_the_operator(shop: Flask):
    words = ("--base-url", "http://10.0.0.5:11434/v1/", *GOOD[2:])
    refused = add(shop, *words)
    assert "--allow-private" in refused.stderr
    assert add(shop, *words, "--allow-private").exit_code == 0
    (row,) = json.loads(invoke(shop, "channels", "list", "--json").stdout)
    assert (row["base_url"], row["allow_private"]) == ("http://10.0.0.5:11434/v1", True)


@pytest.mark.parametrize("value", [None, "", "   "])
def test_missing_key_is_named_and_nothing_is_stored(
    shop: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, value: str | None
):
    if value is None:
        monkeypatch.delenv("PROVIDER_KEY")
    else:
        monkeypatch.setenv("PROVIDER_KEY", value)
    result = add(shop, *GOOD)
    assert result.exit_code == 2
    assert "PROVIDER_KEY is not set" in result.stderr
    assert session.scalars(select(Channel)).all() == []


def test_key_that_no_header_carries_is_refused_without_repeating_it(
    shop: Flask, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PROVIDER_KEY", "sk-canary\r\nX-Evil: 1")
    result = add(shop, *GOOD)
    assert result.exit_code == 1
    assert "canary" not in result.output


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (("--model", "unknown=x"), "There is no model 'unknown'"),
        (("--model", ""), "is not SOLD or SOLD=UPSTREAM"),
        (("--model", "=x"), "is not SOLD or SOLD=UPSTREAM"),
        (("--model", "gpt-4o="), "is not SOLD or SOLD=UPSTREAM"),
        (("--model", "gpt-4o=" + "x" * 257), "is not SOLD or SOLD=UPSTREAM"),
        (("--model", "gpt-4o=a", "--model", "gpt-4o=b"), "named twice"),
        (("--model", "gpt-4o", "--model", "gpt-4o=b"), "named twice"),
        ((), "SOLD=UPSTREAM"),
    ],
)
def test_bad_models_are_refused(shop: Flask, session: Session, models: tuple[str, ...], said: str):
    result = add(shop, *GOOD[:4], *models)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert session.scalars(select(Channel)).all() == []


def test_a_preset_says_where_and_one_name_is_enough(shop: Flask, session: Session):
    result = add(shop, "--preset", "mistral", "--api-key-env", "PROVIDER_KEY", "--model", "gpt-4o")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(invoke(shop, "channels", "list", "--json").stdout)
    assert (row["preset"], row["base_url"]) == ("mistral", "https://api.mistral.ai/v1")
    assert row["models"] == {"gpt-4o": "gpt-4o"}
    served = session.scalars(select(ChannelModel)).one()
    assert served.stream_usage is StreamUsage.ALWAYS


def test_a_server_of_ones_own_needs_no_key(shop: Flask, session: Session):
    result = add(shop, "--preset", "ollama", "--model", "gpt-4o=llama3.2")
    assert result.exit_code == 0, result.output
    channel = session.scalars(select(Channel)).one()
    assert (channel.base_url, channel.allow_private) == ("http://127.0.0.1:11434/v1", True)
    assert services(shop).sealer.open(channel.sealed_key) == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--preset", "openai"), "--api-key-env"),
        (("--preset", "azure", "--api-key-env", "PROVIDER_KEY"), "RESOURCE.openai.azure.com"),
        (("--api-key-env", "PROVIDER_KEY"), "https://HOST/v1"),
        (("--preset", "opnai", "--api-key-env", "PROVIDER_KEY"), "opnai"),
    ],
)
def test_what_the_preset_leaves_open_is_asked_for(
    shop: Flask, session: Session, words: tuple[str, ...], said: str
):
    result = add(shop, *words, "--model", "gpt-4o")
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert session.scalars(select(Channel)).all() == []


def test_presets_are_shown_with_all_that_they_say(shop: Flask):
    shown = invoke(shop, "channels", "presets").stdout
    assert "https://api.groq.com/openai/v1" in shown
    rows = {row["name"]: row for row in json.loads(
        invoke(shop, "channels", "presets", "--json").stdout)}  # fmt: skip
    assert rows.keys() == PRESETS.keys()
    assert rows["mistral"]["facts"]["stream_usage"] == "always"
    assert rows["azure"]["base_url"] is None


def test_models_in_trouble_are_shown(shop: Flask, session: Session):
    add(shop, *GOOD)
    channel = session.scalars(select(Channel)).one()
    model = session.scalars(select(Model).where(Model.name == "gpt-4o")).one()
    opened_at = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    session.add(
        BreakerState(
            channel_id=channel.id,
            model_id=model.id,
            turn=BreakerTurn.OPEN,
            opened_at=opened_at,
            turned_at=opened_at,
            last_failure="status_500",
        )
    )
    session.commit()
    (row,) = json.loads(invoke(shop, "channels", "list", "--json").stdout)
    assert row["troubles"] == {
        "gpt-4o": {
            "turn": "open",
            "since": "2026-11-24T09:30:00+00:00",
            "last_failure": "status_500",
        }
    }
    assert (
        "rests, in trouble since 2026-11-24T09:30:00: status_500"
        in invoke(shop, "channels", "list").stdout
    )


@pytest.mark.parametrize("words", [("--weight", "0"), ("--weight", "9" * 20), ("--priority", "x")])
def test_bad_numbers_are_refused(shop: Flask, words: tuple[str, ...]):
    assert add(shop, *GOOD, *words).exit_code == 2


@pytest.mark.parametrize("name", ["", "two words", "x" * 65])
def test_bad_names_are_refused(shop: Flask, name: str):
    assert add(shop, *GOOD, name=name).exit_code == 2


def test_name_is_taken_once(shop: Flask, session: Session):
    assert add(shop, *GOOD).exit_code == 0
    again = add(shop, *GOOD)
    assert again.exit_code == 1
    assert "of this name already" in again.stderr
    assert len(session.scalars(select(Channel)).all()) == 1


def test_disabled_channel_sells_nothing_until_it_is_enabled(shop: Flask, session: Session):
    add(shop, *GOOD)
    assert invoke(shop, "channels", "disable", "main").stdout == "Channel main is disabled.\n"
    assert session.scalars(select(Channel.is_enabled)).one() is False
    assert "disabled" in invoke(shop, "channels", "list").stdout
    assert invoke(shop, "channels", "enable", "main").stdout == "Channel main is enabled.\n"
    actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions[-3:] == ["channel_changed", "channel_disabled", "channel_changed"]


@pytest.mark.parametrize("word", ["disable", "enable"])
def test_unknown_channel_is_told(shop: Flask, word: str):
    result = invoke(shop, "channels", word, "nowhere")
    assert result.exit_code == 1
    assert "flask channels list" in result.stderr


@pytest.fixture
def running(app: Flask) -> Iterator[Callable[..., requests.Response]]:
    """Calls to a running product with the demonstration's key and sandbox."""
    with running_sandbox() as sandbox, running_product(app) as base_url:
        with app.app_context():
            made = demonstration.make(db.session(), services(app))
            demonstration.follow_sandbox(db.session(), sandbox.base_url)
            db.session.commit()

        def chat(model: str = "gpt-4o") -> requests.Response:
            return requests.post(
                f"{base_url}/v1/chat/completions",
                headers={"Authorization": f"Bearer {made.api_key}"},
                json={"model": model, "messages": [{"role": "user", "content": "Hi"}]},
                timeout=20,
            )

        yield chat


@pytest.fixture
def operator(app: Flask, tmp_path: Path) -> Iterator[Flask]:
    """The process of the commands: the same instance, another app."""
    other = create_app(boot_settings(tmp_path, SEALING_KEYS=",".join(app.config["SEALING_KEYS"])))
    yield other
    with other.app_context():
        db.engine.dispose()


def test_changes_are_in_force_in_a_running_process_within_a_second(
    running: Callable[..., requests.Response], operator: Flask
):
    assert running().status_code == 200
    assert invoke(operator, "channels", "disable", "demonstration").exit_code == 0
    _soon(lambda: running().status_code != 200)
    assert invoke(operator, "channels", "enable", "demonstration").exit_code == 0
    _soon(lambda: running().status_code == 200)
    cost = float(running().headers["x-cost-usd"])
    priced = invoke(
        operator, "catalog", "price", "gpt-4o", "--input", "250", "--output", "1000",
        "--reason", "a hundred times", "--now",
    )  # fmt: skip
    assert priced.exit_code == 0, priced.output
    _soon(lambda: float(running().headers["x-cost-usd"]) > 50 * cost)


def test_added_model_and_channel_are_sold_by_a_running_process_within_a_second(
    running: Callable[..., requests.Response], operator: Flask, session: Session
):
    base_url = session.scalars(select(Channel.base_url)).one()
    assert running("house").status_code == 404
    for words in (
        ("catalog", "add", "house", "--provider", "me", "--kind", "chat", "--input", "1",
         "--output", "1"),
        ("channels", "add", "local", "--base-url", base_url, "--api-key-env", "PROVIDER_KEY",
         "--model", "house=any", "--allow-private"),
    ):  # fmt: skip
        result = invoke(operator, *words)
        assert result.exit_code == 0, result.output
    _soon(lambda: running("house").status_code == 200)


def _soon(is_so: Callable[[], bool]) -> None:
    """Twice the time promised: the machine may be busy."""
    deadline = time.monotonic() + 2 * IN_FORCE_WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
