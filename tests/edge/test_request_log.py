"""Request ids and the access log."""

import logging
from collections.abc import Iterator

import pytest
from flask import Flask

from app.core import logs
from app.core.ids import parse_request_id
from tests.log_lines import KeptLines, kept_lines

PATHS = ("/healthz", "/login", "/nothing", "/v1/models", "/v1/nothing", "/api/nothing", "/account")


@pytest.fixture
def access_log(app: Flask) -> Iterator[KeptLines]:
    with kept_lines() as lines:
        yield lines


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_one_id_of_ours(app: Flask, path: str) -> None:
    claimed = {"X-Request-Id": "req_theirs", "X-Client-Request-Id": "theirs"}
    response = app.test_client().get(path, headers=claimed)
    (request_id,) = response.headers.getlist("X-Request-Id")
    assert parse_request_id(request_id) is not None


@pytest.mark.parametrize("path", PATHS)
def test_each_request_is_one_line_under_the_id_it_was_answered_with(
    app: Flask, access_log: KeptLines, path: str
) -> None:
    response = app.test_client().get(f"{path}?token=secret")
    line = access_log.only_request
    duration_ms = line["duration_ms"]
    assert isinstance(duration_ms, float)
    assert duration_ms >= 0
    shown = (line["method"], line["path"], line["status"], line["request_id"])
    assert shown == ("GET", path, response.status_code, response.headers["X-Request-Id"])
    assert "secret" not in str(line)


@pytest.mark.parametrize("path", ["/claim/s3cret", "/claim/s3cret/refuse", "/claim/s3cret/x/y"])
def test_link_of_a_mail_is_not_logged(app: Flask, access_log: KeptLines, path: str) -> None:
    app.test_client().get(path)
    line = access_log.only_request
    assert line["path"] == "/claim/…"


@pytest.mark.parametrize("path", ["/sk-s3cret", "/api/user/sk-s3cret", "/v1/models/sk-s3cret"])
def test_key_that_went_astray_is_not_logged(app: Flask, access_log: KeptLines, path: str) -> None:
    app.test_client().get(path)
    assert access_log.only_request["path"] == path.replace("s3cret", "…")


def test_endless_path_is_cut(app: Flask, access_log: KeptLines) -> None:
    app.test_client().get("/" + "x" * 5000)
    assert len(str(access_log.only_request["path"])) == 200


def test_quiet_level_writes_no_line(app: Flask, access_log: KeptLines) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    app.test_client().get("/healthz")
    assert access_log.text == ""


def test_id_is_forgotten_after_the_request(app: Flask) -> None:
    app.test_client().get("/healthz")
    assert logs.request_id_in_log.get() is None
