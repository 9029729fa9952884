"""Accounts with a password, and browsers."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.domain.accounts.models import User
from app.web.account.passwords import hash_new
from tests.factories import make_user
from tests.web.browser import Browser

PASSWORD = "correct horse battery"


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


@pytest.fixture
def make_owner(app: Flask, session: Session) -> Callable[..., User]:
    """Makes a claimed user who signs in by PASSWORD; committed."""

    def make(**columns: Any) -> User:
        with app.app_context():
            hashed = hash_new(PASSWORD)
        user = make_user(session, **{"password": hashed, "language": "en-US", **columns})
        session.commit()
        return user

    return make
