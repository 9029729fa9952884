"""The README's way to a live instance works as it is written."""

import json
import re
import secrets
import shlex
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

import config
from tests.serving.product import flask

pytestmark = pytest.mark.slow

SETTINGS = {
    "APP_ENV": "production",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "DIGEST_KEY": secrets.token_urlsafe(48),
    "SEALING_KEYS": Fernet.generate_key().decode(),
    "OPENAI_KEY": "sk-provider",
}


def commands_of(heading: str) -> list[list[str]]:
    """The words of each `flask` command in the first block below a heading of the README, but
    for those that ask the provider, whom a test does not reach."""
    readme = (config.ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(rf"^### {heading}\n.*?^```\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block is not None
    lines = block[1].replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    commands = [line[1:] for line in words if line[:1] == ["flask"]]
    return [_offline(line) for line in commands if line[:2] != ["channels", "test"]]


def _offline(words: list[str]) -> list[str]:
    if words[-1] != "--models-from-provider":
        return words
    return [*words[:-1], "--model", "gpt-4o"]


def test_commands_make_a_live_instance_that_sells(tmp_path: Path):
    commands = commands_of("An instance of your own") + commands_of("The first channel")
    assert [words[0] for words in commands] == ["init", "catalog", "catalog", "channels", "catalog"]
    for words in commands:
        done = flask(tmp_path, *words, **SETTINGS)
        assert done.returncode == 0, done.stderr
    listed = flask(tmp_path, "catalog", "list", "--sellable", "--json", **SETTINGS)
    assert [row["id"] for row in json.loads(listed.stdout)] == ["gpt-4o"]
    costs = flask(tmp_path, "channels", "costs", "--json", **SETTINGS)
    assert [row["usd_per_million"]["input"] for row in json.loads(costs.stdout)] == ["2.5"]


@pytest.mark.parametrize("heading", ["Prices", "Keys and limits", "Money by hand"])
def test_every_option_of_the_commands_exists(heading: str, tmp_path: Path):
    """Whether they do what they say is tested with each command; here none runs to its end."""
    flask(tmp_path, "init", "--email", "you@example.com", **SETTINGS)
    commands = commands_of(heading)
    assert commands
    for words in commands:
        done = flask(tmp_path, *words, **SETTINGS)
        is_understood = "Usage:" not in done.stderr or "No such file" in done.stderr
        assert is_understood, (words, done.stderr)
