"""Time-ordered 62-bit ids, minted by us.

Layout, high to low: 40 bits of milliseconds since 2025 (until 2059), 10 bits of node, 12 bits of
sequence. A primary key that only grows is appended to its index instead of scattered over it, and
a range of ids is a range of time. Doubling one (see `transfer_id`) still fits 63 bits.
"""

import base64
import secrets
import threading

from app.core import clock

EPOCH_MS = 1_735_689_600_000
_NODE_BITS = 10
_SEQUENCE_BITS = 12
_SHIFT = _NODE_BITS + _SEQUENCE_BITS


class IdMint:
    """Mints ids of one node; two live processes must not share a node."""

    def __init__(self, node: int) -> None:
        self._node = node % (1 << _NODE_BITS) << _SEQUENCE_BITS
        self._lock = threading.Lock()
        self._last_ms = 0
        self._sequence = 0

    def mint(self) -> int:
        """Return an id above every earlier one of this mint, whatever the clock does."""
        with self._lock:
            moment_ms = max(clock.now_ms(), self._last_ms)
            self._sequence = self._sequence + 1 if moment_ms == self._last_ms else 0
            if self._sequence >> _SEQUENCE_BITS:
                moment_ms, self._sequence = moment_ms + 1, 0
            self._last_ms = moment_ms
            return (moment_ms - EPOCH_MS) << _SHIFT | self._node | self._sequence


_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [left + right for left in _ALPHABET for right in _ALPHABET]

# Processes that serve take a node of the lower half, by their lease; commands draw of the upper.
_mint = IdMint((1 << _NODE_BITS - 1) + secrets.randbelow(1 << _NODE_BITS - 1))


def mint() -> int:
    """A new id of this process."""
    return _mint.mint()


def serve_as(lease_id: int) -> None:
    """From now on mint as the holder of this lease, so that no other process's ids meet ours."""
    global _mint
    _mint = IdMint(lease_id % (1 << _NODE_BITS - 1))


def first_id_at(moment_ms: int) -> int:
    """The least id that can have been minted at `moment_ms`."""
    return max(moment_ms - EPOCH_MS, 0) << _SHIFT


def moment_ms_of(minted: int) -> int:
    """The millisecond (since the Unix epoch) in which `minted` was made."""
    return (minted >> _SHIFT) + EPOCH_MS


def request_id(minted: int) -> str:
    """The public form: ``req_`` and 13 characters of lower-case base32 (RFC 4648, no padding)."""
    padded = minted << 1  # 64 bits in 13 characters: the last one carries a bit of padding
    pairs = [_PAIRS[padded >> shift & 1023] for shift in range(55, 0, -10)]
    return f"req_{''.join(pairs)}{_ALPHABET[padded & 31]}"


def parse_request_id(text: str) -> int | None:
    """The id behind a public request id, or None where it is not one."""
    if not text.startswith("req_") or len(text) != 17:
        return None
    try:
        minted = int.from_bytes(base64.b32decode(text[4:].upper() + "==="), "big")
    except ValueError:
        return None
    return minted if minted >> 63 == 0 and request_id(minted) == text else None
