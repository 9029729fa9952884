"""Keyset pagination: a page ends with a cursor, the place in the list where the next one goes on.

A cursor is opaque and signed for one list: what we did not give out is refused, so that nobody
asks by it for what he may not ask without, and nobody builds upon its inside.
"""

import base64
from dataclasses import dataclass

from app.core.crypto import Digester, matches
from app.core.errors import BadRequest

_POSITION_BYTES = 8
_SEAL_HEX = 26  # 13 bytes: with the position 21, which base64 writes without padding


class InvalidCursor(BadRequest):
    number = 5
    reason = "invalid_cursor"
    message = "Send a cursor as it was given with the page before, or none for the first page."


@dataclass(frozen=True, slots=True)
class Cursors:
    """Writes and reads the cursors of one list. `name` says whose and which."""

    digester: Digester
    name: str

    def write(self, position: int) -> str:
        """The cursor of a position, which is a whole number of at most 63 bits."""
        packed = position.to_bytes(_POSITION_BYTES, "big") + bytes.fromhex(self._seal(position))
        return base64.urlsafe_b64encode(packed).decode()

    def read(self, text: str, *, field: str) -> int:
        """The position behind a cursor of this list. Raises InvalidCursor."""
        try:
            packed = base64.b64decode(text, altchars=b"-_", validate=True)
        except ValueError:
            raise InvalidCursor(field=field) from None
        position = int.from_bytes(packed[:_POSITION_BYTES], "big")
        if not matches(packed[_POSITION_BYTES:].hex(), self._seal(position)):
            raise InvalidCursor(field=field)
        return position

    def _seal(self, position: int) -> str:
        return self.digester.digest("cursor", f"{self.name}\n{position}")[:_SEAL_HEX]
