"""A polled value: one reader at a time, nobody a second behind, errors shown and forgotten."""

import threading

import pytest

from app.domain.settings.polled import Polled


class Source:
    """Gives 1, 2, 3 …; can be held up, and can fail."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.loads = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.error: Exception | None = None
        self.polled: Polled[int] = Polled(self.load, now=lambda: self.now_s)

    def load(self, previous: int | None) -> int:
        self.entered.set()
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        self.loads += 1
        return self.loads

    def hold_up_a_reader(self) -> threading.Thread:
        self.gate.clear()
        self.entered.clear()
        reader = threading.Thread(target=self.polled.value)
        reader.start()
        assert self.entered.wait(10)
        return reader


def test_others_go_on_with_the_value_at_hand_while_one_reads():
    source = Source()
    assert source.polled.value() == 1
    source.now_s = 0.6
    reader = source.hold_up_a_reader()
    assert source.polled.value() == 1
    source.gate.set()
    reader.join()
    assert source.polled.value() == 2


def test_nobody_gets_a_value_older_than_a_second():
    source = Source()
    source.polled.value()
    source.now_s = 0.95
    reader = source.hold_up_a_reader()
    got: list[int] = []
    waiting = threading.Thread(target=lambda: got.append(source.polled.value()))
    waiting.start()
    waiting.join(0.05)
    assert got == []
    source.gate.set()
    reader.join()
    waiting.join()
    assert got == [2]
    assert source.loads == 2


def test_failed_read_is_raised_and_the_next_call_tries_again():
    source = Source()
    source.polled.value()
    source.now_s = 1.0
    source.error = OSError("database gone")
    with pytest.raises(OSError, match="database gone"):
        source.polled.value()
    source.error = None
    assert source.polled.value() == 2
