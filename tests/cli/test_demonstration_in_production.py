"""A live instance that was tried out first does not start with the demonstration in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from app.cli import demonstration
from app.core.database import db
from app.domain.channels import buying
from app.services import services
from app.serving.run import prepare
from tests.conftest import boot_settings


@pytest.fixture
def production(app: Flask, tmp_path: Path) -> Iterator[Flask]:
    """The demonstration's instance, started as production."""
    with app.app_context():
        demonstration.make(db.session(), services(app))
        db.session.commit()
    started = create_app(boot_settings(tmp_path, APP_ENV="production"))
    yield started
    with started.app_context():
        db.engine.dispose()


def test_production_refuses_to_start_until_the_demonstration_has_ended(production: Flask) -> None:
    with pytest.raises(SystemExit, match="demo remove"):
        prepare(production)
    removed = production.test_cli_runner().invoke(args=["demo", "remove"])
    assert removed.exit_code == 0, removed.output
    assert prepare(production) is None


def test_its_partner_alone_is_refused_too(production: Flask) -> None:
    """It vouches for every call from the machine itself, such as a proxy's."""
    with production.app_context():
        channel = buying.find_channel(db.session(), demonstration.CHANNEL)
        buying.set_enabled(db.session(), channel=channel, is_enabled=False)
        db.session.commit()
        assert not demonstration.is_there(db.session())
    with pytest.raises(SystemExit, match="demo remove"):
        prepare(production)


def test_development_starts_with_it(app: Flask) -> None:
    with app.app_context():
        demonstration.make(db.session(), services(app))
        db.session.commit()
    assert prepare(app) is not None
