"""`flask settings`: what an operator types and reads."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from app.cli.settings import settings_commands
from app.domain.settings.catalogue import SETTINGS


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    if "settings" not in app.cli.commands:
        app.cli.add_command(settings_commands)
    return app.test_cli_runner()


def run(runner: FlaskCliRunner, *words: str):
    return runner.invoke(args=["settings", *words])


def test_list_shows_every_setting_with_its_default(runner):
    rows = json.loads(run(runner, "list", "--json").stdout)
    assert [row["name"] for row in rows] == [spec.name for spec in SETTINGS]
    assert {row["set_at"] for row in rows} == {None}
    assert next(row["value"] for row in rows if row["name"] == "rate_vnd") == "26300"


def test_change_is_listed_and_kept_with_who_when_and_why(runner, frozen_time):
    words = ("set", "rate_vnd", "26450", "--reason", "bank's rate", "--author", "op@example.com")
    assert run(runner, *words).stdout == "rate_vnd is 26450 from now on.\n"
    rows = json.loads(run(runner, "list", "--json").stdout)
    row = next(row for row in rows if row["name"] == "rate_vnd")
    assert (row["value"], row["set_at"]) == ("26450", "2026-11-24T06:00:00+00:00")
    assert json.loads(run(runner, "history", "rate_vnd", "--json").stdout) == [
        {
            "value": "26450",
            "author": "op@example.com",
            "reason": "bank's rate",
            "set_at": "2026-11-24T06:00:00+00:00",
        }
    ]


def test_texts_for_people_are_one_line_a_version(runner, frozen_time):
    run(runner, "set", "sign_up", "false", "--reason", "pause")
    assert run(runner, "history", "sign_up").stdout == (
        "2026-11-24T06:00:00  false  operator: pause\n"
    )
    assert "sign_up                              false  " in run(runner, "list").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("set", "rate_vnd", "abc", "--reason", "x"), "Write units of the currency"),
        (("set", "rate_eur", "1", "--reason", "x"), "no setting of this name"),
        (("set", "rate_vnd", "1"), "--reason"),
        (("history", "rate_eur"), "no setting of this name"),
    ],
)
def test_mistake_is_told_and_changes_nothing(runner, words, told):
    result = run(runner, *words)
    assert result.exit_code != 0
    assert told in result.stderr
    assert {row["set_at"] for row in json.loads(run(runner, "list", "--json").stdout)} == {None}
