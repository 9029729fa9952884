"""Every storage of rate limits counts alike: in memory, in the table, in Redis."""

import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

import config
from app.core import clock, rate_redis
from app.core.rate_redis import RedisWindows, Standby
from app.core.rate_storage import CLEANED_FROM_KEYS, MemoryWindows, Windows
from app.core.rate_windows import HITS_MAX, RateWindow, TableWindows, forget_old
from app.core.ratelimit import Quota, RateLimiter, open_windows
from app.services import services
from tests.conftest import FrozenTime, boot_settings
from tests.redis_server import RedisServer

HOUR_S = 3600


@pytest.fixture(
    params=[
        "memory",
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.postgresql, pytest.mark.slow]),
        pytest.param("redis", marks=pytest.mark.redis),
    ]
)
def windows(request: pytest.FixtureRequest) -> Windows:
    if request.param == "memory":
        return MemoryWindows()
    if request.param == "redis":
        return RedisWindows(request.getfixturevalue("redis").url)
    app: Flask = request.getfixturevalue(f"{request.param}_app")
    return TableWindows(services(app).engine)


@pytest.fixture
def limiter(windows: Windows) -> RateLimiter:
    return RateLimiter(windows)


def quota(amount: int, *, subject: str = "a", window_s: int = HOUR_S) -> Quota:
    return Quota("calls", subject, amount, window_s)


def test_hits_pass_up_to_the_amount(limiter: RateLimiter) -> None:
    taken = [limiter.take(quota(3)) for _ in range(4)]
    assert [(one.is_allowed, one.remaining) for one in taken] == [
        (True, 2), (True, 1), (True, 0), (False, 0),
    ]  # fmt: skip
    assert [one.wait_s for one in taken[:3]] == [0, 0, 0]
    assert 1 <= taken[3].wait_s <= 2 * HOUR_S
    assert HOUR_S <= taken[3].reset_s <= 2 * HOUR_S


def test_cost_is_taken_whole_or_not_at_all(limiter: RateLimiter) -> None:
    assert limiter.take(quota(10), cost=7).remaining == 3
    refused = limiter.take(quota(10), cost=4)
    assert (refused.is_allowed, refused.remaining) == (False, 3)
    assert limiter.take(quota(10), cost=3).remaining == 0


def test_cost_above_the_amount_never_passes(limiter: RateLimiter) -> None:
    refused = limiter.take(quota(10), cost=11)
    assert (refused.is_allowed, refused.remaining, refused.wait_s) == (False, 10, HOUR_S)
    assert limiter.take(quota(10), cost=10).is_allowed


def test_what_is_added_counts_although_it_does_not_fit(limiter: RateLimiter) -> None:
    limiter.take(quota(10), cost=8)
    limiter.add(quota(10), 500)
    peeked = limiter.peek(quota(10))
    assert (peeked.is_allowed, peeked.remaining) == (False, 0)
    assert not limiter.take(quota(10)).is_allowed
    assert limiter.take(quota(600), cost=92).remaining == 0, "the amount may change meanwhile"


def test_adding_may_come_first(limiter: RateLimiter) -> None:
    limiter.add(quota(10), 4)
    assert limiter.take(quota(10)).remaining == 5


def test_looking_counts_nothing(limiter: RateLimiter) -> None:
    assert [limiter.peek(quota(2)).remaining for _ in range(3)] == [2, 2, 2]
    limiter.take(quota(2))
    assert [limiter.peek(quota(2)).remaining for _ in range(3)] == [1, 1, 1]
    assert limiter.peek(quota(2)).is_allowed


def test_subjects_and_windows_count_apart(limiter: RateLimiter) -> None:
    long = "x" * 500
    for one in (quota(1), quota(1, subject="b"), quota(1, window_s=60), quota(1, subject=long)):
        assert limiter.take(one).is_allowed
        assert not limiter.take(one).is_allowed


def test_window_slides_on(limiter: RateLimiter) -> None:
    second = quota(2, window_s=1)
    limiter.take(second, cost=2)
    refused = limiter.take(second, cost=2)
    assert not refused.is_allowed
    threading.Event().wait(refused.wait_s + 0.01)
    assert limiter.take(second, cost=2).is_allowed


def test_threads_together_get_exactly_the_amount(limiter: RateLimiter) -> None:
    narrow = quota(100)
    gate = threading.Barrier(32)

    def hit(_: int) -> int:
        gate.wait()
        return sum(limiter.take(narrow).is_allowed for _ in range(6))

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(hit, range(32))) == 100
    assert limiter.peek(narrow).remaining == 0


def test_nothing_added_by_threads_is_lost(limiter: RateLimiter) -> None:
    wide = quota(1000)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: limiter.add(wide, 3), range(64)))
    assert limiter.peek(wide).remaining == 1000 - 3 * 64


def table_limiter(app: Flask) -> RateLimiter:
    return RateLimiter(TableWindows(services(app).engine))


@pytest.mark.parametrize("kind", ["memory", "table"])
def test_previous_period_weighs_by_its_share(
    app: Flask, frozen_time: FrozenTime, kind: str
) -> None:
    limiter = RateLimiter() if kind == "memory" else table_limiter(app)
    minute = quota(10, window_s=60)
    frozen_time.advance(60 - frozen_time.now_s % 60)
    assert limiter.take(minute, cost=10).remaining == 0
    refused = limiter.take(minute)
    assert (refused.wait_s, refused.reset_s) == (66, 120)
    frozen_time.advance(66)
    assert limiter.take(minute).is_allowed, "as was promised"
    assert not limiter.take(minute).is_allowed
    frozen_time.advance(24)  # half of the ten weigh still
    assert limiter.take(minute, cost=4).remaining == 0
    frozen_time.advance(120)
    assert limiter.peek(minute).remaining == 10


@pytest.mark.parametrize("kind", ["memory", "table"])
def test_refused_one_passes_after_the_wait_it_was_told(
    app: Flask, frozen_time: FrozenTime, kind: str
) -> None:
    limiter = RateLimiter() if kind == "memory" else table_limiter(app)
    minute = quota(7, window_s=60)
    waits = []
    for cost in (3, 4, 2, 5, 1, 7, 6, 7, 2):
        frozen_time.advance(7)
        taken = limiter.take(minute, cost=cost)
        if not taken.is_allowed:
            waits.append(taken.wait_s)
            frozen_time.advance(taken.wait_s)
            assert limiter.take(minute, cost=cost).is_allowed, f"{cost} after {waits}"
    assert len(waits) > 3


def test_memory_survives_a_clock_that_is_set_back(frozen_time: FrozenTime) -> None:
    limiter = RateLimiter()
    limiter.take(quota(2, window_s=60), cost=2)
    frozen_time.advance(-90)
    assert not limiter.take(quota(2, window_s=60)).is_allowed


def test_memory_forgets_subjects_that_no_window_covers(frozen_time: FrozenTime) -> None:
    windows = MemoryWindows()
    for number in range(3 * CLEANED_FROM_KEYS):
        frozen_time.advance(1)
        windows.take(f"{number}", limit=1, window_s=60, cost=1)
    assert len(windows) <= CLEANED_FROM_KEYS


def test_table_counts_no_higher_than_a_column_holds(app: Flask) -> None:
    limiter = table_limiter(app)
    limiter.add(quota(5), HITS_MAX)
    limiter.add(quota(5), HITS_MAX * 4)
    assert not limiter.take(quota(5)).is_allowed


def test_table_forgets_what_no_window_covers(
    app: Flask, session: Session, frozen_time: FrozenTime
) -> None:
    limiter = table_limiter(app)
    limiter.take(quota(5, window_s=60))
    frozen_time.advance(HOUR_S)
    limiter.take(quota(5, window_s=60))
    forget_old(session)
    session.commit()
    assert session.scalar(select(func.count()).select_from(RateWindow)) == 1
    kept = session.scalars(select(RateWindow.expires_at)).one()
    assert kept > clock.now() + timedelta(seconds=59)


def test_hit_inside_a_caller_s_transaction_outlives_its_rollback(any_app: Flask) -> None:
    """A refused sign-in is rolled back; the attempt was made all the same."""
    limiter = table_limiter(any_app)
    with Session(services(any_app).engine) as session:
        session.execute(select(func.count()).select_from(RateWindow))
        limiter.take(quota(5))
        session.rollback()
    assert limiter.peek(quota(5)).remaining == 4


@pytest.mark.postgresql
@pytest.mark.slow
def test_callers_that_hold_every_connection_are_still_limited(postgresql_app: Flask) -> None:
    """Were it one pool, 32 threads that each hold a connection would wait for each other."""
    engine = services(postgresql_app).engine
    limiter = table_limiter(postgresql_app)
    gate = threading.Barrier(32)

    def hit(_: int) -> bool:
        with engine.connect():
            gate.wait()
            return limiter.take(quota(10)).is_allowed

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(hit, range(32))) == 10


@pytest.mark.postgresql
@pytest.mark.slow
def test_server_that_restarted_meanwhile_is_not_noticed(postgresql_app: Flask) -> None:
    limiter = table_limiter(postgresql_app)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: limiter.take(quota(10)), range(4)))
    with services(postgresql_app).engine.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert limiter.take(quota(10)).remaining == 5
    assert limiter.take(quota(10)).remaining == 4


PROCESS = """
import sys
from sqlalchemy import create_engine
from app.core.rate_redis import RedisWindows
from app.core.rate_windows import TableWindows
from app.core.ratelimit import Quota, RateLimiter
url = sys.argv[1]
windows = RedisWindows(url) if url.startswith("redis") else TableWindows(create_engine(url))
limiter = RateLimiter(windows)
sys.stdin.readline()
print(sum(limiter.take(Quota("calls", "a", 50, 3600)).is_allowed for _ in range(100)))
"""


def taken_by_two_processes(url: str) -> int:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, url],
            cwd=config.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(int(process.communicate(timeout=60)[0]) for process in processes)


@pytest.mark.postgresql
@pytest.mark.slow
def test_two_processes_share_the_table(postgresql_app: Flask) -> None:
    url = services(postgresql_app).engine.url.render_as_string(hide_password=False)
    assert taken_by_two_processes(url) == 50


@pytest.mark.redis
def test_two_processes_share_redis(redis: RedisServer) -> None:
    assert taken_by_two_processes(redis.url) == 50


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> float:
    """How soon Redis is asked again, made short."""
    monkeypatch.setattr(rate_redis, "ASKED_AGAIN_AFTER_S", 0.3)
    return 0.4


@pytest.mark.redis
def test_redis_that_dies_is_replaced_and_returned_to(
    redis: RedisServer, patience: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "app.core.rate_redis")
    limiter = RateLimiter(Standby(RedisWindows(redis.url), MemoryWindows()))
    assert limiter.take(quota(3), cost=2).remaining == 1
    redis.kill()
    assert [limiter.take(quota(3)).is_allowed for _ in range(5)] == [True] * 3 + [False] * 2
    threading.Event().wait(patience)
    limiter.add(quota(3), 1)  # asked again in vain
    redis.start()
    threading.Event().wait(patience)
    assert limiter.take(quota(3)).remaining == 2, "it has forgotten everything"
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


@pytest.mark.redis
def test_outage_costs_one_caller_a_moment_and_the_others_nothing(redis: RedisServer) -> None:
    """A server that takes connections and never answers is the slowest kind of outage."""
    limiter = RateLimiter(Standby(RedisWindows(redis.url), MemoryWindows()))
    limiter.take(quota(1000))
    assert redis.process is not None
    redis.process.send_signal(19)  # SIGSTOP
    started_s = clock.monotonic()
    for _ in range(200):
        assert limiter.take(quota(1000)).is_allowed
    assert clock.monotonic() - started_s < 2 * rate_redis.ANSWERS_WITHIN_S


@pytest.mark.parametrize(
    ("redis_url", "kind"), [("", MemoryWindows), ("redis://127.0.0.1:1/0", Standby)]
)
def test_one_process_counts_in_memory_unless_there_is_redis(
    app: Flask, redis_url: str, kind: type
) -> None:
    windows = open_windows(services(app).engine, redis_url=redis_url)
    assert type(windows) is kind
    assert RateLimiter(windows).take(quota(2)).remaining == 1, "wherever Redis is"


@pytest.mark.postgresql
@pytest.mark.slow
def test_processes_on_postgresql_count_in_its_table(postgresql_app: Flask) -> None:
    services(postgresql_app).limiter.take(quota(5))
    with Session(services(postgresql_app).engine) as session:
        assert session.scalars(select(RateWindow.hits)).one() == 1


def test_wrong_redis_url_is_refused_without_showing_it(tmp_path) -> None:
    with pytest.raises(config.ConfigError) as refused:
        boot_settings(tmp_path, REDIS_URL="http://user:s3cret@host")
    assert "s3cret" not in str(refused.value)
    assert "redis://" in str(refused.value)


def test_quota_of_zero_refuses_without_counting() -> None:
    limiter = RateLimiter()
    assert limiter.take(quota(0)) == (False, 0, HOUR_S, HOUR_S)
    assert limiter.take(quota(1)).is_allowed
