"""`make run` on an instance of the operator's own: no sandbox, no demonstration; production."""

import json
import secrets
import signal
import time
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import create_engine, text

from tests.serving.product import flask, living, refused, running_product

pytestmark = pytest.mark.slow

SECRETS = {
    "APP_ENV": "production",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "DIGEST_KEY": secrets.token_urlsafe(48),
    "SEALING_KEYS": Fernet.generate_key().decode(),
}


def test_after_init_no_sandbox_runs_and_nothing_is_made_up(tmp_path: Path):
    folder = tmp_path / "instance"
    made = flask(folder, "init", "--email", "me@example.com")
    assert made.returncode == 0, made.stderr
    with running_product(folder) as product:
        assert product.children == set()
        assert product.output == (
            f"\nFlowHubLLM runs on {product.base_url}\n\n"
            f"  Sign in        {product.base_url}/login\n\nStop with Ctrl-C.\n\n"
        )
        users = json.loads(flask(folder, "users", "list", "--json").stdout)
        assert [user["email"] for user in users] == ["me@example.com"]
        assert product.end() == 0


def test_demonstration_made_beside_a_running_product_begins_with_its_next_start(tmp_path: Path):
    folder = tmp_path / "instance"
    flask(folder, "init", "--email", "me@example.com")
    with running_product(folder) as product:
        demo = flask(folder, "demo", "--json")
        assert demo.returncode == 0
        assert "restart it" in demo.stderr
        assert json.loads(demo.stdout)["base_url"] == product.base_url
    with running_product(folder) as product:
        assert product.chat(json.loads(demo.stdout)["api_key"]).status_code == 200


def test_demonstration_ends_and_comes_back_while_the_product_runs(tmp_path: Path):
    folder = tmp_path / "instance"
    with running_product(folder) as product:
        assert product.chat().status_code == 200
        assert flask(folder, "demo", "remove").returncode == 0
        time.sleep(2)  # twice the second in which a running process notices
        assert product.chat().status_code == 401
        demo = flask(folder, "demo", "--json")
        assert demo.stderr == ""
        time.sleep(2)
        assert product.chat(json.loads(demo.stdout)["api_key"]).status_code == 200


def test_production_without_secrets_refuses(tmp_path: Path):
    code, said = refused(tmp_path / "instance", APP_ENV="production")
    assert code == 1
    assert len(said.splitlines()) == 1
    assert "SECRET_KEY, SEALING_KEYS, DIGEST_KEY" in said


def test_production_without_admin_refuses_and_starts_after_init(tmp_path: Path):
    folder = tmp_path / "instance"
    code, said = refused(folder, **SECRETS)
    assert code == 1
    assert len(said.splitlines()) == 1
    assert "flask --app wsgi init" in said
    assert flask(folder, "init", "--email", "me@example.com", **SECRETS).returncode == 0
    demo = flask(folder, "demo", "--json", **SECRETS)
    assert (demo.returncode, demo.stdout) == (1, "")
    assert "outside of production" in demo.stderr
    with running_product(folder, BASE_URL="https://ai.example.com", **SECRETS) as product:
        assert product.shown(r"Sign in +(\S+)") == "https://ai.example.com/login"
        assert product.children == set()


@pytest.mark.parametrize("url", ["sqlite:////proc/none.db", "postgresql+psycopg://u@127.0.0.1:9/x"])
def test_database_that_cannot_be_opened_is_one_sentence(tmp_path: Path, url: str):
    code, said = refused(tmp_path / "instance", DATABASE_URL=url)
    assert code == 1
    assert "Traceback" not in said
    assert said.startswith("The database cannot be used: ")


def test_host_and_database_are_honoured(tmp_path: Path):
    database = tmp_path / "elsewhere.db"
    with running_product(
        tmp_path / "instance", HOST="0.0.0.0", DATABASE_URL=f"sqlite:///{database}"
    ) as product:
        assert database.exists()
        assert not (product.folder / "flowhub.db").exists()
        assert f"FlowHubLLM runs on {product.base_url}\n" in product.output
        assert product.chat().status_code == 200


@pytest.mark.postgresql
@pytest.mark.parametrize("server", ["waitress", "granian"])
def test_runs_on_postgresql(tmp_path: Path, postgresql_url: str, server: str):
    name = f"run_{secrets.token_hex(6)}"
    admin = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    url = f"{postgresql_url.rsplit('/', 1)[0]}/{name}"
    folder = tmp_path / "instance"
    with running_product(folder, "--server", server, DATABASE_URL=url) as product:
        assert product.shown(r"Partner id +(\d+)") == "10001"
        assert product.chat().status_code == 200
        assert not (folder / "flowhub.db").exists()
        assert flask(folder, "ledger", "verify", DATABASE_URL=url).returncode == 0
        children = product.children
        assert product.end(signal.SIGTERM) == 0
        assert living(children) == set()
