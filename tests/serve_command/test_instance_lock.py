"""One process serves a SQLite database, and may take all other leases for dead."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.billing.models import ProcessLease
from app.services import services
from app.serving.instance_lock import InstanceLock, SecondProcess, end_other_leases


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


def test_holder_ends_the_leases_of_the_dead(app: Flask, session: Session):
    long_ago = clock.now() - timedelta(days=1)
    leases = [
        ProcessLease(started_at=long_ago, renewed_at=clock.now()),
        ProcessLease(started_at=long_ago, renewed_at=long_ago, ended_at=long_ago),
        ProcessLease(started_at=clock.now(), renewed_at=clock.now()),
    ]
    session.add_all(leases)
    session.commit()
    own = leases[2].id
    end_other_leases(services(app).engine, lease_id=own)
    session.expire_all()
    ended = dict(session.execute(select(ProcessLease.id, ProcessLease.ended_at)).all())
    assert ended[own] is None
    assert ended[leases[0].id] is not None
    assert ended[leases[1].id] == leases[1].ended_at < clock.now() - timedelta(hours=1)
