"""Fixtures of the whole suite: an app on a fresh, migrated database; a clock that stands still.

Tests marked for a tool that is missing are skipped and listed at the end with the line that
installs it; with ``CI=true`` such a skip is a failure.
"""

import gc
import itertools
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

import config
from app import create_app
from app.core import clock, ids
from app.core.database import db
from app.core.ids import IdMint
from tests import redis_server
from tests.postgresql_server import INSTALL_HINT, find_programs, running_postgresql

NOW_S = 1_795_500_000.0  # 2026-11-24, about the date of the starting catalogue

_NODES = itertools.cycle(range(512, 1024))  # the nodes of what does not serve

TOOLS = {
    "postgresql": (lambda: find_programs() is not None, INSTALL_HINT),
    "redis": (lambda: redis_server.find_program() is not None, redis_server.INSTALL_HINT),
    "browser": (lambda: shutil.which("chromium") is not None, "apt-get install -y chromium"),
    "llama": (
        lambda: find_spec("xllamacpp") is not None,
        "pip install -r tests/requirements.txt, on Linux x86_64",
    ),
    "node": (lambda: shutil.which("node") is not None, "apt-get install -y nodejs npm"),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name, (is_there, hint) in TOOLS.items():
        if item.get_closest_marker(name) and not is_there():
            if os.environ.get("CI") == "true":
                pytest.fail(f"needs {name}: {hint}", pytrace=False)
            pytest.skip(f"needs {name}: {hint}")


def pytest_configure() -> None:
    """Until all tests are collected nothing becomes garbage: looking for it took a third."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Set the collector as a serving process does: what is here before the first test stays."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """No worker for part of the tests: starting them costs more than they save there.

    For the rest one more than cores: a fifth of the time of the tests is spent in waiting.
    """
    is_part = any(Path(argument.split("::")[0]).is_file() for argument in config.args)
    if is_part or config.option.keyword:
        return 0
    return (os.cpu_count() or 1) + 1


def boot_settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """Boot settings of a test instance in `folder`; nothing of the outer environment counts."""
    environ = {
        "INSTANCE_DIR": str(folder),
        "SECRET_KEY": "s" * 40,
        "DIGEST_KEY": "d" * 40,
        "SEALING_KEYS": Fernet.generate_key().decode(),
        "SQLITE_SYNCHRONOUS": "NORMAL",
        "LOG_LEVEL": "WARNING",
        **{name: str(value) for name, value in changes.items()},
    }
    return config.load(environ) | {"TESTING": True}


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied: migrations run once a session."""
    folder = tmp_path_factory.mktemp("template")
    app = create_app(boot_settings(folder))
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()
    return folder / "flowhub.db"


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A server of this worker's own."""
    with running_postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated database, to be copied; nothing is connected to it."""
    name = "template_migrated"
    _administer(postgresql_url, f"CREATE DATABASE {name}")
    url = _beside(postgresql_url, name)
    app = create_app(boot_settings(tmp_path_factory.mktemp("template"), DATABASE_URL=url))
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()
    return name


@pytest.fixture
def redis() -> Iterator[redis_server.RedisServer]:
    with redis_server.running_redis() as server:
        yield server


@pytest.fixture
def sqlite_app(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Flask]:
    shutil.copy(migrated_sqlite, tmp_path / "flowhub.db")
    yield from _living(create_app(boot_settings(tmp_path)))


@pytest.fixture
def postgresql_app(
    postgresql_url: str, migrated_postgresql: str, tmp_path: Path
) -> Iterator[Flask]:
    """An app on a new database of the test server."""
    name = f"test_{os.urandom(6).hex()}"
    _administer(postgresql_url, f"CREATE DATABASE {name} TEMPLATE {migrated_postgresql}")
    url = _beside(postgresql_url, name)
    yield from _living(create_app(boot_settings(tmp_path, DATABASE_URL=url)))
    _administer(postgresql_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def app(sqlite_app: Flask) -> Flask:
    return sqlite_app


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgresql, pytest.mark.slow])]
)
def any_app(request: pytest.FixtureRequest) -> Flask:
    """The app on each of the two databases: for whatever depends on locks or SQL."""
    app: Flask = request.getfixturevalue(f"{request.param}_app")
    return app


def _administer(url: str, statement: str) -> None:
    """Run what PostgreSQL refuses inside a transaction."""
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(statement))
    admin.dispose()


def _beside(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return f"{url.rsplit('/', 1)[0]}/{name}"


def _living(app: Flask) -> Iterator[Flask]:
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session of its own beside the app's, for rules and for looking."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture(autouse=True)
def _fresh_mint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mint never goes back: its ids would be of the latest time that any test told."""
    monkeypatch.setattr(ids, "_mint", IdMint(next(_NODES)))


@pytest.fixture
def frozen_time() -> Iterator["FrozenTime"]:
    frozen = FrozenTime(NOW_S)
    with clock.use_source(lambda: frozen.now_s):
        yield frozen


class FrozenTime:
    """A wall clock that moves only when told."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
