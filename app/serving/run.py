"""What `make run` does: migrate, make the demonstration on a first start, start the sandbox, say
where everything is, serve."""

import argparse
import contextlib
import errno
import logging
import socket
from collections.abc import Iterator

import flask_migrate
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.cli import demonstration, run_file
from app.core.database import db
from app.domain.accounts.models import User
from app.services import services
from app.serving import granian_server, threads, waitress_server
from app.serving.instance_lock import InstanceLock
from app.serving.sandbox_process import SandboxProcess
from app.serving.welcome import address_of, welcome

NOT_SET_UP = (
    "This instance has no accounts yet. Make its admin first: "
    "flask --app wsgi init --email you@example.com"
)
NOT_FOR_PRODUCTION = (
    "This instance holds the demonstration, which production does not serve. End it first: "
    "flask --app wsgi demo remove"
)


def main() -> None:
    """Set up and serve until stopped."""
    arguments = _arguments()
    from wsgi import app

    listening = _listen(app.config["HOST"], app.config["PORT"])
    lock = InstanceLock.take(services(app).engine)
    made = prepare(app)
    address = address_of(*listening.getsockname()[:2])
    with (
        _sandbox(app, is_needed=made is not None) as sandbox,
        run_file.kept(
            app.config["INSTANCE_PATH"],
            run_file.Running(address, None if sandbox is None else sandbox.base_url),
        ),
    ):
        print(welcome(app.config, address=address, made=made), flush=True)  # noqa: T201
        if arguments.server == "granian":
            services(app).engine.dispose()
            lock.release()  # the worker takes it
            granian_server.serve(app, listening)
        else:
            waitress_server.serve(app, listening, threads.start(app, lock))


def prepare(app: Flask) -> demonstration.Demonstration | None:
    """Bring the database to the present schema; on a first start make the demonstration.

    Returns it where this instance has one. Raises `SystemExit` with what to do instead.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with app.app_context():
        try:
            flask_migrate.upgrade()
        except OperationalError as error:
            raise SystemExit(f"The database cannot be used: {error.orig}") from None
        session = db.session()
        is_new = session.scalar(select(User.id).limit(1)) is None
        is_production = app.config["APP_ENV"] == "production"
        if is_new and is_production:
            raise SystemExit(NOT_SET_UP)
        is_there = demonstration.is_there(session)
        if is_production and (is_there or demonstration.has_active_partner(session)):
            raise SystemExit(NOT_FOR_PRODUCTION)
        if not is_new and not is_there:
            return None
        made = demonstration.make(session, services(app))
        session.commit()
        return made


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="app.serving", description=__doc__)
    parser.add_argument("--server", choices=("waitress", "granian"), default="waitress")
    return parser.parse_args()


def _listen(host: str, port: int) -> socket.socket:
    """Open the port before anything else, so that a taken one is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(1024)
    except OverflowError:
        raise SystemExit(f"PORT: {port} is no port. Write a number from 1 to 65535.") from None
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        hint = (
            f"Choose another port: PORT={port + 1} make run" if is_taken else "See HOST and PORT."
        )
        raise SystemExit(f"Cannot listen on {host}:{port} ({error.strerror}). {hint}") from None
    return listening


@contextlib.contextmanager
def _sandbox(app: Flask, *, is_needed: bool) -> Iterator[SandboxProcess | None]:
    """While the demonstration is there its provider runs, and its channel points at it."""
    if not is_needed:
        yield None
        return
    sandbox = SandboxProcess()
    try:
        with Session(services(app).engine) as session:
            demonstration.follow_sandbox(session, sandbox.base_url)
            session.commit()
        yield sandbox
    finally:
        sandbox.stop()
