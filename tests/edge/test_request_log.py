"""Request ids and the access log."""

import logging
from collections.abc import Iterator

import orjson
import pytest
from flask import Flask

from app.core import logs
from app.core.ids import parse_request_id

PATHS = ("/healthz", "/login", "/nothing", "/v1/models", "/v1/nothing", "/api/nothing", "/account")


class Lines(logging.Handler):
    """Keeps access lines as they would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, object]] = []
        self.setFormatter(logs.JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(orjson.loads(self.format(record)))


@pytest.fixture
def access_log() -> Iterator[Lines]:
    kept, logger = Lines(), logging.getLogger("app.access")
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    yield kept
    logger.removeHandler(kept)
    logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_one_id_of_ours(app: Flask, path: str) -> None:
    claimed = {"X-Request-Id": "req_theirs", "X-Client-Request-Id": "theirs"}
    response = app.test_client().get(path, headers=claimed)
    (request_id,) = response.headers.getlist("X-Request-Id")
    assert parse_request_id(request_id) is not None


@pytest.mark.parametrize("path", PATHS)
def test_each_request_is_one_line_under_the_id_it_was_answered_with(
    app: Flask, access_log: Lines, path: str
) -> None:
    response = app.test_client().get(f"{path}?token=secret")
    (line,) = access_log.lines
    duration_ms = line["duration_ms"]
    assert isinstance(duration_ms, float)
    assert duration_ms >= 0
    shown = (line["method"], line["path"], line["status"], line["request_id"])
    assert shown == ("GET", path, response.status_code, response.headers["X-Request-Id"])
    assert "secret" not in str(line)


@pytest.mark.parametrize("path", ["/claim/s3cret", "/claim/s3cret/refuse", "/claim/s3cret/x/y"])
def test_link_of_a_mail_is_not_logged(app: Flask, access_log: Lines, path: str) -> None:
    app.test_client().get(path)
    (line,) = access_log.lines
    assert line["path"] == "/claim/…"


def test_id_is_forgotten_after_the_request(app: Flask) -> None:
    app.test_client().get("/healthz")
    assert logs.request_id_in_log.get() is None
