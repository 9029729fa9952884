"""`flask catalog price`, `show` and `history`: notice, cost and mark-up from the command line."""

import json

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.catalog.models import PriceVersion
from app.domain.catalog.pricing import Prices, PriceSheet
from app.domain.catalog.selling import find_model
from app.domain.channels.buying import NewChannel, add_channel, set_cost
from app.domain.channels.models import ChannelModel
from app.services import services
from tests.conftest import FrozenTime

DAY_S = 86_400
CHAT = ("--kind", "chat", "--input", "3", "--output", "12")


def catalog(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["catalog", *words])


def done(app: Flask, *words: str) -> str:
    result = catalog(app, *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def usd(app: Flask, name: str) -> dict[str, str]:
    rows = json.loads(done(app, "list", "--json"))
    (row,) = (row for row in rows if row["id"] == name)
    return dict(row["usd_per_million"])


def versions(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(PriceVersion)) or 0


@pytest.fixture
def shop(app: Flask, session: Session, frozen_time: FrozenTime) -> Flask:
    """gpt and mini of openai cost 2 and 10 at ``main``; what large of mistral costs is unknown."""
    for name, provider in (("gpt", "openai"), ("mini", "openai"), ("large", "mistral")):
        done(app, "add", name, "--provider", provider, *CHAT)
    with app.app_context():
        sealer = services().sealer
    new = NewChannel(
        name="main",
        base_url="https://provider.example/v1",
        api_key="sk-canary",
        models={"gpt": "gpt-up", "mini": "mini", "large": "large"},
    )
    add_channel(session, new, sealer=sealer)
    for name in ("gpt", "mini"):
        served = session.scalars(
            select(ChannelModel).where(ChannelModel.model_id == find_model(session, name).id)
        ).one()
        sheet = PriceSheet(Prices.from_usd(per_million={"input": "2", "output": "10"}))
        set_cost(session, channel_model=served, sheet=sheet, author="anna", reason="list")
    session.commit()
    return app


def test_a_rise_is_announced_and_shown_beside_the_present_price(
    shop: Flask, frozen_time: FrozenTime
):
    said = done(shop, "price", "gpt", "--input", "4", "--output", "12", "--reason", "dearer")
    assert said.splitlines() == [
        "gpt costs from 2026-12-01 06:00 UTC on: input 4, output 12.",
        "Until then nothing changes; then input 3 → 4.",
    ]
    assert usd(shop, "gpt") == {"input": "3", "output": "12"}
    assert "from 2026-12-01 06:00 UTC: input 3 → 4" in done(shop, "list", "--provider", "openai")
    assert "Announced from 2026-12-01 06:00 UTC: input 3 → 4" in done(shop, "show", "gpt")
    frozen_time.advance(7 * DAY_S)
    assert usd(shop, "gpt") == {"input": "4", "output": "12"}


def test_the_present_price_takes_the_announced_one_back(shop: Flask):
    done(shop, "price", "gpt", "--input", "4", "--output", "12", "--reason", "dearer")
    said = done(shop, "price", "gpt", "--input", "3", "--output", "12", "--reason", "on reflection")
    assert "The price announced for 2026-12-01 06:00 UTC is taken back." in said
    states = [line.rsplit(" (", 1)[-1] for line in done(shop, "history", "gpt").splitlines()]
    assert states == ["taken back)", "taken back)", "in force)"]
    again = done(shop, "price", "gpt", "--input", "3", "--output", "12", "--reason", "again")
    assert again == "gpt is priced so already: nothing was changed.\n"


def test_a_loss_is_refused_with_both_numbers_unless_it_is_meant(shop: Flask, session: Session):
    words = ("price", "gpt", "--input", "1.5", "--output", "12", "--reason", "promotion")
    result = catalog(shop, *words)
    assert result.exit_code == 1
    assert "input is sold at 1.5 and costs 2" in result.stderr
    assert "--below-cost" in result.stderr
    assert versions(session) == 3
    assert "below what an enabled channel charges" in done(shop, *words, "--below-cost")
    below = json.loads(done(shop, "list", "--below-cost", "--json"))
    assert [row["id"] for row in below] == ["gpt"]


def test_a_fixed_price_is_told_as_json(shop: Flask):
    words = ("price", "gpt", "--input", "4", "--output", "12", "--reason", "r", "--json")
    decision = json.loads(done(shop, *words))["decision"]
    assert decision["is_rise"]
    assert decision["effective_at"].startswith("2026-12-01T06:00:00")
    assert decision["new"]["usd_per_million"] == {"input": "4", "output": "12"}
    assert json.loads(done(shop, *words))["decision"] is None


def test_a_mark_up_is_a_preview_until_it_is_applied(shop: Flask, session: Session):
    said = done(shop, "price", "--markup", "100%", "--all")
    lines = [" ".join(line.split()) for line in said.splitlines()]
    head = lines.index("gpt: cost + 100%, from 2026-12-01 06:00 UTC")
    assert lines[head + 1 : head + 3] == ["input 2 3 4 50%", "output 10 12 20 50%"]
    assert max(len(line) for line in said.splitlines()) <= 100
    assert "Skipped, no enabled channel has a known cost: large" in said
    assert "2 to change (2 rise), 0 priced so already, 1 skipped." in said
    assert "Nothing was written" in said
    assert versions(session) == 3


def test_an_applied_mark_up_is_written_once_and_falls_at_once(shop: Flask, session: Session):
    words = ("price", "--markup", "15%", "--provider", "openai", "--apply")
    assert done(shop, *words).endswith("Written.\n")
    assert usd(shop, "gpt") == usd(shop, "mini") == {"input": "2.3", "output": "11.5"}
    assert versions(session) == 5
    assert "0 to change (0 rise), 2 priced so already" in done(shop, *words)
    assert versions(session) == 5
    assert "mark-up of 15% on cost" in done(shop, "history", "gpt")


def test_a_remembered_mark_up_is_what_from_cost_uses(shop: Flask):
    done(shop, "price", "--markup", "0.1", "--provider", "openai", "--apply", "--remember")
    done(shop, "price", "--markup", "50%", "--model", "mini", "--apply", "--remember", "--now")
    preview = json.loads(done(shop, "price", "--from-cost", "--all", "--json"))
    assert preview["changes"] == []
    assert preview["unchanged"] == ["gpt", "mini"]
    assert usd(shop, "gpt") == {"input": "2.2", "output": "11"}
    assert usd(shop, "mini") == {"input": "3", "output": "15"}


def test_the_mark_up_of_all_is_remembered_as_the_default(shop: Flask):
    done(shop, "price", "--markup", "25%", "--all", "--apply", "--remember")
    settings = shop.test_cli_runner().invoke(args=["settings", "list", "--json"]).stdout
    values = {row["name"]: row["value"] for row in json.loads(settings)}
    assert values["default_markup"] == "0.25"


def test_the_preview_as_json_names_cost_prices_and_margin(shop: Flask):
    words = ("price", "--markup", "20%", "--model", "gpt", "--json")
    (change,) = json.loads(done(shop, *words))["changes"]
    assert change["cost"]["usd_per_million"] == {"input": "2", "output": "10"}
    assert change["new"]["usd_per_million"] == {"input": "2.4", "output": "12"}
    assert change["margins"][0] == {"unit": "input", "above_input_tokens": 0, "margin": "16.6%"}


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--markup", "15%"),
        ("--all",),
        ("gpt", "--markup", "15%"),
        ("--markup", "15%", "--from-cost", "--all"),
        ("--markup", "15%", "--all", "--provider", "openai"),
        ("--markup", "15%", "--all", "--input", "3"),
        ("--markup", "15%", "--all", "--below-cost"),
        ("--markup", "15%", "--all", "--remember"),
        ("--from-cost", "--all", "--apply", "--remember"),
        ("gpt", "--input", "3", "--output", "12", "--reason", "r", "--apply"),
        ("gpt", "--input", "3", "--output", "12", "--reason", "  "),
        *(("--all", f"--markup={bad}") for bad in ("-1", "1001%", "x", "", "%", "1e1", "NaN", "²")),
    ],
)
def test_words_that_do_not_go_together_are_refused(
    shop: Flask, session: Session, words: tuple[str, ...]
):
    assert catalog(shop, "price", *words).exit_code == 2
    assert versions(session) == 3


@pytest.mark.parametrize("words", [("--model", "nothing"), ("--provider", "nobody")])
def test_a_mark_up_for_nothing_is_refused(shop: Flask, words: tuple[str, ...]):
    assert catalog(shop, "price", "--markup", "1", *words).exit_code == 1


def test_a_model_is_shown_whole_without_a_secret(shop: Flask):
    said = done(shop, "show", "gpt")
    assert "cost input 2, output 10" in said
    assert "margin input 33.3%, output 16.6%" in said
    assert "operator: added by command (in force)" in said
    assert "canary" not in said
    shown = json.loads(done(shop, "show", "gpt", "--json"))
    assert shown["channels"][0]["margins"][0]["margin"] == "33.3%"
    assert shown["channels"][0]["upstream_name"] == "gpt-up"
    assert [price["is_in_force"] for price in shown["prices"]] == [True]
    assert json.loads(done(shop, "show", "large", "--json"))["channels"][0]["cost"] is None


def test_history_as_json_is_newest_first_with_author_and_reason(shop: Flask):
    done(shop, "price", "gpt", "--input", "2.5", "--output", "12", "--reason", "cheaper")
    newest, oldest = json.loads(done(shop, "history", "gpt", "--json"))
    assert (newest["author"], newest["reason"]) == ("operator", "cheaper")
    assert (oldest["reason"], oldest["is_in_force"]) == ("added by command", False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gpt", "--markup", "15%"), "name the models by --model"),
        (("--all", "--markup", "15%", "--from-cost"), "stored mark-ups"),
        (("--all", "--markup", "15%", "--remember"), "give --markup and --apply"),
    ],
)
def test_forms_that_do_not_go_together_are_told(shop: Flask, words: tuple[str, ...], said: str):
    result = shop.test_cli_runner().invoke(args=["catalog", "price", *words])
    assert result.exit_code == 2
    assert said in result.stderr
