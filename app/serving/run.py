"""What `make run` does: migrate, make the demonstration on a first start, start the sandbox, say
where everything is, serve."""

import argparse
import contextlib
import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import flask_migrate
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli import demonstration
from app.cli.demo import facts_of
from app.core.database import db
from app.domain.accounts.models import User
from app.serving import granian_server, threads, waitress_server
from app.serving.sandbox_process import SandboxProcess
from app.services import services

WELCOME = """
FlowHubLLM runs on {base_url}

  Sign in        {base_url}/login
                 {admin_email}  {admin_password}
  Partner id     {inviter_id}

Register a user as the partner does:

  curl -s {base_url}/api/auth/register -H 'Content-Type: application/json' \\
    -d '{{"email": "user@example.com", "inviter_id": {inviter_id}, "key_name": "goodhr"}}'

Call a model (the sandbox answers; the bill is real arithmetic on the demonstration's money):

  curl -s {base_url}/v1/chat/completions -H 'Content-Type: application/json' \\
    -H 'Authorization: Bearer {api_key}' \\
    -d '{{"model": "gpt-4o", "messages": [{{"role": "user", "content": "Write a short product introduction"}}]}}'

Stop with Ctrl-C.
"""
PLAIN_WELCOME = """
FlowHubLLM runs on {base_url}

Stop with Ctrl-C.
"""
NOT_SET_UP = "This instance has no admin yet. Run `flask --app wsgi init --email you@example.com` first."


def main() -> None:
    """Set up and serve until stopped."""
    arguments = _arguments()
    from wsgi import app

    listening = _listen(app.config["HOST"], app.config["PORT"])
    prepare(app)
    with _sandbox(app), _run_file(app, listening):
        print(welcome(app), flush=True)  # noqa: T201  (what a newcomer reads)
        if arguments.server == "granian":
            granian_server.serve(app, listening)
        else:
            waitress_server.serve(app, listening, threads.start(app))


def prepare(app: Flask) -> None:
    """Bring the database to the present schema; on a first start make the demonstration."""
    _quiet_migrations()
    with app.app_context():
        flask_migrate.upgrade()
        is_new = db.session.scalar(select(User.id).limit(1)) is None
        if is_new and app.config["APP_ENV"] == "production":
            raise SystemExit(NOT_SET_UP)
        if is_new:
            demonstration.make(db.session(), services(app))
            db.session.commit()


def welcome(app: Flask) -> str:
    """What the terminal shows: with the demonstration, everything needed to try it."""
    with app.app_context():
        if not demonstration.is_there(db.session()):
            return PLAIN_WELCOME.format(base_url=app.config["BASE_URL"])
        made = demonstration.make(db.session(), services(app))
        db.session.commit()
        return WELCOME.format(
            base_url=app.config["BASE_URL"],
            admin_email=made.admin_email,
            admin_password=made.admin_password,
            inviter_id=made.inviter_id,
            api_key=made.api_key,
        )


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
    except OSError as error:
        raise SystemExit(
            f"Cannot listen on {host}:{port} ({error.strerror}). Choose another: PORT=8001 make run"
        ) from None
    listening.listen(1024)
    return listening


@contextlib.contextmanager
def _sandbox(app: Flask) -> Iterator[None]:
    """While the demonstration is there its provider runs, and its channel points at it."""
    with Session(services(app).engine) as session:
        if not demonstration.is_there(session):
            yield
            return
        sandbox = SandboxProcess()
        demonstration.follow_sandbox(session, sandbox.base_url)
        session.commit()
    try:
        yield
    finally:
        sandbox.stop()


@contextlib.contextmanager
def _run_file(app: Flask, listening: socket.socket) -> Iterator[None]:
    """Tell commands where the product runs."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    path = Path(app.config["INSTANCE_PATH"]) / "run.json"
    path.write_text(json.dumps({"pid": os.getpid(), "base_url": f"http://{shown}:{port}"}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _quiet_migrations() -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)
