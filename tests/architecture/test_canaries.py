"""Canaries planted in every secret place never appear where they do not belong.

Where one belongs, a row of `BELONGS` says so; everything else is a leak.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain import alerts, mail
from app.domain.alerts.kinds import AlertKind
from app.domain.mail.models import OutboxMail
from app.policy import POLICY
from app.services import services
from tests.architecture.canaries import (
    LABEL,
    METRICS_TOKEN,
    MINE,
    PROMPT,
    UNCLAIMED,
    House,
    canary_house,
)
from tests.gateway.shop import CHAT_PATH, PROVIDER_KEY
from tests.log_lines import KeptLines, kept_lines
from tests.sandbox_server import RunningSandbox, running_sandbox

BELONGS = {
    # The page behind a mailed link names its mailbox, and its form goes back to the same address.
    "/claim/<token>": ("a claim token", "an unclaimed email"),
    "/claim/<token>/refuse": ("a claim token", "an unclaimed email"),
}
"""By path of the policy."""

GETS = [row for row in POLICY if "GET" in row.methods.split()]
VIEWERS = ("nobody", "a key's holder", "a user", "the operator", "Prometheus")


@pytest.fixture(scope="module")
def provider() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def house(migrated_sqlite: Path, tmp_path: Path, provider: RunningSandbox) -> Iterator[House]:
    with canary_house(migrated_sqlite, tmp_path, provider) as made:
        yield made


@pytest.fixture
def log(house: House) -> Iterator[KeptLines]:
    with kept_lines() as lines:
        yield lines


def addresses(house: House, path: str) -> list[str]:
    """A route's addresses with another's ids in them, and with nonsense."""
    return [
        re.sub(r"<[^>]+>", value, path.replace("<token>", token))
        for token, value in (
            (house.claim_token, house.victims_call),
            ("wrong", "1"),
            ("x" * 300, "renamed"),
        )
    ]


def headers_of(house: House, viewer: str) -> dict[str, str]:
    secret = {"a key's holder": house.my_secret, "Prometheus": METRICS_TOKEN}.get(viewer)
    return {} if secret is None else {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("viewer", VIEWERS)
def test_no_get_shows_a_canary(house: House, log: KeptLines, viewer: str) -> None:
    person = {"a user": house.me, "the operator": house.operator}.get(viewer)
    client = house.client(person)
    asked = 0
    for row in GETS:
        for address in addresses(house, row.path):
            for query in ("", f"?q={PROMPT}&token={house.claim_token}"):
                response = client.get(address + query, headers=headers_of(house, viewer))
                # What a request itself says may come back to it, such as the page to sign in to.
                own = ("a prompt", "a claim token") if query else ()
                but = (*BELONGS.get(row.path, ()), *own)
                house.look_at_answer(f"{viewer} at {row.path}", response, but=but)
                asked += 1
    house.look_at_log(log)
    assert house.leaks == []
    assert asked == len(log.requests) >= 6 * len(GETS)


def test_canaries_are_where_they_were_planted(house: House) -> None:
    """The other tests would pass in an empty house."""
    with services(house.app).engine.connect() as connection:
        kept = "\n".join(str(row) for table in _tables(connection) for row in table)
    in_the_database = {name for name, canary in house.canaries.items() if canary in kept}
    assert in_the_database == {
        "the sealed provider's key",
        "a provider's model name",
        "a password's hash",
        "the digest of another's key",
        "the digest of the caller's key",
        "another's email",
        "the partner's email",
        "an unclaimed email",
        "a session",
        "the sealed partner's secret",
        "a voucher's digest",
    }, "neither more, such as a prompt or a key in clear, nor less"


def _tables(connection: Any) -> Iterator[Any]:
    names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
    for (name,) in names.all():
        yield connection.execute(text(f'SELECT * FROM "{name}"')).all()


ECHO = {"error": {"message": f"Bad key {PROVIDER_KEY} for {PROMPT}", "code": PROVIDER_KEY}}
CALLS: dict[str, dict[str, Any]] = {
    "whole": {},
    "mapped": {"model": "renamed"},
    "stream": {"stream": True},
    "stream-usage": {"stream": True, "stream_options": {"include_usage": True}},
    "truncated": {"stream": True, "sandbox": {"behave": "truncate", "after": 2}},
    "broken": {"stream": True, "sandbox": {"behave": "break", "after": 3}},
    "error-mid-stream": {"stream": True, "sandbox": {"behave": "error_mid_stream", "after": 2}},
    "another-model": {"sandbox": {"behave": "another_model"}},
    "extra-members": {"sandbox": {"behave": "extra_members"}},
    "absurd-usage": {"sandbox": {"behave": "absurd_usage"}},
    **{
        f"provider-{status}": {"sandbox": {"behave": "status", "status": status, "body": ECHO}}
        for status in (400, 401, 402, 403, 404, 413, 422, 429, 500, 503)
    },
    "redirect": {"sandbox": {"behave": "redirect"}},
    "unknown-model": {"model": PROMPT},
    "unknown-member": {"messages": [{"role": PROMPT, "content": [{"type": PROMPT}]}], "n": PROMPT},
    "unpaid": {"model": "thinker", "n": 1_000_000},
    "not-served": {"model": "nowhere"},
}


@pytest.mark.parametrize("members", CALLS.values(), ids=CALLS.keys())
def test_call_shows_only_the_caller_s_own(
    house: House, log: KeptLines, members: dict[str, Any]
) -> None:
    response = house.call(**members)
    # The answer to a prompt may repeat it, to whoever wrote it.
    house.look_at_answer("the answer", response, but=("a prompt",))
    house.look_at_log(log)
    assert house.leaks == []
    assert [line.get("client_request_id") for line in log.requests] == [LABEL]


JSON_REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("POST", CHAT_PATH, b"{"),
    ("POST", CHAT_PATH, PROMPT.encode()),
    ("POST", "/v1/embeddings", {"model": "embed", "input": {PROMPT: 1}}),
    ("POST", "/v1/images/generations", {"model": "draw", "prompt": PROMPT, "size": PROMPT}),
    ("POST", "/v1/nothing", {"input": PROMPT}),
    ("GET", CHAT_PATH, None),
    ("POST", "/api/quote", {"model": PROMPT, "messages": [{"content": PROMPT}]}),
    ("PATCH", "/api/user/keys/current", {PROMPT: PROMPT}),
    ("POST", "/api/auth/register", {"email": PROMPT, "inviter_id": PROMPT, "key_name": PROMPT}),
    ("POST", "/api/nothing", {"input": PROMPT}),
)


@pytest.mark.parametrize("is_known", [True, False], ids=["key", "no-key"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    JSON_REQUESTS,
    ids=[f"{row[1]}-{n}" for n, row in enumerate(JSON_REQUESTS)],
)
def test_refusal_shows_and_logs_no_canary(
    house: House, log: KeptLines, *, method: str, path: str, body: Any, is_known: bool
) -> None:
    data = body if isinstance(body, bytes | None) else json.dumps(body)
    headers = {"Content-Type": "application/json"}
    if is_known:
        headers["Authorization"] = f"Bearer {house.my_secret}"
    response = house.client().open(path, method=method, data=data, headers=headers)
    assert response.status_code >= 400
    house.look_at_answer(f"{method} {path}", response, but=("a prompt",))
    house.look_at_log(log)
    assert house.leaks == []


def test_form_that_is_refused_shows_and_logs_no_canary(house: House, log: KeptLines) -> None:
    typed = {"email": UNCLAIMED, "password": PROMPT}
    for path in ("/login", "/claim", f"/claim/{house.claim_token}"):
        response = house.client().post(path, data=typed)
        # A form comes back with what was typed into it, but for the password.
        own = ("an unclaimed email", "a claim token")
        house.look_at_answer(f"the form at {path}", response, but=own)
    house.look_at_log(log)
    assert house.leaks == []


@pytest.mark.parametrize("table", ["api_keys", "users", "calls", "models", "claim_links"])
def test_fault_of_our_own_shows_and_logs_no_canary(
    house: House, log: KeptLines, table: str
) -> None:
    """A traceback is logged, and so must not carry what the failing statement was given."""
    with services(house.app).engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO gone")
    house.look_at_answer("a call", house.call(), but=("a prompt",))
    for row in GETS:
        for address in addresses(house, row.path)[:1]:
            for person, headers in (
                (None, headers_of(house, "a key's holder")),
                (house.me, {}),
            ):
                response = house.client(person).get(address, headers=headers)
                but = BELONGS.get(row.path, ())
                house.look_at_answer(f"{row.path} without {table}", response, but=but)
    house.look_at_log(log)
    assert house.leaks == []
    assert any(line["level"] == "error" for line in log.all), "something did fail"


def test_no_mail_shows_a_canary(house: House, log: KeptLines) -> None:
    client = house.client()
    body = {"email": UNCLAIMED, "inviter_id": house.inviter_id, "key_name": "goodhr"}
    registered = client.post("/api/auth/register", json=body)
    new_key = registered.get_json()["data"]["api_key"]["key"]
    house.look_at_answer("register", registered, but=("an unclaimed email",))
    house.canaries["the key that was just made"] = new_key  # shown once, to the partner alone
    house.call(sandbox={"behave": "another_model"})
    house.call(sandbox={"behave": "absurd_usage"})
    with Session(services(house.app).engine) as session:
        for kind in AlertKind:
            alerts.raise_alert(session, kind=kind, subject=kind.value, message="See the channel.")
        with house.app.app_context():
            mail.queue_alert_mails(session, recipient=MINE, language="en-US")
        session.commit()
        mails = session.scalars(select(OutboxMail)).all()
        for one in mails:
            shown = "\n".join((one.subject, one.text_body, one.html_body))
            house.look_at(f"a mail ({one.message}) to {one.recipient}", shown)
    assert len(mails) > len(AlertKind)
    house.look_at_log(log)
    assert house.leaks == []


def test_eyes_see_a_canary(house: House) -> None:
    response = Flask(__name__).response_class(f"x{PROMPT}x")
    house.look_at("here", response.get_data(as_text=True))
    assert house.leaks == ["here shows a prompt"]
