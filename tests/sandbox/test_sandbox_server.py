"""The server around the answers: keys, errors, connections, the process and the test helper."""

import http.client
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from openai import AuthenticationError, OpenAI

from tests.sandbox.wire_client import chat_request, read_to_end, wait_until
from tests.sandbox_server import running_sandbox


def call(sandbox, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    try:
        connection.request(method, path, body, headers or {"Authorization": "Bearer k"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_models_are_listed(sdk):
    assert "sandbox-chat" in [model.id for model in sdk.models.list()]


@pytest.mark.parametrize("value", ["", "Bearer ", "Basic abc"])
def test_request_without_key_is_401(sandbox, value):
    status, answer = call(sandbox, "GET", "/v1/models", headers={"Authorization": value})
    assert status == 401
    assert answer["error"]["code"] == "invalid_api_key"


def test_sdk_reads_the_error(sandbox):
    with (
        OpenAI(base_url=sandbox.base_url, api_key=" ", max_retries=0) as client,
        pytest.raises(AuthenticationError),
    ):
        client.models.list(extra_headers={"Authorization": "None"})


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/nowhere", b"", 404),
        ("GET", "/v1/chat/completions", b"", 405),
        ("POST", "/v1/embeddings", b"{not json", 400),
        ("POST", "/v1/embeddings", b"[]", 400),
        ("POST", "/v1/embeddings", b"[" * 100_000, 400),
        ("POST", "/v1/embeddings", b"\xff", 400),
    ],
)
def test_errors_have_the_shape_of_openai(sandbox, method, path, body, status):
    got, answer = call(sandbox, method, path, body)
    assert got == status
    assert set(answer["error"]) == {"message", "type", "param", "code"}


def test_header_asks_like_the_body_and_the_body_wins(sandbox):
    headers = {
        "Authorization": "Bearer k",
        "X-Sandbox": '{"behave": "status", "status": 418, "message": "tea"}',
    }
    status, answer = call(sandbox, "GET", "/v1/models", headers=headers)
    assert (status, answer["error"]["message"]) == (418, "tea")
    body = json.dumps(chat_request(sandbox={"status": 503})).encode()
    assert call(sandbox, "POST", "/v1/chat/completions", body, headers)[0] == 503


def test_connection_is_reused_after_a_stream(sandbox):
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    body = json.dumps(chat_request(stream=True))
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": "Bearer k"})
        assert connection.getresponse().read().endswith(b"data: [DONE]\n\n")
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1
    assert None not in sockets


def test_requests_are_recorded_and_cleared(sandbox, sdk):
    sdk.embeddings.create(model="m", input="cat", extra_headers={"X-Canary": "1"})
    request = sandbox.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/embeddings")
    assert request.headers["authorization"] == "Bearer sk-any"
    assert request.headers["x-canary"] == "1"
    assert json.loads(request.body)["input"] == "cat"
    sandbox.clear()
    assert not sandbox.requests


def test_hang_up_in_a_stream_is_noticed_and_recorded(sandbox, dial):
    request = chat_request(stream=True, sandbox={"behave": "stall", "after": 1, "seconds": 60})
    with dial("/v1/chat/completions", request) as connection:
        assert connection.recv(64).startswith(b"HTTP/1.1 200")
    assert wait_until(lambda: len(sandbox.hangups) == 1)


def test_seventy_slow_streams_run_at_once(dial):
    request = chat_request(stream=True, sandbox={"behave": "stall", "after": 1, "seconds": 0.5})
    with ThreadPoolExecutor(1) as pool:
        connections = [dial("/v1/chat/completions", request) for _ in range(70)]
        ends = pool.submit(lambda: [read_to_end(each) for each in connections]).result(timeout=4)
    for connection in connections:
        connection.close()
    assert all(end.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") for end in ends)


def test_running_sandbox_ends_with_its_block_even_while_answering():
    with running_sandbox(threads=2) as sandbox:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
        body = json.dumps(chat_request(sandbox={"behave": "never_answer", "seconds": 60}))
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": "Bearer k"})
        assert wait_until(lambda: len(sandbox.requests) == 1)
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        connection.getresponse()
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        call(sandbox, "GET", "/v1/models")


def test_process_prints_its_port_outlives_ctrl_c_and_ends_with_its_input():
    process = subprocess.Popen(
        [sys.executable, "-m", "app.sandbox", "--port", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        port = json.loads(process.stdout.readline())["port"]
        for _ in range(3):
            process.send_signal(signal.SIGINT)
        with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="k", max_retries=0) as client:
            assert client.models.list().data
        _, complaints = process.communicate(timeout=5)  # closes its input
        assert (process.returncode, complaints) == (0, b"")
    finally:
        process.kill()
        process.wait()
