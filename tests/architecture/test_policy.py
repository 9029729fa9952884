"""The policy names every route and no other, and holds for whoever is signed out."""

import re
from collections import Counter

import pytest
from flask import Flask
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import csrf
from app.edge.surfaces import Surface, surface_of
from app.policy import POLICY, Access, RouteRow, bind_policy
from tests.factories import make_user

IMPLIED = {"HEAD", "OPTIONS"}


def test_policy_and_url_map_are_the_same_routes(app: Flask) -> None:
    served = {
        (rule.rule, frozenset((rule.methods or set()) - IMPLIED), rule.endpoint)
        for rule in app.url_map.iter_rules()
    }
    listed = {(row.path, frozenset(row.methods.split()), row.endpoint) for row in POLICY}
    assert served - listed == set(), "routes that the policy does not name"
    assert listed - served == set(), "routes of the policy that do not exist"


def test_policy_names_each_route_once() -> None:
    counted = Counter((row.path, method) for row in POLICY for method in row.methods.split())
    assert [route for route, count in counted.items() if count > 1] == []
    assert len({row.endpoint for row in POLICY}) == len(POLICY)


@pytest.mark.parametrize(
    ("row", "method"),
    [
        pytest.param(row, method, id=f"{method} {row.path}")
        for row in POLICY
        if row.access is Access.SESSION
        for method in row.methods.split()
    ],
)
def test_signed_out_visitor_is_sent_to_sign_in(app: Flask, row: RouteRow, method: str) -> None:
    path = re.sub(r"<[^>]+>", "1", row.path)
    response = app.test_client().open(path, method=method)
    assert response.status_code == 303
    assert response.headers["Location"].partition("?")[0] == "/login"


@pytest.mark.parametrize(
    "row", [row for row in POLICY if row.access is Access.KEY], ids=lambda row: row.path
)
def test_route_of_keys_refuses_who_presents_none(app: Flask, row: RouteRow) -> None:
    path = re.sub(r"<[^>]+>", "1", row.path)
    for method in row.methods.split():
        assert app.test_client().open(path, method=method, json={}).status_code == 401


def test_only_json_surfaces_go_without_csrf_protection(app: Flask) -> None:
    assert csrf._exempt_views == set()
    for rule in app.url_map.iter_rules():
        blueprint = app.blueprints.get(rule.endpoint.partition(".")[0])
        is_exempt = blueprint in csrf._exempt_blueprints
        assert is_exempt is (surface_of(rule.rule) is not Surface.PAGE), rule.rule


def test_route_outside_the_policy_answers_nobody(bare_app: Flask) -> None:
    assert bare_app.test_client().get("/unlisted").status_code == 404


def test_operator_s_route_is_not_there_for_anyone_else(
    app: Flask, bare_app: Flask, session: Session
) -> None:
    user = make_user(session)
    operator = make_user(session, roles=["admin"])
    session.commit()
    client = bare_app.test_client()
    assert client.get("/operator").status_code == 404
    for person, status in ((user, 404), (operator, 200)):
        with client.session_transaction() as kept:
            kept["_user_id"] = person.fs_uniquifier
        assert client.get("/operator").status_code == status


@pytest.fixture
def bare_app(app: Flask) -> Flask:
    """The app with two more routes: the operator's, and one that no row names."""

    def view() -> ResponseReturnValue:
        return "here"

    del app.before_request_funcs[None][1:]  # all but the request's id
    bind_policy(app, (RouteRow("/operator", "GET", "operator", Access.ADMIN),))
    app.add_url_rule("/operator", "operator", view)
    app.add_url_rule("/unlisted", "unlisted", view)
    return app
