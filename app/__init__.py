"""FlowHubLLM: `create_app` is the table of contents of the program."""

from typing import Any

from flask import Flask

import config
from app import api, services
from app.api import health, metrics, openapi
from app.cli import bind_commands
from app.core import logs
from app.core.database import db, engine_options, prepare_engine
from app.domain import every_model  # noqa: F401  (completes the metadata)
from app.edge import bind_edge
from app.extensions import csrf, migrate
from app.gateway import FlowHub, open_lane
from app.gateway import bp as gateway_bp
from app.policy import bind_policy
from app.web import account
from app.web.languages import bind_languages
from app.web.page_tools import bind_page_tools


def create_app(settings: dict[str, Any] | None = None) -> Flask:
    """Build the app from boot settings (`config.load()` when none are given). Starts no thread."""
    boot = settings or config.load()
    logs.configure(boot["LOG_LEVEL"])
    app = FlowHub("app", root_path=str(config.ROOT))
    app.config.from_mapping(boot)
    bind_edge(app)
    bind_policy(app)
    _bind_database(app)
    bind_languages(app)
    bind_page_tools(app)
    account.bind_security(app)
    open_lane(app, services.services(app).gateway)
    csrf.exempt(gateway_bp)  # it reads no cookie, as the blueprint of /api
    for blueprint in (api.bp, health.bp, metrics.bp, openapi.bp, account.bp):
        app.register_blueprint(blueprint)
    bind_commands(app)
    return app


def _bind_database(app: Flask) -> None:
    url = app.config["DATABASE_URL"]
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(
        url, synchronous=app.config["SQLITE_SYNCHRONOUS"]
    )
    db.init_app(app)
    migrate.init_app(app, db, directory=str(config.ROOT / "migrations"))
    with app.app_context():
        prepare_engine(db.engine)
        app.extensions["flowhub"] = services.build(dict(app.config), db.engine)
