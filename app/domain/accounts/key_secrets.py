"""The secret of a key: made once, shown once, kept only as digests."""

import secrets
import string
from dataclasses import dataclass

from app.core.crypto import Digester

ALPHABET = string.ascii_letters + string.digits
SECRET_LENGTH = 40
"""Random characters of a secret: 238 bits."""

SHOWN_LENGTH = 4
TAIL_LENGTH = 6


@dataclass(frozen=True, slots=True)
class KeySecret:
    """A new secret with what is stored of it. `text` goes to whoever made the key, nowhere else."""

    text: str
    digest: str
    prefix: str
    tail_digest: str

    def __repr__(self) -> str:
        return f"KeySecret({self.prefix}…)"


def make_secret(digester: Digester) -> KeySecret:
    """A new secret: ``sk-`` and letters and digits."""
    text = "sk-" + "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    digest = secret_digest(digester, text)
    return KeySecret(
        text=text,
        digest=digest,
        prefix=text[: 3 + SHOWN_LENGTH],
        tail_digest=tail_digest(digester, key_digest=digest, tail=text[-TAIL_LENGTH:]),
    )


def secret_digest(digester: Digester, secret: str) -> str:
    """By this a presented key is found."""
    return digester.digest("api-key", secret)


def tail_digest(digester: Digester, *, key_digest: str, tail: str) -> str:
    """By this the last six characters are checked; bound to the key, so that equal tails differ."""
    return digester.digest("api-key-tail", f"{key_digest}\n{tail}")
