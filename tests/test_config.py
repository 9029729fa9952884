"""Boot settings: what is read, what is refused and how it is said."""

import json
import stat
from pathlib import Path

import pytest

import config

SECRETS = {
    "SECRET_KEY": "s" * 40,
    "DIGEST_KEY": "d" * 40,
    "SEALING_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}


def load(folder: Path, **environ: str) -> dict[str, object]:
    return config.load({"INSTANCE_DIR": str(folder), **environ})


def test_defaults_serve_on_loopback_with_a_database_in_the_instance(tmp_path: Path):
    values = load(tmp_path)
    assert (values["HOST"], values["PORT"], values["APP_ENV"]) == ("127.0.0.1", 8000, "development")
    assert values["DATABASE_URL"] == f"sqlite:///{tmp_path / 'flowhub.db'}"
    assert values["BASE_URL"] == "http://127.0.0.1:8000"


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path):
    first, second = load(tmp_path), load(tmp_path)
    for name in SECRETS:
        assert first[name] == second[name]
    file = tmp_path / "secrets.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(set(json.loads(file.read_text()).values())) == 3


def test_production_refuses_to_start_without_its_own_secrets(tmp_path: Path):
    with pytest.raises(config.ConfigError, match="DIGEST_KEY"):
        load(tmp_path, APP_ENV="production", SECRET_KEY="s" * 40)
    assert not (tmp_path / "secrets.json").exists()
    assert load(tmp_path, APP_ENV="production", **SECRETS)["APP_ENV"] == "production"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("APP_ENV", "staging"),
        ("PORT", "http"),
        ("THREADS", "0"),
        ("DRAIN_STREAMS", "-1"),
        ("UPSTREAM_IDLE_S", "inf"),
        ("TRUSTED_PROXIES", "10.0.0.0/99"),
        ("SEALING_KEYS", "too-short"),
        ("SQLITE_SYNCHRONOUS", "OFF"),
        ("DEFAULT_LANGUAGE", "fr-FR"),
        ("LOG_LEVEL", "LOUD"),
        ("SECRET_KEY", "short"),
    ],
)
def test_value_that_is_none_is_refused_by_name(tmp_path: Path, name: str, text: str):
    with pytest.raises(config.ConfigError, match=name):
        load(tmp_path, **{name: text})


def test_refusal_does_not_show_a_secret(tmp_path: Path):
    with pytest.raises(config.ConfigError) as refused:
        load(tmp_path, SEALING_KEYS="not-a-fernet-key")
    assert "not-a-fernet-key" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]"), ("10.1.2.3", "10.1.2.3")],
)
def test_links_name_a_host_that_can_be_reached(tmp_path: Path, host: str, shown: str):
    assert load(tmp_path, HOST=host, PORT="81")["BASE_URL"] == f"http://{shown}:81"


def test_folder_that_cannot_be_made_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(config.ConfigError, match="INSTANCE_DIR"):
        load(tmp_path / "file" / "instance")


def test_new_instance_folder_is_open_to_its_owner_alone(tmp_path: Path):
    folder = tmp_path / "instance"
    load(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
