import pytest
from flask import Flask

from app.services import services
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books


@pytest.fixture
def books(app: Flask, frozen_time: FrozenTime) -> Books:
    return Books(services(app).engine)


@pytest.fixture
def any_books(any_app: Flask, frozen_time: FrozenTime) -> Books:
    """The books on each of the two databases."""
    return Books(services(any_app).engine)
