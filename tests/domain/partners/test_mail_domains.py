"""Domains that share an owner count together."""

import socket

import pytest

from app.domain.partners import mail_domains
from app.domain.partners.mail_domains import registrable_domain


@pytest.mark.parametrize(
    ("domain", "registrable"),
    [
        ("example.com", "example.com"),
        ("mail.example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("shop.example.com.vn", "example.com.vn"),
        ("one.github.io", "github.io"),
        ("xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("mail.xn--80ak6aa92e.xn--p1ai", "xn--80ak6aa92e.xn--p1ai"),
        ("a.b.unknownsuffix", "b.unknownsuffix"),
        ("co.uk", "co.uk"),
    ],
)
def test_subdomains_count_with_their_registrable_domain(domain, registrable):
    assert registrable_domain(domain) == registrable


def test_list_comes_from_the_package_and_not_from_the_network(monkeypatch):
    def refuse(*args: object, **named: object):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    mail_domains._extractor.cache_clear()
    assert registrable_domain("a.example.co.uk") == "example.co.uk"
