"""Partners to call in the name of."""

import pytest
from flask import Flask

from app.core.crypto import Digester
from app.services import services
from tests.api.registering import LISTED, Registrar
from tests.factories import make_partner, make_partner_secret
from tests.gateway.conftest import (  # noqa: F401  (fixtures: a shop for what shows its calls)
    any_shop,
    open_shop,
    provider,
    shared_provider,
    shop,
    stocked_sqlite,
)


@pytest.fixture
def digester(app: Flask) -> Digester:
    return services(app).digester


@pytest.fixture
def partner(app, session) -> Registrar:
    """A partner with a signing secret and one listed network."""
    return new_registrar(app, session)


@pytest.fixture
def other_partner(app, session, partner) -> Registrar:
    return new_registrar(app, session)


def new_registrar(app, session) -> Registrar:
    made = make_partner(session, networks=[f"{LISTED}/32"])
    secret = make_partner_secret(session, services(app).sealer, made)
    session.commit()
    return Registrar(app, made.user_id, secret)
