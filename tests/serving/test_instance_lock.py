"""One process serves a SQLite database, because it holds a lock."""

import pytest
from flask import Flask
from sqlalchemy import create_engine

from app.services import services
from app.serving.instance_lock import InstanceLock, SecondProcess


def test_lock_is_held_once_until_it_is_released(app: Flask):
    engine = services(app).engine
    lock = InstanceLock.take(engine)
    assert lock.is_held
    with pytest.raises(SecondProcess, match=r"Another process serves .*flowhub\.db already"):
        InstanceLock.take(engine)
    lock.release()
    assert not lock.is_held
    InstanceLock.take(engine).release()


@pytest.mark.parametrize("url", ["postgresql+psycopg://nobody@127.0.0.1:9/none", "sqlite://"])
def test_database_without_a_file_needs_no_lock(url: str):
    first, second = (InstanceLock.take(create_engine(url)) for _ in range(2))
    assert (first.is_held, second.is_held) == (False, False)
    first.release()
