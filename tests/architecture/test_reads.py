"""No GET changes anything: mail programs and browsers fetch links by themselves."""

import re

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.accounts import claims
from app.policy import POLICY, Access, RouteRow
from app.services import services
from tests.factories import make_key, make_user

GETS = [row for row in POLICY if "GET" in row.methods.split() and row.access is not Access.ADMIN]


@pytest.mark.parametrize("row", GETS, ids=lambda row: row.path)
def test_get_leaves_the_database_as_it_was(app: Flask, session: Session, row: RouteRow) -> None:
    owner, unclaimed = make_user(session), make_user(session, claimed=False)
    _, secret = make_key(session, services(app).digester, owner)
    _, token = claims.make_link(
        session, services(app).digester, user=unclaimed, inviter_id=owner.id
    )
    session.commit()
    client = app.test_client()
    with client.session_transaction() as kept:
        kept["_user_id"] = owner.fs_uniquifier
    path = re.sub(r"<[^>]+>", "1", row.path.replace("<token>", token))
    before = _version(session)
    response = client.get(path, headers={"Authorization": f"Bearer {secret}"})
    assert response.status_code in (200, 302, 404)
    assert _version(session) == before


def _version(session: Session) -> int:
    """SQLite counts the commits of all other connections."""
    version: int = session.scalar(text("PRAGMA data_version"))
    return version
