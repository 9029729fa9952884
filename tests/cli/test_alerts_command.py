"""`flask alerts …`: what an operator types and reads."""

import json

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from app.domain.alerts import AlertKind, raise_alert
from app.domain.alerts.models import Alert
from app.domain.audit.models import AuditEntry


@pytest.fixture
def runner(app, session, frozen_time) -> FlaskCliRunner:
    for kind, subject in ((AlertKind.CHANNEL_DEAD, "openai"), (AlertKind.WRITE_OFF, "gpt-4o")):
        raise_alert(session, kind=kind, subject=subject, message=f"about {subject}")
    raise_alert(session, kind=AlertKind.WRITE_OFF, subject="gpt-4o", message="once more")
    session.commit()
    return app.test_cli_runner()


def run(runner: FlaskCliRunner, *words: str):
    return runner.invoke(args=["alerts", *words])


def rows(runner: FlaskCliRunner, *words: str):
    return json.loads(run(runner, "list", "--json", *words).stdout)


def test_list_says_what_happened_how_often_and_what_to_do(runner):
    shown = run(runner, "list").stdout
    assert "A call cost more than was held for it: gpt-4o  (2 times, last 2026-11-24" in shown
    assert "once more" in shown
    assert "Check the provider account, then enable the channel again." in shown
    assert [row["subject"] for row in rows(runner)] == ["gpt-4o", "openai"]


def test_resolved_alert_is_out_of_sight_but_kept(runner, session):
    result = run(runner, "resolve", "1", "--reason", "new key")
    assert result.stdout == "1 resolved, 0 were so before.\n"
    assert [row["id"] for row in rows(runner)] == [2]
    assert [row["id"] for row in rows(runner, "--all")] == [2, 1]
    assert "resolved 2026-11-24" in run(runner, "list", "--all").stdout
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor) == ("alert_resolved", "operator")
    assert entry.details == {
        "alert_id": 1, "kind": "channel_dead", "subject": "openai", "reason": "new key",
    }  # fmt: skip


def test_several_are_resolved_at_once_and_none_twice(runner, session):
    run(runner, "resolve", "2")
    assert run(runner, "resolve", "2", "1", "1").stdout == "1 resolved, 1 were so before.\n"
    assert run(runner, "list").stdout == "No alert is open.\n"
    assert len(session.scalars(select(AuditEntry)).all()) == 2


def test_cause_that_comes_back_is_a_new_alert(runner, session):
    run(runner, "resolve", "1")
    raise_alert(session, kind=AlertKind.CHANNEL_DEAD, subject="openai", message="again")
    session.commit()
    assert [row["message"] for row in rows(runner)] == ["again", "once more"]


def test_unknown_number_changes_nothing(runner, session):
    result = run(runner, "resolve", "1", "99")
    assert (result.exit_code, "no alert 99" in result.stderr) == (1, True)
    assert session.scalars(select(Alert.resolved_at)).all() == [None, None]


@pytest.mark.parametrize("words", [(), ("x",), ("1", "--reason", " ")])
def test_nothing_to_resolve_is_a_mistake(runner, words):
    assert run(runner, "resolve", *words).exit_code == 2
