"""The OpenAPI document: valid, complete, and of the routes that there are."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.api.openapi.document import build, operations
from app.api.openapi.operations import Dialect
from app.edge.surfaces import Surface, surface_of
from app.policy import POLICY, Access, RouteRow

BASE_URL = "https://ai.example.com"
DOCUMENT = build(BASE_URL)
MACHINES = ("/openapi.json", "/healthz", "/readyz")

# Of Werkzeug's rules the parameters' names are our own; in the document they are the reader's.
_NAMES = {"<path:name>": "{model}", "<public_id>": "{request_id}"}


def is_json(row: RouteRow) -> bool:
    return surface_of(row.path) is not Surface.PAGE or row.path in MACHINES


def openapi_path(path: str) -> str:
    return re.sub(r"<[^>]+>", lambda found: _NAMES[found.group()], path)


def test_document_is_valid():
    assert [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_json_route_has_its_operation_and_no_other_has():
    routes = {
        (row.endpoint, method, openapi_path(row.path))
        for row in POLICY
        if is_json(row)
        for method in row.methods.split()
    }
    assert {(row.endpoint, row.method, row.path) for row in operations()} == routes


def test_security_is_the_policy_s():
    access = {row.endpoint: row.access for row in POLICY}
    for row in operations():
        needs_key = access[row.endpoint] is Access.KEY
        assert ("" not in row.security) is needs_key, row.endpoint


def test_dialect_is_that_of_the_path():
    dialects = {Surface.OPENAI: Dialect.OPENAI, Surface.ENVELOPE: Dialect.ENVELOPE}
    for row in operations():
        assert row.dialect is dialects.get(surface_of(row.path), Dialect.NONE), row.endpoint


def test_operation_ids_are_unique():
    ids = [row.endpoint for row in operations()]
    assert len(set(ids)) == len(ids)


def test_every_path_parameter_is_described():
    for row in operations():
        named = set(re.findall(r"{(\w+)}", row.path))
        described = {each.name for each in row.parameters if each.place == "path"}
        assert named == described, row.endpoint


def examples() -> list[tuple[str, Any, Any]]:
    """Where, schema and example of each."""
    found = []
    for row in operations():
        if row.body is not None:
            found.append((f"{row.endpoint} body", row.body.schema, row.body.example))
        for answer in row.answers:
            if answer.example is not None:
                found.append((f"{row.endpoint} {answer.status}", answer.schema, answer.example))
    return found


@pytest.mark.parametrize(
    ("schema", "example"), [each[1:] for each in examples()], ids=[each[0] for each in examples()]
)
def test_example_is_what_its_schema_says(schema: Any, example: Any):
    whole = {**schema, "components": DOCUMENT["components"]}
    errors = Draft202012Validator(whole).iter_errors(example)
    assert [error.message for error in errors] == []


def test_examples_are_the_published_page_s():
    register = DOCUMENT["paths"]["/api/auth/register"]["post"]
    sent = register["requestBody"]["content"]["application/json"]["example"]
    assert sent == {"email": "user@example.com", "inviter_id": 10001, "key_name": "goodhr"}
    answer = register["responses"]["200"]["content"]["application/json"]["example"]
    assert answer["data"]["user"]["id"] == 20001
    assert (answer["data"]["balance"], answer["data"]["cny_balance"]) == ("0.2", "1.44")
    chat = DOCUMENT["paths"]["/v1/chat/completions"]["post"]
    asked = chat["requestBody"]["content"]["application/json"]["example"]
    assert asked["messages"][0]["content"] == "Write a short product introduction"


def test_errors_are_told_with_their_codes():
    responses = DOCUMENT["paths"]["/v1/chat/completions"]["post"]["responses"]
    for status, code in ((402, "insufficient_balance"), (404, "model_not_found"), (429, "rate")):
        assert code in responses[str(status)]["description"]
    codes = [row["code"] for row in DOCUMENT["x-errors"]]
    assert codes == sorted(set(codes))
    assert len(codes) > 40


def test_document_is_public_and_cacheable(app: Flask):
    answer = app.test_client().get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in answer.headers
    assert answer.json == json.loads(json.dumps(build(app.config["BASE_URL"])))
    assert answer.json["servers"] == [{"url": app.config["BASE_URL"]}]


def test_document_that_is_there_already_is_not_sent_again(app: Flask):
    client = app.test_client()
    tag = client.get("/openapi.json").headers["ETag"]
    again = client.get("/openapi.json", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


def test_other_methods_of_the_document(app: Flask):
    client = app.test_client()
    head = client.head("/openapi.json")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == client.get("/openapi.json").headers["Content-Length"]
    options = client.options("/openapi.json")
    assert (options.status_code, set(options.headers["Allow"].split(", "))) == (
        200,
        {"GET", "HEAD", "OPTIONS"},
    )
    assert client.post("/openapi.json").status_code in (400, 405)


def test_cookies_are_not_read(app: Flask):
    client = app.test_client()
    client.set_cookie("session", "garbage")
    client.set_cookie("language", "en-US")
    assert client.get("/openapi.json").data == app.test_client().get("/openapi.json").data
