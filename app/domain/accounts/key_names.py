"""The names that tell a user's keys apart."""

import re

from app.domain.accounts.errors import InvalidKeyName

_ALLOWED = re.compile(r"[A-Za-z0-9 ._-]{1,64}")
_SPACES = re.compile(r" {2,}")


def normalise_key_name(text: str, *, field: str = "key_name") -> str:
    """Trimmed, runs of spaces collapsed. Raises InvalidKeyName."""
    name = _SPACES.sub(" ", text.strip(" "))
    if not _ALLOWED.fullmatch(name):
        raise InvalidKeyName(field=field)
    return name


def fold_key_name(name: str) -> str:
    """The form in which names are compared; of a normalised name."""
    return name.lower()
