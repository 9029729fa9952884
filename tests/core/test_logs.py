"""A log line is one JSON object on one line, whatever happened."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.core import clock, logs
from app.core.logs import JsonLines, configure, request_id_in_log


def line(message: str = "hello", *arguments: Any, **more: Any) -> str:
    """What is written for one event of the logger ``shop``."""
    extra = more.pop("extra", None)
    logger = logging.Logger("shop")
    record = logger.makeRecord(
        "shop", logging.WARNING, __file__, 1, message, arguments, more.get("exc_info"), extra=extra
    )
    text = JsonLines().format(record)
    assert "\n" not in text
    return text


def fields(*arguments: Any, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line(*arguments, **more))
    return found


@pytest.fixture
def request_id() -> Iterator[str]:
    token = request_id_in_log.set("req_7")
    yield "req_7"
    request_id_in_log.reset(token)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The process's root logger, put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_says_when_how_bad_who_and_what():
    found = fields("%s of %d", "two", 3)
    moment = datetime.fromisoformat(found.pop("at"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert moment.utcoffset() == UTC.utcoffset(None)
    assert found == {"level": "warning", "logger": "shop", "message": "two of 3"}


def test_a_message_of_many_lines_stays_on_one():
    assert fields("one\ntwo\r\nthree\u2028four")["message"] == "one\ntwo\r\nthree\u2028four"


def test_the_request_id_is_carried(request_id: str):
    assert fields()["request_id"] == request_id


def test_outside_a_request_there_is_no_request_id():
    assert "request_id" not in fields()


def test_extra_members_become_fields():
    found = fields(extra={"channel": "main", "cost_nanos": 12, "names": ["a", "b"]})
    assert (found["channel"], found["cost_nanos"], found["names"]) == ("main", 12, ["a", "b"])


def test_an_extra_json_does_not_know_is_written_as_text():
    assert fields(extra={"where": ValueError("odd")})["where"] == "odd"


def test_an_exception_is_on_the_same_line():
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        found = fields("failed", exc_info=sys.exc_info())
    assert found["message"] == "failed"
    assert found["exception"].startswith("Traceback (most recent call last):\n")
    assert found["exception"].endswith("ValueError: broken\nin two")


def test_every_logger_writes_json_to_standard_error_once(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
):
    configure("info")
    configure("warning")
    logging.getLogger("deep.down").warning("seen", extra={"count": 1})
    logging.getLogger("deep.down").info("too quiet")
    written = capsys.readouterr()
    assert written.out == ""
    (only,) = written.err.splitlines()
    assert json.loads(only)["logger"] == "deep.down"
    assert json.loads(only)["count"] == 1
    assert root_logger.level == logging.WARNING


@pytest.mark.parametrize("value", ["half \ud800", 2**70, {1: "one"}])
def test_value_that_is_hard_to_write_still_makes_one_line(value):
    assert json.loads(line("odd", extra={"value": value}))["message"] == "odd"


def test_extra_field_does_not_replace_one_of_ours():
    assert json.loads(line("odd", extra={"level": "mine"}))["level"] == "warning"


def write_one(**changes: Any) -> None:
    request = {"request_id": "req_1", "method": "GET", "path": "/", "status": 200}
    logs.write_request(**{**request, "started_s": clock.monotonic(), "facts": {}, **changes})


def test_request_is_written_between_the_other_lines(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
):
    configure("info")
    logging.getLogger("deep.down").info("before")
    write_one(facts={"units": {"input": 3}, "channel": "main"})
    logging.getLogger("deep.down").info("after")
    before, own, after = (json.loads(row) for row in capsys.readouterr().err.splitlines())
    assert (before["message"], after["message"]) == ("before", "after")
    assert (own["level"], own["logger"], own["message"]) == ("info", "app.access", "request")
    assert (own["status"], own["units"], own["channel"]) == (200, {"input": 3}, "main")
    assert own["duration_ms"] >= 0


def test_request_obeys_the_level(root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]):
    configure("warning")
    write_one()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("path", ["/\ud800", "/one\ntwo", "/x" * 4000])
def test_request_is_one_short_line_whatever_its_path(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str], path: str
):
    configure("info")
    write_one(path=path, method="M" * 400)
    (only,) = capsys.readouterr().err.splitlines()
    assert len(only) < 1500
    assert json.loads(only)["path"] == path[:200]


def test_closed_output_does_not_fail_a_request(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
):
    configure("info")
    stream = io.StringIO()
    output = root_logger.handlers[0]
    assert isinstance(output, logs.Output)
    output.setStream(stream)
    stream.close()
    write_one()
    assert capsys.readouterr().err == ""
