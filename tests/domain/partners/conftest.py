"""What the rules of partners take as arguments."""

import pytest
from flask import Flask

from app.core.crypto import Digester, Sealer
from app.services import services


@pytest.fixture
def digester(app: Flask) -> Digester:
    return services(app).digester


@pytest.fixture
def sealer(app: Flask) -> Sealer:
    return services(app).sealer
