"""`flask catalog …`: models are added with the price they need, and priced anew."""

import json

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.prices import NEEDED
from app.domain.audit.models import AuditEntry
from app.domain.catalog.kinds import ModelKind
from app.domain.catalog.models import Model, PriceVersion

CHAT = ("--provider", "openai", "--kind", "chat", "--input", "2.5", "--output", "10")


def catalog(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["catalog", *words])


def listed(app: Flask) -> dict[str, dict]:
    result = catalog(app, "list", "--json")
    assert result.exit_code == 0, result.output
    return {row["id"]: row for row in json.loads(result.stdout)}


def test_added_model_is_published_with_its_price(app: Flask, session: Session):
    result = catalog(
        app, "add", "gpt-4o", *CHAT, "--cached-input", "1.25", "--max-input", "128000",
        "--max-output", "16384",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    row = listed(app)["gpt-4o"]
    assert row == {
        "id": "gpt-4o",
        "provider": "openai",
        "kind": "chat",
        "is_published": True,
        "is_sellable": False,
        "is_below_cost": False,
        "retires_on": None,
        "usd_per_million": {"input": "2.5", "cached_input": "1.25", "output": "10"},
        "tiers": [],
        "coming": None,
    }
    model = session.scalars(select(Model)).one()
    assert (model.max_input_tokens, model.max_output_tokens) == (128_000, 16_384)
    assert session.scalars(select(AuditEntry.action)).all() == ["model_changed"]


def test_embedding_needs_no_output_price(app: Flask):
    words = ("--provider", "openai", "--kind", "embedding", "--input", "0.02")
    assert catalog(app, "add", "text-embedding-3-small", *words).exit_code == 0
    assert listed(app)["text-embedding-3-small"]["usd_per_million"] == {"input": "0.02"}


def test_pictures_may_be_sold_by_the_piece_alone(app: Flask):
    words = ("--provider", "x", "--kind", "image_generation", "--per-image", "0.039")
    assert catalog(app, "add", "painter", *words).exit_code == 0
    assert listed(app)["painter"]["usd_per_million"] == {"image": "39000"}
    assert "0.039 per image" in catalog(app, "list").stdout


def test_output_of_a_picture_model_is_pictures(app: Flask):
    words = ("--provider", "x", "--kind", "image_generation", "--input", "5", "--output", "40")
    assert catalog(app, "add", "painter", *words).exit_code == 0
    assert listed(app)["painter"]["usd_per_million"] == {"input": "5", "image_output": "40"}


def test_free_is_an_explicit_zero(app: Flask):
    words = ("--provider", "me", "--kind", "chat", "--input", "0", "--output", "0")
    assert catalog(app, "add", "free", *words).exit_code == 0
    assert listed(app)["free"]["usd_per_million"] == {"input": "0", "output": "0"}


@pytest.mark.parametrize(
    ("kind", "prices"),
    [
        ("chat", ()),
        ("chat", ("--input", "1")),
        ("chat", ("--output", "1")),
        ("chat", ("--per-image", "1")),
        ("embedding", ("--output", "1")),
        ("image_generation", ("--input", "1")),
        ("image_generation", ("--cached-input", "1", "--output", "1")),
    ],
)
def test_model_without_the_prices_it_needs_is_refused(
    app: Flask, session: Session, kind: str, prices: tuple[str, ...]
):
    result = catalog(app, "add", "m", "--provider", "x", "--kind", kind, *prices)
    assert result.exit_code == 1
    assert NEEDED[ModelKind(kind)] in result.stderr
    assert session.scalars(select(Model)).all() == []


@pytest.mark.parametrize("option", ["--input", "--cached-input", "--output", "--per-image"])
@pytest.mark.parametrize(
    "amount",
    ["-1", "1e3", "NaN", "Infinity", "0x10", "1,5", "0.0000000001", "", " 1", "1000001", "9" * 400],
)
def test_amount_that_is_no_price_is_refused(app: Flask, session: Session, option: str, amount: str):
    result = catalog(app, "add", "m", *CHAT, f"{option}={amount}")
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert session.scalars(select(Model)).all() == []


@pytest.mark.parametrize(
    ("option", "most", "per_million"),
    [("--input", "1000000", "1000000"), ("--per-image", "1000", "1000000000")],
)
def test_dearest_price_is_kept_exactly(app: Flask, option: str, most: str, per_million: str):
    assert catalog(app, "add", "dear", *CHAT, option, most).exit_code == 0
    assert per_million in listed(app)["dear"]["usd_per_million"].values()


@pytest.mark.parametrize("name", ["", "two words", "x" * 129, "mô-hình", "line\nbreak"])
def test_name_that_a_caller_cannot_send_is_refused(app: Flask, session: Session, name: str):
    result = catalog(app, "add", name, *CHAT)
    assert result.exit_code == 2
    assert "visible ASCII" in result.stderr
    assert session.scalars(select(Model)).all() == []


@pytest.mark.parametrize("option", ["--max-input", "--max-output"])
@pytest.mark.parametrize("tokens", ["0", "-1", "many", "9" * 30])
def test_limit_that_is_no_number_of_tokens_is_refused(app: Flask, option: str, tokens: str):
    assert catalog(app, "add", "m", *CHAT, option, tokens).exit_code == 2


def test_kind_that_is_not_served_is_refused(app: Flask):
    words = ("--provider", "x", "--kind", "moderation", "--input", "1")
    assert catalog(app, "add", "m", *words).exit_code == 2


def test_model_is_added_once(app: Flask, session: Session):
    assert catalog(app, "add", "gpt-4o", *CHAT).exit_code == 0
    again = catalog(app, "add", "gpt-4o", *CHAT)
    assert again.exit_code == 1
    assert "flask catalog price" in again.stderr
    assert len(session.scalars(select(PriceVersion)).all()) == 1


def test_new_price_is_a_new_version_and_replaces_the_whole(app: Flask, session: Session):
    catalog(app, "add", "gpt-4o", *CHAT, "--cached-input", "1.25")
    result = catalog(
        app, "price", "gpt-4o", "--input", "3", "--output", "12", "--reason", "they raised it",
        "--now",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout == "gpt-4o costs from now on: input 3, output 12.\n"
    assert listed(app)["gpt-4o"]["usd_per_million"] == {"input": "3", "output": "12"}
    first, second = session.scalars(select(PriceVersion).order_by(PriceVersion.id)).all()
    assert "1250000000" in first.sheet
    assert (second.author, second.reason) == ("operator", "they raised it")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("price", "nothing", "--input", "1", "--output", "1", "--reason", "r"), "no model"),
        (("price", "gpt-4o", "--input", "1", "--reason", "r"), "--input and --output"),
        (("price", "gpt-4o", "--input", "1", "--output", "1"), "--reason"),
    ],
)
def test_price_that_cannot_be_set_changes_nothing(
    app: Flask, session: Session, words: tuple[str, ...], said: str
):
    catalog(app, "add", "gpt-4o", *CHAT)
    result = catalog(app, *words)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert len(session.scalars(select(PriceVersion)).all()) == 1


def test_list_in_words_tells_what_is_sold(app: Flask):
    catalog(app, "add", "gpt-4o", *CHAT)
    (line,) = catalog(app, "list").stdout.splitlines()
    assert line.split(None, 4) == ["gpt-4o", "chat", "not", "sold", "input 2.5, output 10"]
    assert catalog(app, "list", "--sellable").stdout == ""


def test_list_shows_tiers(app: Flask):
    assert app.test_cli_runner().invoke(args=["demo"]).exit_code == 0
    tiered = [row for row in listed(app).values() if row["tiers"]]
    assert tiered
    for row in tiered:
        assert row["tiers"][0]["above_input_tokens"] > 0
        assert row["tiers"][0]["usd_per_million"]
    assert "dearer tiers above" in catalog(app, "list").stdout


def test_list_is_narrowed_by_provider_and_kind(app: Flask):
    assert app.test_cli_runner().invoke(args=["demo"]).exit_code == 0
    rows = json.loads(catalog(app, "list", "--json", "--provider", "xai").stdout)
    assert {row["provider"] for row in rows} == {"xai"}
    rows = json.loads(catalog(app, "list", "--json", "--kind", "embedding").stdout)
    assert len(rows) == 5
    assert {row["kind"] for row in rows} == {"embedding"}


def test_models_are_taken_off_sale_and_offered_again(app: Flask, session: Session):
    catalog(app, "add", "a", *CHAT)
    catalog(app, "add", "b", *CHAT)
    assert catalog(app, "unpublish", "a", "b").exit_code == 0
    assert {row["is_published"] for row in listed(app).values()} == {False}
    assert catalog(app, "publish", "a").stdout == "a is published.\n"
    assert [row["is_published"] for row in listed(app).values()] == [True, False]
    details = session.scalars(select(AuditEntry.details).order_by(AuditEntry.id)).all()
    assert details[-1] == {"model": "a", "changes": {"is_published": [False, True]}}


def test_what_is_so_already_leaves_no_trace(app: Flask, session: Session):
    catalog(app, "add", "a", *CHAT)
    for words in (("publish", "a"), ("trial", "a", "on"), ("retire", "a", "--never")):
        assert catalog(app, *words).exit_code == 0
    assert len(session.scalars(select(AuditEntry)).all()) == 1


def test_one_unknown_model_leaves_all_as_they_were(app: Flask):
    catalog(app, "add", "a", *CHAT)
    assert catalog(app, "unpublish", "a", "nothing").exit_code == 1
    assert listed(app)["a"]["is_published"]


def test_kind_that_is_not_served_is_not_published(app: Flask):
    assert app.test_cli_runner().invoke(args=["demo"]).exit_code == 0
    result = catalog(app, "publish", "whisper-1")
    assert result.exit_code == 1
    assert "not served yet" in result.stderr


def test_a_model_retires_on_a_day_with_a_replacement_and_may_stay_after_all(app: Flask):
    catalog(app, "add", "old", *CHAT)
    catalog(app, "add", "new", *CHAT)
    result = catalog(app, "retire", "old", "--on", "2027-01-01", "--replacement", "new")
    assert result.stdout == "old retires on 2027-01-01; its replacement is new.\n"
    shown = json.loads(catalog(app, "show", "old", "--json").stdout)
    assert (shown["retires_on"], shown["replacement"]) == ("2027-01-01", "new")
    assert catalog(app, "retire", "old", "--never").exit_code == 0
    shown = json.loads(catalog(app, "show", "old", "--json").stdout)
    assert (shown["retires_on"], shown["replacement"]) == (None, None)


@pytest.mark.parametrize(
    "words",
    [
        (), ("--on", "2027-01-01", "--never"), ("--on", "tomorrow"),
        ("--never", "--replacement", "old"), ("--on", "2027-01-01", "--replacement", "old"),
        ("--on", "2027-01-01", "--replacement", "nothing"),
    ],
)  # fmt: skip
def test_retirement_that_makes_no_sense_is_refused(app: Flask, words: tuple[str, ...]):
    catalog(app, "add", "old", *CHAT)
    assert catalog(app, "retire", "old", *words).exit_code in (1, 2)
    assert listed(app)["old"]["retires_on"] is None


def test_trial_keys_are_kept_away_from_a_model(app: Flask):
    catalog(app, "add", "dear", *CHAT)
    assert catalog(app, "trial", "dear", "off").stdout == "Trial keys may not call dear.\n"
    assert not json.loads(catalog(app, "show", "dear", "--json").stdout)["allows_trial"]


def test_any_unit_may_be_priced(app: Flask):
    units = ("--unit", "cache_write=1.25", "--unit", "tool_call=0.01")
    result = catalog(app, "add", "writer", *CHAT, *units)
    assert result.exit_code == 0, result.output
    usd = listed(app)["writer"]["usd_per_million"]
    assert (usd["cache_write"], usd["tool_call"]) == ("1.25", "10000")


@pytest.mark.parametrize("unit", ["nothing=1", "cache_write", "cache_write=-1", "input=2"])
def test_unit_that_is_none_or_priced_twice_is_refused(app: Flask, unit: str):
    result = catalog(app, "add", "writer", *CHAT, "--unit", unit)
    assert result.exit_code != 0
    assert result.output.count("Error") == 1
    assert listed(app) == {}


def test_show_says_why_a_model_is_not_sold(app: Flask):
    catalog(app, "add", "gpt-4o", *CHAT)
    catalog(app, "unpublish", "gpt-4o")
    facts = json.loads(catalog(app, "show", "gpt-4o", "--json").stdout)
    assert facts["not_sold_because"] == ["it is not published", "no channel serves it"]
    assert "it is not published, no channel serves it" in catalog(app, "show", "gpt-4o").stdout


def test_show_of_a_sold_model_has_no_such_reasons(app: Flask):
    assert app.test_cli_runner().invoke(args=["demo"]).exit_code == 0
    assert json.loads(catalog(app, "show", "gpt-4o", "--json").stdout)["not_sold_because"] == []
