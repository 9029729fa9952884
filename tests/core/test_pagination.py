"""Cursors: what was given out is read back, everything else is refused."""

import pytest

from app.core.crypto import Digester
from app.core.money import LARGEST_BIGINT
from app.core.pagination import Cursors, InvalidCursor

DIGESTER = Digester(b"d" * 40)
MINE = Cursors(DIGESTER, "usage of key 1")


@pytest.mark.parametrize("position", [0, 1, 2**40, LARGEST_BIGINT])
def test_cursor_is_read_back(position: int):
    cursor = MINE.write(position)
    assert MINE.read(cursor, field="cursor") == position
    assert str(position) not in cursor or position < 10


def test_cursor_of_another_list_is_refused():
    theirs = Cursors(DIGESTER, "usage of key 2").write(7)
    with pytest.raises(InvalidCursor):
        MINE.read(theirs, field="cursor")


def test_cursor_of_another_secret_is_refused():
    foreign = Cursors(Digester(b"e" * 40), "usage of key 1").write(7)
    with pytest.raises(InvalidCursor):
        MINE.read(foreign, field="cursor")


def test_every_changed_character_is_noticed():
    cursor = MINE.write(123_456_789)
    for at, old in enumerate(cursor):
        changed = cursor[:at] + ("A" if old != "A" else "B") + cursor[at + 1 :]
        with pytest.raises(InvalidCursor):
            MINE.read(changed, field="cursor")


@pytest.mark.parametrize("text", ["", "x", "=", "1", "ÿ", "A" * 28, "A" * 10_000, "\x00", "-1"])
def test_garbage_is_refused_and_names_its_field(text: str):
    with pytest.raises(InvalidCursor) as caught:
        MINE.read(text, field="cursor")
    assert caught.value.field == "cursor"
