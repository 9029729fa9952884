"""What a call costs in the books: its hold and its settlement, on SQLite.

    python -m bench.ledger_writes [--calls 6400] [--users 100] [--rounds 3] [--synchronous FULL]

CPU microseconds of the process per call (hold and post together), the best of the rounds, in a
fresh database: in batches of 32 as the writer commits them, without and with a spend cap, and
through the writer from 64 threads.
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from app.core import clock, ids
from app.core.database import Base, engine_options, in_session, on_cursor, prepare_engine
from app.core.writer import Write, Writer
from app.domain import every_model  # noqa: F401  (completes the metadata)
from app.domain.accounts.models import FIRST_USER_ID, InviterState, KeyCap, KeyScope, User
from app.domain.billing import ledger
from app.domain.billing.bound import Bound
from app.domain.billing.ledger import Bucket, Movement
from app.domain.billing.models import AccountKind, TransferKind
from app.domain.billing.reserve import Reserve
from app.domain.billing.settle import CallRecord, Post

BATCH = 32
THREADS = 64
A_DOLLAR = 10**9
RECORD = CallRecord(
    status=200,
    reason=None,
    channel_id=1,
    cost_version_id=1,
    units=json.dumps({"input": 420, "output": 180}),
    upstream_cost_nanos=9_000,
    first_content_ms=310,
    duration_ms=1_480,
    attempts='[{"channel":1,"status":200,"ms":310}]',
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=6400)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--synchronous", default="FULL")
    options = parser.parse_args()
    rows: tuple[tuple[str, Callable[[Engine, Sequence[Reserve]], None], bool], ...] = (
        ("batches of 32", in_batches, False),
        ("batches of 32, spend cap", in_batches, True),
        ("writer, 64 threads", through_the_writer, False),
    )
    print(f"hold + post, synchronous={options.synchronous}: CPU µs a call | calls a second")
    for name, run, has_cap in rows:
        measured = [
            measure(run, options.calls, options.users, options.synchronous, has_cap=has_cap)
            for _ in range(options.rounds)
        ]
        cpu_us, per_s = min(measured)
        print(f"{name:<28} {cpu_us:>7.1f} | {per_s:>7.0f}")


def measure(
    run: Callable[[Engine, Sequence[Reserve]], None],
    calls: int,
    users: int,
    synchronous: str,
    *,
    has_cap: bool,
) -> tuple[float, float]:
    """(CPU µs a call, calls a second) in a database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        engine = create_engine(url, **engine_options(url, synchronous=synchronous))
        prepare_engine(engine)
        reserves = list(prepare(engine, calls, users, has_cap=has_cap))
        began_cpu_s, began_s = time.process_time(), time.perf_counter()
        run(engine, reserves)
        cpu_s, wall_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
        engine.dispose()
    return cpu_s / calls * 1e6, calls / wall_s


def prepare(engine: Engine, calls: int, users: int, *, has_cap: bool) -> Iterator[Reserve]:
    """Users with money in both buckets, and their calls in turn."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        people = [add_user(session, number, has_cap=has_cap) for number in range(users)]
        session.commit()
    for user_id, cap_id in itertools.islice(itertools.cycle(people), calls):
        yield Reserve(
            call_id=ids.mint(),
            user_id=user_id,
            key_id=user_id,
            scope=KeyScope.FULL,
            cap_id=cap_id,
            model_id=1,
            price_version_id=1,
            lease_id=1,
            at_ms=clock.now_ms(),
            deadline_ms=clock.now_ms() + 900_000,
            protocol="chat_completions",
            is_streamed=True,
            client_request_id=None,
            decide=lambda available_nanos: Bound(50_000, 2_000, 1_024, 1_024, False),
        )


def add_user(session: Session, number: int, *, has_cap: bool) -> tuple[int, int | None]:
    user = User(
        id=FIRST_USER_ID + number,
        email=f"person{number}@example.com",
        nickname="person",
        active=True,
        created_at=clock.now(),
        fs_uniquifier=str(number),
        inviter_state=InviterState.NONE,
    )
    cap = KeyCap(limit_nanos=A_DOLLAR, max_running=100, running=0) if has_cap else None
    session.add_all([user] if cap is None else [user, cap])
    session.flush()
    ledger.open_wallet(in_session(session), user_id=user.id)
    movement = Movement(
        user_id=user.id,
        bucket=Bucket.PAID,
        amount_nanos=A_DOLLAR,
        counterpart=AccountKind.OPERATOR_CREDITS,
        kind=TransferKind.OPERATOR_CREDIT,
        reference=f"bench {number}",
        actor="bench",
        reason="bench",
    )
    ledger.credit(in_session(session), movement)
    return user.id, None if cap is None else cap.id


def in_batches(engine: Engine, reserves: Sequence[Reserve]) -> None:
    """A batch of holds, then a batch of their settlements, as the writer's thread runs them."""
    connection = engine.raw_connection()
    for start in range(0, len(reserves), BATCH):
        holds = commit(connection, reserves[start : start + BATCH])
        commit(connection, [Post(hold, 31_000, clock.now_ms(), RECORD) for hold in holds])
    connection.close()


def commit(connection: Any, writes: Sequence[Write]) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    execute = on_cursor(cursor, "sqlite")
    verdicts = [write.apply(execute) for write in writes]
    connection.commit()
    return verdicts


def through_the_writer(engine: Engine, reserves: Sequence[Reserve]) -> None:
    writer = Writer(engine)
    writer.start()

    def call(reserve: Reserve) -> None:
        hold = writer.submit(reserve)
        writer.submit(Post(hold, 31_000, clock.now_ms(), RECORD))

    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(call, reserve) for reserve in reserves]:
            future.result()
    writer.stop()


if __name__ == "__main__":
    main()
