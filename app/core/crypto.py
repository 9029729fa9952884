"""Secrets: random tokens, keyed digests, sealing. The keys come from the boot settings."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealBroken(Exception):
    """A sealed value was made with a key that is not among SEALING_KEYS."""


@dataclass(frozen=True, slots=True)
class Digester:
    """Keyed SHA-256 digests (hex). `purpose` keeps one use from serving for another."""

    key: bytes

    def digest(self, purpose: str, value: str) -> str:
        return hmac.digest(self.key, f"{purpose}\n{value}".encode(), hashlib.sha256).hex()


class Sealer:
    """Encrypts what we must be able to read again (provider keys, partner secrets).

    The first key seals; all of them open, so a key is rotated by putting a new one in front.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises `SealBroken` when none of the keys made this seal."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise SealBroken("sealed with a key that is not in SEALING_KEYS") from None


def random_token(size_bytes: int = 32) -> str:
    """URL-safe random text with `size_bytes` of entropy."""
    return secrets.token_urlsafe(size_bytes)


def matches(left: str, right: str) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
