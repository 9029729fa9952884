"""Secrets of keys: random, shown in part, kept as digests."""

import re

from app.core.crypto import Digester
from app.domain.accounts.key_secrets import make_secret, secret_digest, tail_digest

DIGESTER = Digester(b"d" * 40)


def test_secret_holds_at_least_128_random_bits():
    secret = make_secret(DIGESTER)
    assert re.fullmatch(r"sk-[A-Za-z0-9]{40}", secret.text)  # 238 bits
    assert len({make_secret(DIGESTER).text for _ in range(100)}) == 100


def test_prefix_shows_four_random_characters():
    secret = make_secret(DIGESTER)
    assert secret.prefix == secret.text[:7]


def test_digests_find_the_secret_and_check_its_tail():
    secret = make_secret(DIGESTER)
    assert secret.digest == secret_digest(DIGESTER, secret.text)
    tail = tail_digest(DIGESTER, key_digest=secret.digest, tail=secret.text[-6:])
    assert secret.tail_digest == tail


def test_equal_tails_of_two_keys_have_different_digests():
    one, other = make_secret(DIGESTER), make_secret(DIGESTER)
    digests = {
        tail_digest(DIGESTER, key_digest=each.digest, tail="abcdef") for each in (one, other)
    }
    assert len(digests) == 2


def test_secret_is_not_in_its_repr():
    secret = make_secret(DIGESTER)
    assert secret.text not in repr(secret)
