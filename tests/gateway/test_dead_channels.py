"""A channel that seems dead: our own probe decides, and one customer's doing kills nothing."""

import time

import pytest
from sqlalchemy import select

from app.domain.alerts.models import Alert
from app.domain.audit.models import AuditEntry
from app.gateway.probing import probe_channels
from app.gateway.provider_errors import Sort
from tests.gateway.shop import PROVIDER_KEY, Customer, Shop, new_channel
from tests.gateway.switched_provider import (
    KEY_REFUSED,
    QUICK_RULES,
    SwitchedProvider,
    answers,
    fail_until_open,
    hangs_up,
    is_enabled,
    refuses,
)


@pytest.fixture
def customer(shop: Shop) -> Customer:
    return shop.customer()


def test_dead_channel_is_disabled_only_after_our_own_probe(
    pair: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    bad.does = KEY_REFUSED
    assert pair.chat(customer).status_code == 200
    assert is_enabled(pair)
    assert bad.probes == []
    probe_channels(pair.services.gateway)
    assert not is_enabled(pair)
    (probe,) = bad.probes
    assert probe == {
        "model": "talk",
        "messages": [{"role": "user", "content": "Say ok."}],
        "max_tokens": 16,
    }
    asked = len(bad.bodies)
    time.sleep(1.0)
    assert pair.chat(customer).status_code == 200
    assert len(bad.bodies) == asked


def test_death_is_on_record_without_the_key(
    pair: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    bad.does = refuses(
        401, message=f"Incorrect API key provided: {PROVIDER_KEY}.", code="invalid_api_key"
    )
    pair.chat(customer)
    probe_channels(pair.services.gateway)
    with pair.session() as session:
        entry = session.scalars(select(AuditEntry)).one()
        alert = session.scalars(select(Alert)).one()
        assert (entry.actor, entry.action) == ("system", "channel_disabled")
        assert entry.details["channel"] == "bad"
        assert (alert.kind, alert.subject) == ("channel_dead", "bad")
        assert PROVIDER_KEY not in alert.message + str(entry.details)


def test_what_fails_for_one_customer_alone_kills_nothing(
    alone: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    bad.does, bad.to_probe = KEY_REFUSED, answers
    fail_until_open(alone, customer)
    probe_channels(alone.services.gateway)
    assert is_enabled(alone)
    assert alone.alerts() == []
    assert len(bad.probes) == 1
    # The channel is no longer left alone, and this customer can neither open it nor probe again.
    for _ in range(QUICK_RULES.calls_min * 2):
        alone.chat(customer)
        probe_channels(alone.services.gateway)
    assert len(bad.probes) == 1
    bad.does = answers
    assert alone.chat(customer).status_code == 200


def test_probe_that_fails_otherwise_disables_nothing(
    pair: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    bad.does, bad.to_probe = KEY_REFUSED, hangs_up
    pair.chat(customer)
    probe_channels(pair.services.gateway)
    assert len(bad.probes) == 1
    assert is_enabled(pair)
    assert pair.alerts() == []


def test_channel_mended_meanwhile_is_not_disabled(
    pair: Shop, bad: SwitchedProvider, customer: Customer
) -> None:
    bad.does = KEY_REFUSED
    pair.chat(customer)
    pair.set_channel("bad", base_url=f"{bad.base_url}/new")
    time.sleep(1.0)
    probe_channels(pair.services.gateway)
    assert bad.probes == []
    assert is_enabled(pair)


def test_picture_model_is_judged_by_a_cheaper_one(shop: Shop) -> None:
    """The same account pays for both; a picture would cost too much."""
    gateway = shop.services.gateway
    offer = shop.services.offers.offers()["draw"]
    gateway.health.failed(offer.routes[0], offer.model_id, sort=Sort.DEAD, outcome="key_refused")
    probe_channels(gateway)
    (request,) = shop.provider.requests
    assert request.path.endswith("/chat/completions")
    assert is_enabled(shop, "main")


def test_channel_that_sells_pictures_alone_is_left_to_its_breaker(
    shop: Shop, bad: SwitchedProvider
) -> None:
    with shop.session() as session:
        new_channel(session, "pictures", bad.base_url, models={"draw": "draw"})
    gateway = shop.services.gateway
    offer = shop.services.offers.offers()["draw"]
    for _ in range(QUICK_RULES.calls_min):
        gateway.health.failed(
            offer.routes[1], offer.model_id, sort=Sort.DEAD, outcome="key_refused"
        )
    probe_channels(gateway)
    assert bad.bodies == []
    assert is_enabled(shop, "pictures")
    assert not gateway.health.is_healthy(offer.routes[1], offer.model_id)
