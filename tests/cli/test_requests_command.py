"""`flask requests …`: what an operator types and reads."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import ids
from app.domain.accounts.models import ApiKey, User
from app.domain.audit.models import AuditEntry
from app.domain.billing.values import Hold
from app.domain.catalog.models import Model
from app.services import services
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books, Key
from tests.domain.usage.a_call import add_channels, cost_version, post, void


@pytest.fixture
def books(app: Flask, frozen_time: FrozenTime) -> Books:
    return Books(services(app).engine)


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


@pytest.fixture
def key(books: Books) -> Key:
    return books.key(books.user(trial=30, paid=100))


@pytest.fixture
def hold(books: Books, key: Key) -> Hold:
    """A call of 50 that a second channel answered, at half the price."""
    channels = add_channels(books, "first", "second")
    hold = books.hold(key, 60, client_request_id="label-1")
    attempts = [
        {"channel_id": channels["first"], "outcome": "timeout", "status": None, "duration_ms": 9},
        {"channel_id": channels["second"], "outcome": "ok", "status": 200, "duration_ms": 70},
    ]
    post(
        books, hold, 50, channel_id=channels["second"], upstream_cost_nanos=25,
        cost_version_id=cost_version(books, channels["second"]), attempts=json.dumps(attempts),
        first_content_ms=40, duration_ms=80, reported=json.dumps({"usage": "\x9b31m"}),
    )  # fmt: skip
    return hold


def run(runner: FlaskCliRunner, *words: str):
    return runner.invoke(args=["requests", *words])


def test_show_tells_the_whole_story(runner, books: Books, hold: Hold):
    shown = run(runner, "show", ids.request_id(hold.call_id)).stdout
    with Session(books.engine) as session:
        user, key = session.scalars(select(User)).one(), session.scalars(select(ApiKey)).one()
        model = session.scalars(select(Model)).one()
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == f"{ids.request_id(hold.call_id)} posted 200"
    assert f"user {user.email} ({user.id})" in lines
    assert f"key {key.name} ({key.id}, {key.prefix}…), full" in lines
    assert f"model {model.name}, chat_completions, streamed" in lines
    assert "client's label label-1" in lines
    assert "attempt 1 first: timeout, no answer, 9 ms" in lines
    assert "attempt 2 second: ok, 200, 70 ms" in lines
    assert "held $0.00000006 (trial 0.00000003, paid 0.00000003)" in lines
    assert "input 50 x 0.001 / million = $0.00000005" in lines
    assert "charged $0.00000005 (trial 0.00000003, paid 0.00000002)" in lines
    assert "input 50 x 0.0005 / million = $0.000000025" in lines
    assert "margin $0.000000025" in lines
    assert any(line.startswith("began 2026-11-24T06:00:00") for line in lines)
    assert "\x9b" not in shown


def test_show_as_json_and_by_number(runner, hold: Hold):
    facts = json.loads(run(runner, "show", str(hold.call_id), "--json").stdout)
    assert facts["id"] == ids.request_id(hold.call_id)
    assert facts["channel"] == "second"
    assert facts["money"] == {
        "held": {"total": "0.00000006", "trial": "0.00000003", "paid": "0.00000003"},
        "cost": "0.00000005",
        "charged": {"total": "0.00000005", "trial": "0.00000003", "paid": "0.00000002"},
        "written_off": "0",
        "refunded": "0",
        "upstream_cost": "0.000000025",
        "margin": "0.000000025",
        "is_estimated": False,
    }
    assert facts["price"]["lines"] == [
        {"unit": "input", "quantity": 50, "usd_per_million": "0.001", "usd": "0.00000005"}
    ]
    assert facts["times"]["first_content_ms"] == 40


def test_line_is_exact_where_its_sum_is_rounded(runner, books: Books, key: Key):
    hold = books.hold(key, 60)
    channels = add_channels(books, "half")
    post(
        books, hold, 3, channel_id=channels["half"], upstream_cost_nanos=2,
        cost_version_id=cost_version(books, channels["half"]),
    )  # fmt: skip
    facts = json.loads(run(runner, "show", str(hold.call_id), "--json").stdout)
    assert facts["cost"]["lines"][0]["usd"] == "0.0000000015"
    assert facts["money"]["upstream_cost"] == "0.000000002"


def test_running_and_voided_requests_are_shown(runner, books: Books, key: Key):
    running, voided = books.hold(key, 10), books.hold(key, 10)
    void(books, voided)
    shown = run(runner, "show", ids.request_id(running.call_id)).stdout
    assert "running" in shown.splitlines()[0]
    assert "not yet; deadline 2026-11-24T06:15:00" in shown
    shown = run(runner, "show", ids.request_id(voided.call_id)).stdout
    assert shown.splitlines()[0].endswith("voided 502, upstream_failed")
    assert "charged         $0 " in shown


@pytest.mark.parametrize("command", ["show", "refund"])
@pytest.mark.parametrize("text", ["req_aaaaaaaaaaaaa", "nonsense", "1", "9" * 30, "-1", "²"])
def test_unknown_request_is_told(runner, books: Books, command: str, text: str):
    words = () if command == "show" else ("--reason", "x")
    result = run(runner, command, *words, "--", text)
    assert (result.exit_code, result.stderr) == (1, "Error: There is no request of this id.\n")


def test_refund_gives_back_and_leaves_a_trace(runner, books: Books, key: Key, hold: Hold):
    public_id = ids.request_id(hold.call_id)
    result = run(runner, "refund", public_id, "--amount", "0.00000003", "--reason", "bad answer")
    assert result.stdout == (
        f"Refunded {public_id}: $0.00000002 paid, $0.00000001 trial. "
        "$0.00000002 of its charge may still be refunded.\n"
    )
    assert books.wallet(key.user_id) == (10, 0, 100, 0)
    with Session(books.engine) as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.action, entry.user_id) == ("request_refunded", key.user_id)
    assert entry.details == {"call_id": hold.call_id, "amount_nanos": 30}
    shown = run(runner, "show", public_id).stdout
    assert "operator: bad answer" in shown
    assert books.drifts() == []


def test_refund_above_the_charge_is_refused(runner, books: Books, key: Key, hold: Hold):
    result = run(runner, "refund", str(hold.call_id), "--amount", "0.00000006", "--reason", "x")
    assert (result.exit_code, result.stderr) == (
        1, "Error: Of this request 0.00000005 USD are left.\n",
    )  # fmt: skip
    assert run(runner, "refund", str(hold.call_id), "--reason", "x").exit_code == 0
    again = run(runner, "refund", str(hold.call_id), "--reason", "x")
    assert (again.exit_code, "Nothing is left" in again.stderr) == (1, True)
    assert books.wallet(key.user_id) == (30, 0, 100, 0)


def test_refund_with_reference_is_entered_once(runner, books: Books, key: Key, hold: Hold):
    words = ("refund", str(hold.call_id), "--amount", "0.00000001", "--reason", "x")
    for _ in range(2):
        result = run(runner, *words, "--reference", "case 7")
        assert result.exit_code == 0
    assert result.stdout == "Refunded before: $0.00000001 paid, $0 trial. Nothing changed.\n"
    assert books.wallet(key.user_id) == (0, 0, 90, 0)
    assert len(books.rows("SELECT id FROM audit_entries")) == 1


@pytest.mark.parametrize("amount", ["0", "-1", "1e-9", "all"])
def test_amount_that_is_none_is_refused(runner, books: Books, key: Key, hold: Hold, amount: str):
    words = ("refund", str(hold.call_id), f"--amount={amount}", "--reason", "x")
    assert run(runner, *words).exit_code in (1, 2)
    assert books.wallet(key.user_id) == (0, 0, 80, 0)


def test_list_is_newest_first_and_narrowed(runner, books: Books, key: Key, hold: Hold):
    failed = books.hold(key, 10)
    void(books, failed)
    listed = run(runner, "list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [
        ids.request_id(failed.call_id), ids.request_id(hold.call_id),
    ]  # fmt: skip
    assert "502 upstream_failed" in listed[0]
    assert "200 posted" in listed[1]
    with Session(books.engine) as session:
        email, model = (
            session.scalars(select(User.email)).one(),
            session.scalars(select(Model.name)).one(),
        )
    narrowed = ("--user", email.upper(), "--model", model, "--channel", "second", "--since", "1h")
    (row,) = json.loads(run(runner, "list", "--json", *narrowed).stdout)
    assert (row["id"], row["charged_usd"]) == (ids.request_id(hold.call_id), "0.00000005")
    assert (row["user"], row["channel"], row["upstream_cost_usd"]) == (
        email, "second", "0.000000025",
    )  # fmt: skip
    assert len(json.loads(run(runner, "list", "--failed", "--json").stdout)) == 1


def test_old_requests_are_listed_where_the_span_reaches_them(
    runner, books: Books, hold: Hold, frozen_time: FrozenTime
):
    frozen_time.advance(25 * 3600)
    assert run(runner, "list").stdout == ""
    assert len(run(runner, "list", "--since", "2d").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--user", "bob@example.com"), "no user bob"), (("--model", "none"), "no model"),
     (("--channel", "none"), "no such channel")],
)  # fmt: skip
def test_unknown_names_are_told(runner, books: Books, words: tuple[str, ...], said: str):
    result = run(runner, "list", *words)
    assert (result.exit_code, said in result.stderr) == (1, True)


@pytest.mark.parametrize("since", ["", "1", "0h", "-1h", "1w", "9999999d", "999999d"])
def test_span_that_is_none_is_refused(runner, books: Books, since: str):
    assert run(runner, "list", f"--since={since}").exit_code == 2
