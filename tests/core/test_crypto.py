"""Digests keep keys and purposes apart; seals survive a rotation and nothing else."""

from itertools import permutations

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from app.core.crypto import Digester, SealBroken, Sealer, matches, random_token

OLD, NEW, FOREIGN = (Fernet.generate_key().decode() for _ in range(3))
SECRET = "sk-provider-canary"


def test_a_digest_is_the_same_in_every_process():
    """A changed recipe would lock every customer out: the stored digests stay valid."""
    assert (
        Digester(b"k" * 40).digest("api-key", "fh-secret")
        == "c803146bf7e024c108a5ecd66ae55baf6a5bd4075d26d7e627c869982ddc12ee"
    )


def test_digests_differ_by_purpose_key_and_value():
    digests = {
        Digester(key).digest(purpose, value)
        for key in (b"a" * 40, b"b" * 40)
        for purpose in ("api-key", "session")
        for value in ("one", "two")
    }
    assert len(digests) == 8


def test_a_digest_is_256_bits_and_does_not_show_the_value():
    digest = Digester(b"a" * 40).digest("api-key", SECRET)
    assert len(bytes.fromhex(digest)) == 32
    assert SECRET not in digest


def test_a_digest_key_may_be_longer_than_blake2_takes():
    long = b"a" * 200
    assert Digester(long).digest("p", "v") != Digester(long + b"a").digest("p", "v")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_sealed_opens_unchanged(text):
    sealer = Sealer((NEW,))
    sealed = sealer.seal(text)
    assert sealer.open(sealed) == text


def test_a_seal_hides_the_text_and_is_never_the_same_twice():
    sealer = Sealer((NEW,))
    first, second = sealer.seal(SECRET), sealer.seal(SECRET)
    assert first != second
    assert SECRET not in first + second


def test_the_old_key_still_opens_after_a_rotation():
    assert Sealer((NEW, OLD)).open(Sealer((OLD,)).seal(SECRET)) == SECRET


def test_the_first_key_seals():
    sealed = Sealer((NEW, OLD)).seal(SECRET)
    assert Sealer((NEW,)).open(sealed) == SECRET
    with pytest.raises(SealBroken):
        Sealer((OLD,)).open(sealed)


def test_a_seal_of_an_unknown_key_is_broken_and_the_error_tells_nothing():
    sealed = Sealer((FOREIGN,)).seal(SECRET)
    with pytest.raises(SealBroken) as broken:
        Sealer((NEW, OLD)).open(sealed)
    assert sealed not in str(broken.value)
    assert broken.value.__suppress_context__


def test_a_seal_that_was_tampered_with_is_broken():
    sealer = Sealer((NEW,))
    sealed = sealer.seal(SECRET)
    middle = len(sealed) // 2
    other = "A" if sealed[middle] != "A" else "B"
    for damaged in (sealed[:middle] + other + sealed[middle + 1 :], sealed[:-8], "", "not a seal"):
        with pytest.raises(SealBroken):
            sealer.open(damaged)


def test_random_tokens_are_url_safe_hold_their_bytes_and_do_not_repeat():
    tokens = {random_token() for _ in range(200)}
    assert len(tokens) == 200
    assert all(token.replace("-", "").replace("_", "").isalnum() for token in tokens)
    assert {len(token) for token in tokens} == {43}
    assert len(random_token(8)) == 11


def test_only_equal_texts_match():
    texts = ("", "a", "ab", "é")
    assert all(matches(text, text) for text in texts)
    assert not any(matches(left, right) for left, right in permutations(texts, 2))
