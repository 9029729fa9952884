"""What holds for every operator's command: it explains itself, and refuses in one sentence."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

from app import create_app
from app.cli import COMMANDS
from app.cli.groups import OperatorCommand, OperatorGroup
from app.core.database import db
from tests import factories
from tests.conftest import boot_settings


def walk(
    commands: Iterable[click.Command] = COMMANDS, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for command in commands:
        assert command.name is not None
        words = (*before, command.name)
        yield words, command
        if isinstance(command, click.Group):
            yield from walk(command.commands.values(), words)


ALL = [pytest.param(words, command, id=" ".join(words)) for words, command in walk()]
SHOWING = ("list", "show", "history", "verify", "demo", "doctor")


@pytest.mark.parametrize(("words", "command"), ALL)
def test_command_explains_itself(app: Flask, words: tuple[str, ...], command: click.Command):
    result = app.test_cli_runner().invoke(args=[*words, "--help"])
    assert result.exit_code == 0
    assert command.help
    assert command.help.split("\n")[0].rstrip().endswith(".")
    unexplained = [
        option.name
        for option in command.params
        if isinstance(option, click.Option)
        and not option.help
        and not isinstance(option.type, click.Choice)  # its values stand in the help
    ]
    assert unexplained == []


@pytest.mark.parametrize(("words", "command"), ALL)
def test_command_that_shows_prints_json_too(words: tuple[str, ...], command: click.Command):
    has_json = any("--json" in parameter.opts for parameter in command.params)
    assert has_json or words[-1] not in SHOWING


def test_every_command_refuses_in_one_sentence():
    assert [c.name for c in COMMANDS if not isinstance(c, OperatorGroup | OperatorCommand)] == []


@pytest.mark.parametrize(
    "words",
    [
        ("catalog", "list"), ("channels", "list"), ("ledger", "verify"), ("holds", "sweep"),
        ("mail", "list"), ("settings", "list"), ("users", "list"), ("partners", "list"),
        ("alerts", "list"), ("requests", "list"), ("vouchers", "list"),
        ("users", "show", "a@example.com"), ("requests", "show", "1"),
        ("wallet", "show", "a@example.com"), ("keys", "list", "a@example.com"),
        ("demo", "remove"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_database_without_tables_is_told_in_one_sentence(tmp_path: Path, words: tuple[str, ...]):
    app = create_app(boot_settings(tmp_path))
    result = app.test_cli_runner().invoke(args=words)
    with app.app_context():
        db.engine.dispose()
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "flask --app wsgi db upgrade" in result.stderr


def test_database_that_is_away_is_told_in_one_sentence(tmp_path: Path):
    url = "postgresql+psycopg://nobody@127.0.0.1:9/none"
    app = create_app(boot_settings(tmp_path, DATABASE_URL=url))
    result = app.test_cli_runner().invoke(args=["users", "list"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The database cannot be used: ")


def test_empty_database_is_told_how_to_begin(tmp_path: Path):
    app = create_app(boot_settings(tmp_path))
    result = app.test_cli_runner().invoke(args=["users", "list"])
    with app.app_context():
        db.engine.dispose()
    assert "There is no instance here yet" in result.stderr
    assert "flask init --email" in result.stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("wallet", "credit", "a@example.com", "1,5", "--reason", "x"), "AMOUNT"),
        (("vouchers", "create", "--amount", "1,5", "--batch", "b", "--reason", "x"), "--amount"),
        (("keys", "create", "a@example.com", "k", "--cap", "1,5"), "--cap"),
        (("partners", "change", "1", "--trial-budget", "1,5"), "--trial-budget"),
        (("catalog", "add", "m", "--provider", "p", "--kind", "chat", "--input", "1,5"), "--input"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_decimal_comma_is_refused_with_its_place_and_how_to_write(
    app: Flask, words: tuple[str, ...], hint: str
):
    with app.app_context():
        factories.make_user(db.session(), email="a@example.com")
        db.session.commit()
    result = app.test_cli_runner().invoke(args=words)
    assert result.exit_code != 0
    assert hint in result.stderr
    assert "'1,5'" in result.stderr
    assert "with a decimal point" in result.stderr
