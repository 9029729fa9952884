"""A channel behind a proxy, from a customer's call to our own requests: all go the same way."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.core.crypto import Sealer
from app.domain.catalog.kinds import ModelKind
from app.domain.channels.errors import NoModelList
from app.domain.channels.offers import Route
from app.domain.channels.presets import PLAIN
from app.domain.channels.proxies import OutgoingProxy
from app.gateway.model_lists import Provider, list_models
from app.gateway.probe import probe
from app.gateway.probing import probe_suspects
from app.gateway.provider_errors import Sort
from tests.gateway.connect_proxy import (
    CREDENTIALS,
    PASSWORD,
    USER,
    connect_proxy,
    through,
    url_of_proxy,
)
from tests.gateway.shop import PROVIDER_KEY, SEALING_KEY, Shop, wait_until
from tests.gateway.switched_provider import KEY_REFUSED, SwitchedProvider, is_enabled
from tests.gateway.wire_client import closed_port
from tests.gateway.wire_server import WireServer

# A name that only the proxy knows: who goes straight finds nobody.
BASE_URL = "http://models.behind.invalid/v1"
HOST = "models.behind.invalid:80"
SECRETS = (USER, PASSWORD, CREDENTIALS, PROVIDER_KEY)


@pytest.fixture
def proxy(shop: Shop) -> Iterator[WireServer]:
    with connect_proxy({HOST: shop.provider.port}) as server:
        lead_through(shop, url_of_proxy(server))
        yield server


def lead_through(shop: Shop, proxy_url: str) -> None:
    sealed = Sealer((SEALING_KEY,)).seal(proxy_url)
    shop.set_channel("main", base_url=BASE_URL, sealed_proxy=sealed)


def route_of(shop: Shop) -> Route:
    (route,) = shop.services.offers.offers()["talk"].routes
    return route


def test_calls_and_streams_are_answered_through_the_proxy(shop: Shop, proxy: WireServer) -> None:
    customer = shop.customer()
    assert shop.chat(customer).status_code == 200
    streamed = shop.chat(customer, stream=True)
    assert streamed.get_data().endswith(b"data: [DONE]\n\n")
    assert shop.post(customer, "/v1/embeddings", model="embed", input="ok").status_code == 200
    assert proxy.connections == 1
    for request in shop.provider.requests:
        assert request.headers["host"] == "models.behind.invalid"
        assert request.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert not any("proxy" in name for name in request.headers)
    shop.assert_at_rest()


def test_a_proxy_that_fails_is_a_channel_that_cannot_be_reached(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.add_channel("second", shop.provider.base_url, priority=-1)
    with connect_proxy({}) as refusing, caplog.at_level(logging.DEBUG):
        lead_through(shop, url_of_proxy(refusing))
        customer = shop.customer()
        assert shop.chat(customer).status_code == 200
        refused = shop.chat(customer, model="thinker")
    assert refused.status_code == 503
    outcomes = [json.loads(call.attempts)[0]["outcome"] for call in shop.calls()]
    assert outcomes == ["ProxyFailed", "ProxyFailed"]
    told = refused.get_data(as_text=True) + str(refused.headers) + caplog.text
    told += "".join(str(vars(record)) for record in caplog.records)
    assert not any(secret in told for secret in (*SECRETS, str(refusing.port), "behind.invalid"))
    shop.assert_at_rest()


def test_the_proxy_is_changed_for_the_next_call(shop: Shop, proxy: WireServer) -> None:
    customer = shop.customer()
    assert shop.chat(customer).status_code == 200
    with connect_proxy({HOST: shop.provider.port}) as other:
        lead_through(shop, url_of_proxy(other))
        assert wait_until(lambda: route_of(shop).proxy == through(other))
        assert shop.chat(customer).status_code == 200
        assert (proxy.connections, other.connections) == (1, 1)


def test_our_own_requests_go_through_the_proxy(shop: Shop, proxy: WireServer) -> None:
    gateway = shop.services.gateway
    assert probe(gateway, route_of(shop), kind=ModelKind.CHAT, model_name="talk").is_ok
    provider = Provider(
        preset=PLAIN,
        base_url=BASE_URL,
        api_key=PROVIDER_KEY,
        allow_private=True,
        proxy=through(proxy),
    )
    assert "sandbox-chat" in list_models(gateway.pool, provider)
    assert proxy.connections == 1


def test_a_proxy_that_fails_our_own_requests_is_named_as_the_cause(shop: Shop) -> None:
    gateway = shop.services.gateway
    lead_through(shop, f"http://{USER}:secret@127.0.0.1:{closed_port()}")
    result = probe(gateway, route_of(shop), kind=ModelKind.CHAT, model_name="talk")
    assert (result.is_ok, result.sort, result.word) == (False, Sort.ELSEWHERE, "ProxyFailed")
    assert result.sentence == "The channel's proxy cannot be reached."
    with connect_proxy({}) as refusing:
        provider = Provider(
            preset=PLAIN,
            base_url=BASE_URL,
            api_key=PROVIDER_KEY,
            allow_private=True,
            proxy=OutgoingProxy("127.0.0.1", refusing.port, "wrong:one"),
        )
        with pytest.raises(NoModelList) as refused:
            list_models(gateway.pool, provider)
    assert refused.value.message == "The channel's proxy refused the tunnel (407)."


def test_a_suspicion_from_before_the_proxy_was_changed_disables_nothing(
    pair: Shop, bad: SwitchedProvider
) -> None:
    bad.does = KEY_REFUSED
    gateway = pair.services.gateway
    with connect_proxy({f"127.0.0.1:{bad.server.port}": bad.server.port}) as server:
        sealed = Sealer((SEALING_KEY,)).seal(url_of_proxy(server))
        pair.set_channel("bad", sealed_proxy=sealed)
        offer = pair.services.offers.offers()["talk"]
        now = next(route for route in offer.routes if route.channel_name == "bad")
        before = replace(now, proxy=None)
        gateway.health.failed(before, offer.model_id, sort=Sort.DEAD, outcome="key_refused")
        probe_suspects(gateway)
        assert server.heads == []
    assert is_enabled(pair)
    assert bad.probes == []
