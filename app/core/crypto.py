"""Secrets: random tokens, keyed digests, sealing. The keys come from the boot settings."""

import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealBroken(Exception):
    """A sealed value was made with a key that is not among SEALING_KEYS."""


class Digester:
    """Keyed digests (hex, 256 bits). `purpose` keeps one use from serving for another.

    BLAKE2b's keyed mode is a MAC by itself (RFC 7693) and costs a fifth of an HMAC, which counts:
    every call to ``/v1`` digests its key.
    """

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(key).digest()

    def digest(self, purpose: str, value: str) -> str:
        message = f"{purpose}\n{value}".encode()
        return hashlib.blake2b(message, digest_size=32, key=self._key).hexdigest()


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
