"""`flask holds sweep` settles what dead processes left."""

import json

from flask import Flask

from app.cli.holds import holds_commands
from app.core import clock
from app.domain.billing.leases import LEASE_S, Progress, RenewLease
from app.services import services
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books


def leave_calls_behind(app: Flask, frozen_time: FrozenTime) -> Books:
    """One call that delivered and 101 that did not, of a process that is gone."""
    books = Books(services(app).engine)
    key = books.key(books.user(paid=2_000))
    delivered = books.hold(key, 10)
    for _ in range(101):
        books.hold(key, 10)
    progress = [Progress(delivered.call_id, 3, 4)]
    books.writer.submit(RenewLease(books.lease_id, clock.now_ms(), progress))
    frozen_time.advance(LEASE_S + 1)
    return books


def test_sweep_settles_everything_overdue(app: Flask, frozen_time: FrozenTime):
    books = leave_calls_behind(app, frozen_time)
    result = app.test_cli_runner().invoke(holds_commands, ["sweep"])
    assert result.exit_code == 0, result.output
    assert result.output == "1 posted as estimates, 101 voided; dead processes: 1.\n"
    assert books.rows("SELECT paid_balance_nanos, paid_held_nanos FROM wallets") == [(1_993, 0)]
    assert books.drifts() == []


def test_json_says_the_same(app: Flask, frozen_time: FrozenTime):
    books = leave_calls_behind(app, frozen_time)
    result = app.test_cli_runner().invoke(holds_commands, ["sweep", "--json"])
    assert json.loads(result.output) == {
        "dead_leases": [books.lease_id],
        "posted": 1,
        "voided": 101,
    }
    result = app.test_cli_runner().invoke(holds_commands, ["sweep", "--json"])
    assert json.loads(result.output) == {"dead_leases": [], "posted": 0, "voided": 0}
