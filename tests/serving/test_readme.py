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
    """The words of each `flask` command in the first block below a heading of the README."""
    readme = (config.ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(rf"^## {heading}\n.*?^```\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block is not None
    lines = block[1].replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[3:] for line in words if line[:3] == [".venv/bin/flask", "--app", "wsgi"]]


def test_commands_make_a_live_instance_that_sells(tmp_path: Path):
    commands = commands_of("Run it for real")
    assert [words[0] for words in commands] == ["init", "catalog", "channels"]
    for words in commands:
        done = flask(tmp_path, *words, **SETTINGS)
        assert done.returncode == 0, done.stderr
    listed = flask(tmp_path, "catalog", "list", "--sellable", "--json", **SETTINGS)
    assert [row["id"] for row in json.loads(listed.stdout)] == ["gpt-4o"]
