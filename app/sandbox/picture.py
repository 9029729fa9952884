"""A PNG with the standard library alone: a gradient of sand with the word SANDBOX on it.

The format: https://www.w3.org/TR/png-3/ (signature, then chunks of length, type, data, CRC).
"""

import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache

SIGNATURE = b"\x89PNG\r\n\x1a\n"
INK = 255
LAST_SHADE = 254
LETTERS = {
    "S": ("01111", "10000", "10000", "01110", "00001", "00001", "11110"),
    "A": ("01110", "10001", "10001", "11111", "10001", "10001", "10001"),
    "N": ("10001", "11001", "10101", "10101", "10011", "10001", "10001"),
    "D": ("11110", "10001", "10001", "10001", "10001", "10001", "11110"),
    "B": ("11110", "10001", "10001", "11110", "10001", "10001", "11110"),
    "O": ("01110", "10001", "10001", "10001", "10001", "10001", "01110"),
    "X": ("10001", "10001", "01010", "00100", "01010", "10001", "10001"),
}
LETTER_ROWS = 7
WORD_ROWS = tuple("0".join(LETTERS[letter][row] for letter in "SANDBOX") for row in range(7))
WORD_COLUMNS = len(WORD_ROWS[0])
MARGIN_COLUMNS = 8


def draw_png(*, width: int, height: int, shade: int) -> bytes:
    """A picture of that size in pixels; `shade` (any number) tints it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", _palette(shade)),
            _chunk(b"IDAT", _pixels(width, height)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _palette(shade: int) -> bytes:
    """255 shades from light to dark sand, tinted, and the ink."""
    red, green, blue = (shade >> shift & 31 for shift in (0, 8, 16))
    shades = (
        (250 - step // 4 - red, 235 - step // 3 - green, 205 - step // 2 - blue)
        for step in range(LAST_SHADE + 1)
    )
    return b"".join(bytes(colour) for colour in shades) + bytes((60, 45, 30))


@lru_cache(maxsize=16)
def _pixels(width: int, height: int) -> bytes:
    """The compressed rows, one palette index a pixel; the same for every tint."""
    return zlib.compress(b"".join(_rows(width, height)), 1)


def _rows(width: int, height: int) -> Iterator[bytes]:
    scale = width // (WORD_COLUMNS + MARGIN_COLUMNS)
    top = (height - LETTER_ROWS * scale) // 2
    for y in range(height):
        shade = y * LAST_SHADE // max(1, height - 1)
        word_row = (y - top) // scale if scale else -1
        is_word = 0 <= word_row < LETTER_ROWS
        yield b"\x00" + (
            _word_row(WORD_ROWS[word_row], width=width, scale=scale, shade=shade)
            if is_word
            else bytes((shade,)) * width
        )


def _word_row(bits: str, *, width: int, scale: int, shade: int) -> bytes:
    left = (width - WORD_COLUMNS * scale) // 2
    word = b"".join(bytes((INK if bit == "1" else shade,)) * scale for bit in bits)
    background = bytes((shade,))
    return (background * left + word).ljust(width, background)
