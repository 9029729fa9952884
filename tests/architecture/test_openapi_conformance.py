"""The running app keeps to its document, whatever is sent: right and wrong requests made from it.

Seeded, so that a run is like the last one; bounded, so that the slow suite stays short.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_wsgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api.openapi.document import operations
from app.api.openapi.operations import Operation
from tests.gateway.conftest import (  # noqa: F401  (fixtures: a shop that answers)
    shared_provider,
    shared_shop,
    stocked_sqlite,
)
from tests.gateway.shop import Shop

EXAMPLES = 25
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# By endpoint: what random texts would hardly ever hit.
CALLS = {"gateway.chat": "talk", "gateway.embeddings": "embed", "gateway.images": "draw"}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("row", "mode"),
    [
        pytest.param(row, mode, id=f"{row.method} {row.path} {mode.value}")
        for row in operations()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        # Without parameters and body nothing can be sent wrongly.
        if mode is GenerationMode.POSITIVE or row.parameters or row.body
    ],
)
def test_answers_are_those_of_the_document(
    shared_shop: Shop,  # noqa: F811
    row: Operation,
    mode: GenerationMode,
):
    schema = from_wsgi("/openapi.json", shared_shop.app)
    operation = schema[row.path][row.method]
    customer = shared_shop.customer()
    seen = set()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_aimed=st.booleans())
    def send(case: Case, is_aimed: bool) -> None:
        if is_aimed:
            _aim(case, row.endpoint)
        response = case.call(headers=customer.headers)
        seen.add(response.status_code)
        case.validate_response(response, checks=CHECKS)
        # The sandbox stands for a provider, which may fail over a senseless request.
        if not (row.endpoint in CALLS and response.status_code == 502):
            case.validate_response(response, checks=[not_a_server_error])

    send()
    assert seen, "nothing was sent"


def _aim(case: Case, endpoint: str) -> None:
    """Let a body name what is there, so that more than its first refusal is seen."""
    model = CALLS.get(endpoint)
    if isinstance(case.body, dict) and model is not None:
        case.body["model"] = model
    if isinstance(case.body, dict) and endpoint == "api.quote":
        case.body["endpoint"] = "/v1/chat/completions"
