"""An app with models to sell and a channel, as the operator's commands make them."""

import json
from typing import Any

from click.testing import Result
from flask import Flask

KEY = "sk-provider-canary"
MODELS = {"talk": "chat", "think": "chat", "embed": "embedding", "draw": "image_generation"}


def invoke(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=words)


def done(app: Flask, *words: str) -> str:
    """What a command that must succeed prints."""
    result = invoke(app, *words)
    assert result.exit_code == 0, result.output
    assert KEY not in result.output
    return result.stdout


def refused(app: Flask, *words: str) -> str:
    """The sentence of a command that must not succeed."""
    result = invoke(app, *words)
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit)
    assert KEY not in result.output
    return result.stderr


def json_of(app: Flask, *words: str) -> Any:
    return json.loads(done(app, *words, "--json"))


def stock(app: Flask) -> None:
    """Every model of `MODELS` at 2 and 8 dollars."""
    for name, kind in MODELS.items():
        done(
            app, "catalog", "add", name, "--provider", "acme", "--kind", kind,
            "--input", "2", "--output", "8",
        )  # fmt: skip


def add_channel(app: Flask, base_url: str, *models: str, preset: str = "plain") -> None:
    """The channel ``main`` on a private host; its key is in PROVIDER_KEY."""
    words = [word for model in models for word in ("--model", model)]
    done(
        app, "channels", "add", "main", "--preset", preset, "--base-url", base_url,
        "--api-key-env", "PROVIDER_KEY", "--allow-private", *words,
    )  # fmt: skip
