"""Asking a provider for its models: by its own ways, within bounds, and without repeating it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.domain.channels.errors import NoModelList
from app.domain.channels.presets import PLAIN, PRESETS, Preset
from app.gateway.model_lists import LIST_MAX_BYTES, MODELS_MAX, Provider, list_models
from app.gateway.upstream import UpstreamPool
from tests.gateway.wire_client import closed_port
from tests.gateway.wire_server import Wire, WireServer, answering

KEY = "sk-provider-canary-7f3a"


@pytest.fixture
def pool() -> Iterator[UpstreamPool]:
    made = UpstreamPool()
    yield made
    made.close()


def provider(port: int, preset: Preset = PLAIN, *, api_key: str = KEY) -> Provider:
    base_url = f"http://127.0.0.1:{port}/v1"
    return Provider(preset=preset, base_url=base_url, api_key=api_key, allow_private=True)


def answer(body: bytes, *, status: bytes = b"200 OK", head: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + length + head + b"\r\n" + body


def listing(*names: object) -> bytes:
    return answer(json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode())


@contextmanager
def serving(response: bytes) -> Iterator[WireServer]:
    with WireServer(answering(response)) as server:
        yield server


def refusal(pool: UpstreamPool, asked: Provider) -> str:
    with pytest.raises(NoModelList) as refused:
        list_models(pool, asked)
    assert KEY not in refused.value.message
    return refused.value.message


def test_names_come_sorted_and_once(pool):
    with serving(listing("b", "a", "b")) as server:
        assert list_models(pool, provider(server.port)) == ("a", "b")
        head = server.heads[0]
    assert head.startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert b"Authorization: Bearer " + KEY.encode() in head
    assert b"Content-Length" not in head


@pytest.mark.parametrize(
    "body",
    [
        b'[{"id":"a"},{"id":"b"}]',  # Together sends the list bare
        b'{"models":[{"name":"a"},{"name":"b"}]}',  # Ollama's and llama.cpp's own list
        b'{"models":["a","b"]}',
        b'{"data":[{"id":"a","name":"A"},{"id":"b"}],"models":[{"name":"c"}]}',
    ],
)
def test_a_list_is_read_in_every_form(pool, body: bytes):
    with serving(answer(body)) as server:
        assert list_models(pool, provider(server.port)) == ("a", "b")


def test_an_empty_list_is_a_list(pool):
    with serving(listing()) as server:
        assert list_models(pool, provider(server.port)) == ()


def test_anthropic_is_asked_in_its_own_way(pool):
    with serving(listing("claude")) as server:
        list_models(pool, provider(server.port, PRESETS["anthropic"]))
        head = server.heads[0]
    assert head.startswith(b"GET /v1/models?limit=1000 HTTP/1.1\r\n")
    assert b"x-api-key: " + KEY.encode() in head
    assert b"anthropic-version: " in head
    assert b"Authorization" not in head


def test_geminis_names_lose_their_prefix(pool):
    with serving(listing("models/gemini-2.5-flash", "tuned")) as server:
        names = list_models(pool, provider(server.port, PRESETS["gemini"]))
    assert names == ("gemini-2.5-flash", "tuned")


def test_no_key_is_sent_where_there_is_none(pool):
    with serving(listing("a")) as server:
        list_models(pool, provider(server.port, PRESETS["ollama"], api_key=""))
        assert b"authorization" not in server.heads[0].lower()


def test_what_could_move_a_terminals_cursor_is_no_name(pool):
    odd = ("a\x1b[2J", "two words", "mô-hình", "", "x" * 257, 5, None, ["a"], "fine")
    with serving(listing(*odd)) as server:
        assert list_models(pool, provider(server.port)) == ("fine",)


def test_no_more_names_are_read_than_a_provider_can_have(pool):
    with serving(listing(*(f"m{n}" for n in range(MODELS_MAX + 5)))) as server:
        assert len(list_models(pool, provider(server.port))) == MODELS_MAX


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (b"401 Unauthorized", "does not accept the key (401)"),
        (b"403 Forbidden", "(403)"),
        (b"404 Not Found", "no list of models at this base URL (404)"),
        (b"429 Too Many Requests", "(429)"),
        (b"500 Oh", "(500)"),
        (b"302 Found", "(302)"),
    ],
)
def test_a_refusal_is_told_without_the_providers_words(pool, status: bytes, said: str):
    body = f"Incorrect API key provided: {KEY}".encode()
    elsewhere = b"Location: http://127.0.0.1:9/v1/models\r\n"
    with serving(answer(body, status=status, head=elsewhere)) as server:
        assert said in refusal(pool, provider(server.port))
        assert server.connections == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"data":5}', b'"a"', b"5", b"null", b'{"data":{"id":"a"}}']
)
def test_what_is_no_list_is_told(pool, body: bytes):
    with serving(answer(body)) as server:
        assert "something else than a list" in refusal(pool, provider(server.port))


def test_an_endless_list_ends(pool):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LIST_MAX_BYTES + 1)
    with serving(head + b"[") as server:
        assert "too long" in refusal(pool, provider(server.port))


def test_a_provider_that_breaks_off_is_told(pool):
    def break_off(wire: Wire) -> None:
        wire.read_head()  # reset any earlier, it may be seen as a failure to connect
        wire.reset()

    with WireServer(break_off) as server:
        assert "broke off" in refusal(pool, provider(server.port))


def test_a_provider_that_is_not_there_is_told(pool):
    assert "cannot be reached" in refusal(pool, provider(closed_port()))


def test_a_private_host_is_asked_only_where_it_may_be(pool):
    asked = Provider(
        preset=PLAIN, base_url="https://127.0.0.1/v1", api_key=KEY, allow_private=False
    )
    assert "private network" in refusal(pool, asked)


@pytest.mark.parametrize(
    ("base_url", "api_key"),
    [
        ("http://provider.example/v1", KEY),
        ("ftp://provider.example", KEY),
        ("https://provider.example/v1", KEY + "\r\nX-Evil: 1"),
    ],
)
def test_a_place_or_key_that_cannot_be_used_is_told(pool, base_url: str, api_key: str):
    asked = Provider(preset=PLAIN, base_url=base_url, api_key=api_key, allow_private=False)
    assert refusal(pool, asked)
