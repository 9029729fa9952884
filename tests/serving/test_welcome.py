"""The addresses that `make run` shows and keeps."""

import json
from pathlib import Path

import pytest

from app.cli import run_file
from app.cli.demonstration import Demonstration
from app.serving.welcome import address_of, welcome
from tests.conftest import boot_settings

MADE = Demonstration(
    admin_email="admin@example.org",
    admin_password="secret",
    user_email="demo@example.org",
    user_password="secret",
    inviter_id=10001,
    api_key="sk-key",
)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("fd00::5", "http://[fd00::5]:8000"),
    ],
)
def test_address_is_one_that_this_machine_can_call(host: str, address: str):
    assert address_of(host, 8000) == address


def test_sign_in_is_at_the_public_address_and_calls_are_made_here(tmp_path: Path):
    boot = boot_settings(tmp_path, BASE_URL="https://ai.example.com")
    shown = welcome(boot, address="http://127.0.0.1:8000", made=MADE)
    assert "https://ai.example.com/login" in shown
    assert "curl -s http://127.0.0.1:8000/v1/chat/completions" in shown


def test_without_public_address_everything_is_here(tmp_path: Path):
    boot = boot_settings(tmp_path, HOST="0.0.0.0")
    assert "0.0.0.0" not in welcome(boot, address="http://127.0.0.1:8000", made=None)


def test_run_file_is_gone_at_the_end_unless_another_process_wrote_it(tmp_path: Path):
    path = tmp_path / run_file.NAME
    running = run_file.Running("http://127.0.0.1:8000", None)
    with run_file.kept(tmp_path, running):
        assert json.loads(path.read_text())["base_url"] == running.base_url
    assert not path.exists()
    with run_file.kept(tmp_path, running):
        path.write_text('{"pid": 1}')
    assert path.exists()


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        '{"pid": 1}',
        '{"pid": 1, "base_url": "http://127.0.0.1:9", "sandbox_base_url": null}',
        '{"pid": 1, "base_url": 5, "sandbox_base_url": null}',
    ],
)
def test_run_file_of_a_product_that_is_gone_counts_for_nothing(tmp_path: Path, text: str | None):
    if text is not None:
        (tmp_path / run_file.NAME).write_text(text)
    assert run_file.read(tmp_path) is None
