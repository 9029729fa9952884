"""Odd bodies: each is refused with a stable code and the field at fault, and makes nothing."""

import json

import pytest

from app.domain.accounts.models import User
from tests.api.registering import answered, count

GOOD = {"email": "user@example.com", "inviter_id": 10001, "key_name": "goodhr"}


def body(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()


ODD = [
    (b"", 40001, "invalid_json", None),
    (b"{", 40001, "invalid_json", None),
    (b"[]", 40001, "invalid_json", None),
    (b"null", 40001, "invalid_json", None),
    (b'"x"', 40001, "invalid_json", None),
    (b'{"email":"a@b.co","email":"c@d.co"}', 40001, "invalid_json", "email"),
    (b'{"inviter_id":NaN}', 40001, "invalid_json", None),
    (body().decode().encode("utf-16"), 40001, "invalid_json", None),
    (
        b'{"email":"\\ud800@example.com","inviter_id":1,"key_name":"a"}',
        40001,
        "invalid_json",
        "email",
    ),
    (b"\xff" + body(), 40001, "invalid_json", None),
    (body() + b"x", 40001, "invalid_json", None),
    (without("email"), 40080, "missing_member", "email"),
    (without("inviter_id"), 40080, "missing_member", "inviter_id"),
    (without("key_name"), 40080, "missing_member", "key_name"),
    (b"{}", 40080, "missing_member", "email"),
    (body(email=None), 40081, "invalid_member", "email"),
    (body(email=["user@example.com"]), 40081, "invalid_member", "email"),
    (body(email=1), 40081, "invalid_member", "email"),
    (body(inviter_id=True), 40081, "invalid_member", "inviter_id"),
    (body(inviter_id="10001"), 40081, "invalid_member", "inviter_id"),
    (body(inviter_id=10001.0), 40081, "invalid_member", "inviter_id"),
    (body(inviter_id=1.5), 40081, "invalid_member", "inviter_id"),
    (body(inviter_id=None), 40081, "invalid_member", "inviter_id"),
    (body(inviter_id=0), 40081, "invalid_member", "inviter_id"),
    (body(inviter_id=-1), 40081, "invalid_member", "inviter_id"),
    (body(inviter_id=2**63), 40081, "invalid_member", "inviter_id"),
    (body(inviter_id=10**300), 40081, "invalid_member", "inviter_id"),
    (body(key_name=1), 40081, "invalid_member", "key_name"),
    (body(key_name={}), 40081, "invalid_member", "key_name"),
    (body(email=""), 40030, "invalid_email", "email"),
    (body(email="no-at"), 40030, "invalid_email", "email"),
    (body(email="é@example.com"), 40030, "invalid_email", "email"),
    (body(email="a\u0000@example.com"), 40030, "invalid_email", "email"),
    (body(email="a@example.com\r\nBcc: b@example.com"), 40030, "invalid_email", "email"),
    (body(key_name=""), 40031, "invalid_key_name", "key_name"),
    (body(key_name="x" * 65), 40031, "invalid_key_name", "key_name"),
    (body(key_name="<script>"), 40031, "invalid_key_name", "key_name"),
    (body(key_name="tên"), 40031, "invalid_key_name", "key_name"),
]


@pytest.mark.parametrize(("raw", "code", "reason", "field"), ODD)
def test_odd_body_is_refused(session, partner, raw, code, reason, field):
    before = count(session, User)
    answer = answered(partner.send(raw))
    assert (answer.status, answer.code, answer.reason) == (400, code, reason)
    assert answer.data.get("field") == field
    assert count(session, User) == before


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON;charset=UTF-8", 200),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/vnd.api+json", 415),
        ("", 415),
    ],
)
def test_only_json_is_read(partner, content_type, status):
    raw = json.dumps({**GOOD, "inviter_id": partner.inviter_id}).encode()
    assert answered(partner.send(raw, headers={"Content-Type": content_type})).status == status


def test_compressed_body_is_refused(partner):
    assert answered(partner.send(body(), headers={"Content-Encoding": "gzip"})).status == 415


def test_body_may_hold_8_kib(partner):
    raw = json.dumps({**GOOD, "inviter_id": partner.inviter_id}).encode()
    assert answered(partner.send(raw.ljust(8192))).status == 200
    assert answered(partner.send(raw.ljust(8193))).status == 413


def test_members_that_we_do_not_know_are_ignored(partner):
    raw = json.dumps({**GOOD, "inviter_id": partner.inviter_id, "utm": {"a": 1}}).encode()
    assert answered(partner.send(raw)).status == 200
