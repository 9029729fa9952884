"""Passwords: what is too weak, and hashing under a cap, since each hash takes 19 MiB and 30 ms."""

import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask_security import hash_password

from app.core.errors import Unavailable
from app.core.i18n import N_
from app.domain.accounts.emails import local_part
from app.extensions import security

LENGTH_MIN = 12
LENGTH_MAX = 128
DIFFERENT_CHARACTERS_MIN = 5

HASHES_AT_ONCE = 4
_WAIT_S = 5
_RETRY_AFTER_S = 3

_hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)

# What is left of the usual ones once digits and signs are taken away.
_USUAL_WORDS = frozenset(
    {
        "", "abc", "abcd", "abcdef", "admin", "administrator", "changeme", "dragon", "football",
        "iloveyou", "letmein", "letmeinplease", "login", "matkhau", "monkey", "password",
        "passwordpassword", "passw rd", "princess", "pssword", "pssw rd", "qwerty", "qwertyuiop",
        "qwertyqwerty", "secret", "sunshine", "welcome", "superman", "anhyeuem", "emyeuanh",
    }
)  # fmt: skip
_DIGITS_AND_SIGNS = str.maketrans("", "", string.digits + string.punctuation + " ")


def weakness(password: str, *, email: str) -> str | None:
    """Why this password will not do, in the source language; None for one that will."""
    if len(password) < LENGTH_MIN:
        return N_("Use at least 12 characters.")
    if len(password) > LENGTH_MAX:
        return N_("Use at most 128 characters.")
    if len(set(password)) < DIFFERENT_CHARACTERS_MIN:
        return N_("Use more different characters.")
    folded = password.casefold()
    if folded.translate(_DIGITS_AND_SIGNS) in _USUAL_WORDS:
        return N_("This password is too easy to guess. Choose another.")
    if _has_part_of(folded, email):
        return N_("Leave your email out of the password.")
    return None


@contextmanager
def hashing_place() -> Iterator[None]:
    """Hold one of the places for hashing. Raises Unavailable where none came free."""
    if not _hashing.acquire(timeout=_WAIT_S):
        raise Unavailable(retry_after_s=_RETRY_AFTER_S)
    try:
        yield
    finally:
        _hashing.release()


def hash_new(password: str) -> str:
    """The hash to store, of the password as sign-in will normalise it."""
    with hashing_place():
        hashed: str = hash_password(security.password_util.normalize(password))
    return hashed


def _has_part_of(folded: str, email: str) -> bool:
    name = local_part(email).casefold()
    return email.casefold() in folded or (len(name) >= 4 and name in folded)
