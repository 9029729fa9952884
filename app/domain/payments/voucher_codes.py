"""The codes of vouchers: ``FLOW-7K2M9-…``, a hundred random bits, forgiving to type.

The letters are Crockford's 32: no I, L, O or U, so that nothing looks like 1 or 0. Who types one
of the first three all the same meant the digit; case, dashes and spaces do not count.
"""

import re
import secrets

from app.core.crypto import Digester

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SYMBOLS = 20
PREFIX = "FLOW"
HINT_SYMBOLS = 4

_GROUP = 5
_LONGEST_TYPED = 64
_NOT_COUNTED = re.compile(r"[\s\u00ad\u2010-\u2015\u2212_.-]+")
_MEANT = str.maketrans("ILO", "110")
_SYMBOLS = re.compile(f"[{ALPHABET}]{{{SYMBOLS}}}")


def make_symbols() -> str:
    """The part of a new code that is random, without prefix and dashes."""
    return "".join(secrets.choice(ALPHABET) for _ in range(SYMBOLS))


def shown(symbols: str) -> str:
    """The code as people read it: ``FLOW-`` and groups of five."""
    groups = [symbols[start : start + _GROUP] for start in range(0, SYMBOLS, _GROUP)]
    return "-".join([PREFIX, *groups])


def read(typed: str) -> str | None:
    """The symbols of a code as somebody typed it; None where it cannot be one."""
    if len(typed) > _LONGEST_TYPED:
        return None
    symbols = _NOT_COUNTED.sub("", typed).upper().translate(_MEANT)
    if len(symbols) == len(PREFIX) + SYMBOLS:
        symbols = symbols.removeprefix(PREFIX.translate(_MEANT))
    return symbols if _SYMBOLS.fullmatch(symbols) else None


def digest_of(digester: Digester, symbols: str) -> str:
    """What the database keeps of a code."""
    return digester.digest("voucher", symbols)
