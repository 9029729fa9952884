"""One sandbox for these tests, and two ways to talk to it: the official SDK and the bare wire."""

import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from openai import OpenAI

from tests.sandbox.wire_client import (
    TIMEOUT_S,
    Answer,
    chat_request,
    read_to_end,
    request_bytes,
)
from tests.sandbox_server import RunningSandbox, running_sandbox

Post = Callable[..., Answer]


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    shared_sandbox.clear()
    return shared_sandbox


@pytest.fixture
def sdk(sandbox: RunningSandbox) -> Iterator[OpenAI]:
    with OpenAI(base_url=sandbox.base_url, api_key="sk-any", max_retries=0) as client:
        yield client


@pytest.fixture
def dial(sandbox: RunningSandbox) -> Callable[..., socket.socket]:
    """Open a socket and send one POST, the answer unread."""

    def open_and_send(
        path: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", sandbox.port), timeout=TIMEOUT_S)
        connection.sendall(request_bytes(path, body, headers or {"Connection": "close"}))
        return connection

    return open_and_send


@pytest.fixture
def post(dial: Callable[..., socket.socket]) -> Post:
    """Send one POST and read until the sandbox closes the connection."""

    def send_and_read(path: str, body: dict[str, Any]) -> Answer:
        with dial(path, body) as connection:
            received = read_to_end(connection)
        head, _, raw_body = received.partition(b"\r\n\r\n")
        return Answer(head=head, raw_body=raw_body)

    return send_and_read


@pytest.fixture
def chat(post: Post) -> Callable[..., Answer]:
    """A streamed chat call that misbehaves as the keywords say (`members` are the request's)."""

    def call(
        behave: str | list[str], *, members: Mapping[str, Any] | None = None, **wish: Any
    ) -> Answer:
        request = chat_request(stream=True, stream_options={"include_usage": True})
        request |= {**(members or {}), "sandbox": {"behave": behave, **wish}}
        return post("/v1/chat/completions", request)

    return call


@pytest.fixture
def whole_chat(post: Post) -> Callable[..., Answer]:
    """A chat call that is not streamed and misbehaves as the keywords say."""

    def call(behave: str | list[str], **wish: Any) -> Answer:
        return post("/v1/chat/completions", chat_request(sandbox={"behave": behave, **wish}))

    return call
