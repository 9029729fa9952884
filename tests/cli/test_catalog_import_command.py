"""`flask catalog import`: a difference to review, written only when told."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.audit.models import AuditEntry
from app.domain.catalog.models import Model, PriceVersion

SAMPLES = Path(__file__).parents[1] / "domain/catalog/samples"
LITELLM = str(SAMPLES / "litellm.json")
MODELS_DEV = str(SAMPLES / "models_dev.json")


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["catalog", "import", *words])


def review(app: Flask, *words: str) -> dict:
    result = run(app, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_nothing_is_written_without_being_told(app: Flask, session: Session):
    result = run(app, LITELLM)
    assert result.exit_code == 0, result.output
    assert "gpt-4o (openai, chat, unpublished): cost input 2.5" in result.stdout
    assert "sold at input 3, cached_input 1.5, output 12" in result.stdout
    assert result.stdout.endswith("Nothing was written: add --apply to do so.\n")
    assert session.scalars(select(Model)).all() == []
    assert session.scalars(select(AuditEntry)).all() == []


def test_what_is_applied_is_no_difference_any_more(app: Flask, session: Session):
    added = review(app, LITELLM, "--apply")["added"]
    models = session.scalars(select(Model)).all()
    assert {model.name for model in models} == {row["id"] for row in added}
    assert {model.is_published for model in models} == {False}
    (reason,) = set(session.scalars(select(PriceVersion.reason)))
    assert reason == "imported from litellm.json"
    assert session.scalar(select(func.count()).select_from(AuditEntry)) == len(models)
    again = review(app, LITELLM, "--prices", "--apply")
    assert again["added"] == again["facts"] == again["prices"] == again["costs"] == []
    assert again["unchanged"] == len(models)
    assert "add --apply" not in run(app, LITELLM).stdout


def test_only_what_is_asked_for_is_taken(app: Flask):
    assert {
        row["id"]
        for row in review(app, LITELLM, "--provider", "openai", "--only", "gpt-*")["added"]
    } == {"gpt-4o", "gpt-5.4", "gpt-image-1"}
    google = review(app, MODELS_DEV, "--provider", "google")
    assert {row["provider"] for row in google["added"]} == {"gemini"}
    assert google["skipped_by_reason"] == {"without the prices its kind is billed in": 1}


def test_publishing_leaves_out_what_is_not_served(app: Flask):
    added = review(app, LITELLM, "--publish")["added"]
    assert {row["id"] for row in added if not row["is_published"]} == {
        "whisper-1", "omni-moderation-latest",
    }  # fmt: skip


def test_a_piped_file_and_a_named_format_are_read(app: Flask):
    runner = app.test_cli_runner()
    words = ["catalog", "import", "-", "--format", "models.dev", "--json"]
    result = runner.invoke(args=words, input=Path(MODELS_DEV).read_bytes())
    assert result.exit_code == 0, result.output
    assert {row["id"] for row in json.loads(result.stdout)["added"]} >= {"gpt-4o", "gpt-5.4"}


@pytest.mark.parametrize(
    ("content", "said"), [("nonsense", "not valid JSON"), ('{"a": {}}', "no price list")]
)
def test_another_file_is_refused_in_one_sentence(app: Flask, tmp_path: Path, content, said):
    file = tmp_path / "list.json"
    file.write_text(content)
    result = run(app, str(file), "--apply")
    assert result.exit_code == 1
    assert said in result.stderr


def test_starting_catalogue_is_imported_with_a_margin_and_its_facts(app: Flask, session: Session):
    added = review(app, "--starting", "--publish", "--apply")["added"]
    assert len(added) == 75
    prices = {row["id"]: (row["cost"], row["sale"]) for row in added}
    cost, sale = (side["usd_per_million"]["input"] for side in prices["gpt-4o"])
    assert (cost, sale) == ("2.5", "3")
    model = session.scalars(select(Model).where(Model.name == "gpt-4o")).one()
    assert (model.max_input_tokens, model.max_tokens_per_input_image) == (128_000, 1_445)
    again = review(app, "--starting", "--prices", "--apply")
    assert (again["added"], again["unchanged"]) == ([], 75)


def test_starting_catalogue_corrects_what_another_list_did_not_state(app: Flask, session: Session):
    review(app, LITELLM, "--only", "gpt-4o", "--apply")
    (change,) = review(app, "--starting", "--only", "gpt-4o", "--apply")["facts"]
    assert change["changes"]["max_tokens_per_input_image"] == ["unstated", "1445"]
    model = session.scalars(select(Model).where(Model.name == "gpt-4o")).one()
    assert model.max_tokens_per_input_image == 1_445


@pytest.mark.parametrize("words", [(), ("--starting", LITELLM)])
def test_one_list_must_be_named(app: Flask, words: tuple[str, ...]):
    result = run(app, *words)
    assert result.exit_code == 2
    assert "Name a FILE, or --starting." in result.stderr


def test_unknown_channel_and_missing_file_are_refused(app: Flask):
    assert run(app, LITELLM, "--as-cost", "nothing").exit_code == 1
    assert run(app, "nothing.json").exit_code == 2


def test_names_from_the_file_cannot_steer_the_terminal(app: Flask, tmp_path: Path):
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"evil\x1b[2J": {"litellm_provider": "x", "mode": "\x9b31m"}}))
    result = run(app, str(file))
    assert result.exit_code == 0
    assert "evil?[2J" in result.stdout
    assert "\x1b" not in result.stdout
    assert "\x9b" not in result.stdout
