"""What the rules of accounts take as arguments."""

import pytest
from flask import Flask

from app.core.crypto import Digester
from app.services import services


@pytest.fixture
def digester(app: Flask) -> Digester:
    return services(app).digester
