"""Listed networks: kept in one form, of bounded width."""

import ipaddress

import pytest

from app.domain.partners import networks
from app.domain.partners.errors import InvalidNetwork, NetworkNotFound
from tests.factories import make_partner


def add(session, partner, network):
    return networks.add(session, partner_id=partner.user_id, network=network, actor="operator")


def vouches(session, partner, ip):
    return networks.vouches(session, partner_id=partner.user_id, ip=ipaddress.ip_address(ip))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        (" 203.0.113.7/24 ", "203.0.113.0/24"),
        ("2001:db8::1/48", "2001:db8::/48"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        *((network, network) for network in networks.LOOPBACK),
    ],
)
def test_network_is_kept_normalised_and_once(session, typed, kept):
    partner = make_partner(session)
    assert [add(session, partner, typed) for _ in range(2)] == [kept, kept]
    assert networks.listed(session, partner.user_id) == [kept]


@pytest.mark.parametrize("typed", ["", "x", "203.0.113.0/33", "0.0.0.0/0", "10.0.0.0/7", "::/0"])
def test_what_is_no_network_or_too_wide_is_refused(session, typed):
    with pytest.raises(InvalidNetwork):
        add(session, make_partner(session), typed)


def test_only_the_listing_partner_is_vouched_for(session):
    partner, other = make_partner(session), make_partner(session)
    add(session, partner, "203.0.113.0/24")
    add(session, partner, "2001:db8::/48")
    assert vouches(session, partner, "203.0.113.9")
    assert vouches(session, partner, "2001:db8:0:1::1")
    assert not vouches(session, partner, "203.0.114.9")
    assert not vouches(session, other, "203.0.113.9")


def test_removed_network_vouches_no_more(session):
    partner = make_partner(session, networks=["203.0.113.0/24"])
    remove = {"partner_id": partner.user_id, "network": "203.0.113.0/24", "actor": "operator"}
    networks.remove(session, **remove)
    assert not vouches(session, partner, "203.0.113.9")
    with pytest.raises(NetworkNotFound):
        networks.remove(session, **remove)
