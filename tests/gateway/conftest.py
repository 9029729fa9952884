"""A stocked shop on a fresh database, as cheap as a copied file."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app import create_app
from app.core.database import db
from app.gateway.health import ChannelHealth
from app.services import services
from tests.conftest import boot_settings
from tests.gateway.failing_provider import Failing
from tests.gateway.shop import SEALING_KEY, Shop, stock
from tests.gateway.switched_provider import (
    QUICK_RULES,
    SwitchedProvider,
    refuses,
    switched_provider,
)
from tests.gateway.wire_server import Script, WireServer
from tests.sandbox_server import RunningSandbox, running_sandbox

OpenShop = Callable[..., Shop]


@pytest.fixture(scope="session")
def shared_provider() -> Iterator[RunningSandbox]:
    with running_sandbox() as provider:
        yield provider


@pytest.fixture
def provider(shared_provider: RunningSandbox) -> RunningSandbox:
    shared_provider.clear()
    return shared_provider


@pytest.fixture
def failing() -> Iterator[Failing]:
    """Starts servers that play scripts, and stops them."""
    servers: list[WireServer] = []

    def start(*scripts: Script) -> WireServer:
        server = WireServer(*scripts)
        server.__enter__()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def stocked_sqlite(
    migrated_sqlite: Path,
    shared_provider: RunningSandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A migrated file with models and a channel in it, to be copied."""
    folder = tmp_path_factory.mktemp("stocked")
    shutil.copy(migrated_sqlite, folder / "flowhub.db")
    with _running(folder) as app, Session(services(app).engine) as session:
        stock(session, base_url=shared_provider.base_url)
        session.commit()
    return folder / "flowhub.db"


@pytest.fixture
def open_shop(stocked_sqlite: Path, provider: RunningSandbox, tmp_path: Path) -> Iterator[OpenShop]:
    """Opens a shop whose app has the boot settings given."""
    opened: list[Flask] = []

    def open_one(**settings: Any) -> Shop:
        folder = tmp_path / f"shop{len(opened)}"
        folder.mkdir()
        shutil.copy(stocked_sqlite, folder / "flowhub.db")
        app = create_app(boot_settings(folder, SEALING_KEYS=SEALING_KEY, **settings))
        opened.append(app)
        return Shop(app, provider)

    yield open_one
    for app in opened:
        _close(app)


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return open_shop()


@pytest.fixture
def any_shop(any_app: Flask, provider: RunningSandbox) -> Iterator[Shop]:
    """A shop on either database."""
    shop = Shop(any_app, provider)
    sealing_key = any_app.config["SEALING_KEYS"][0]
    with shop.session() as session:
        stock(session, base_url=provider.base_url, sealing_key=sealing_key)
    yield shop
    services(any_app).gateway.pool.close()


@pytest.fixture
def bad() -> Iterator[SwitchedProvider]:
    with switched_provider() as provider:
        provider.does = refuses(500, message="no")
        yield provider


@pytest.fixture
def pair(shop: Shop, bad: SwitchedProvider) -> Shop:
    """``talk`` is bought at `bad` first, then at the sandbox."""
    shop.services.gateway.health = ChannelHealth(QUICK_RULES)
    shop.add_channel("bad", bad.base_url, priority=9)
    return shop


@pytest.fixture
def alone(shop: Shop, bad: SwitchedProvider) -> Shop:
    """``talk`` is bought at `bad` alone."""
    shop.services.gateway.health = ChannelHealth(QUICK_RULES)
    shop.set_channel("main", is_enabled=False)
    shop.add_channel("bad", bad.base_url, priority=9)
    return shop


@pytest.fixture(scope="module")
def shared_shop(
    stocked_sqlite: Path,
    shared_provider: RunningSandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    """One shop for a module whose tests leave no trace."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copy(stocked_sqlite, folder / "flowhub.db")
    with _running(folder) as app:
        yield Shop(app, shared_provider)


@contextmanager
def _running(folder: Path) -> Iterator[Flask]:
    app = create_app(boot_settings(folder, SEALING_KEYS=SEALING_KEY))
    yield app
    _close(app)


def _close(app: Flask) -> None:
    services(app).gateway.pool.close()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
