"""Floods end in 429 with the time to wait; a hundred calls at once still pass."""

import pytest

from app.domain.accounts.models import User
from tests.api.registering import LISTED, change_setting, count, refused

# A minute that turns between two calls would let one more pass.
pytestmark = pytest.mark.usefixtures("frozen_time")

FLOOD = (429, "rate_limit_exceeded")


def small(app, **amounts: int):
    for name, amount in amounts.items():
        change_setting(app, f"register_per_minute_{name}", str(amount))


def test_calls_for_one_email_are_counted_across_ips(app, partner):
    small(app, email=2)
    statuses = [partner.call(ip=f"203.0.{n}.1").status_code for n in range(3)]
    assert statuses == [200, 200, 429]


def test_calls_of_one_ip_are_counted_across_emails(app, partner):
    small(app, ip=2)
    responses = [partner.call(f"user{n}@example.com") for n in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 429]
    assert refused(responses[-1]) == FLOOD
    assert 1 <= int(responses[-1].headers["Retry-After"]) <= 120


@pytest.mark.parametrize(
    ("ips", "status"),
    [
        (("203.0.113.1", "203.0.113.2", "203.0.113.3"), 429),
        (("203.0.113.1", "203.0.113.2", "203.0.114.3"), 200),
        (("2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1"), 429),
    ],
)
def test_calls_of_one_network_are_counted_across_ips(app, partner, ips, status):
    small(app, network=2)
    last = [partner.call(f"user{n}@example.com", ip=ip) for n, ip in enumerate(ips)][-1]
    assert last.status_code == status


def test_an_ipv6_64_is_one_ip(app, partner):
    small(app, ip=1)
    assert partner.call("a@example.com", ip="2001:db8::1").status_code == 200
    assert partner.call("b@example.com", ip="2001:db8::ffff:2").status_code == 429
    assert partner.call("c@example.com", ip="2001:db8:0:1::1").status_code == 200


@pytest.mark.parametrize("method", ["signed", "listed"])
def test_vouched_calls_count_by_inviter_only(app, partner, other_partner, method):
    small(app, email=0, ip=0, network=0, vouched_inviter=2)

    def call(registrar):
        if method == "signed":
            return registrar.call_signed()
        return registrar.call(ip=LISTED)

    assert [call(partner).status_code for _ in range(3)] == [200, 200, 429]
    assert call(other_partner).status_code == 200


def test_refused_calls_count_too(app, session, partner):
    small(app, ip=3)
    assert partner.call(inviter_id=1).status_code == 403
    assert partner.call(headers={"Authorization": "Bearer sk-guess"}).status_code == 401
    assert partner.call_signed(headers={"X-Signature": "v1=" + "0" * 64}).status_code == 401
    assert refused(partner.call_signed(headers={"X-Signature": "v1=" + "0" * 64})) == FLOOD
    assert refused(partner.call()) == FLOOD
    assert partner.call_signed().status_code == 200


def test_flood_makes_nothing(app, session, partner):
    small(app, ip=0)
    before = count(session, User)
    assert refused(partner.call()) == FLOOD
    assert count(session, User) == before
