"""The shop of the gateway's tests, shared by a module; a partner to register with."""

from tests.gateway.conftest import (  # noqa: F401  (fixtures)
    open_shop,
    provider,
    shared_provider,
    shared_shop,
    shop,
    stocked_sqlite,
)
