"""The books prove themselves: every invariant that a database can be asked about, on live data.

`verify` proves, in one snapshot and with one query a check:

- 1: the entries of all ledger accounts sum to 0, and no transfer names an account that is not one,
  or moves between others than its kind does: never from one bucket to another;
- 2: cached balances are the sums of their entries, cached holds those of the pending calls' legs,
  key caps those of their calls, and running counts the pending calls;
- 4, 5: each call is settled once or pending, its transfers are exactly its charge, and no usage
  transfer is without its call;
- 6: each charge is the call's units times its price version;
- a refund goes back to the bucket it came from and never exceeds what the call was charged there,
  and each redeemed voucher has its one transfer;
- 7: no pending hold outlives its lease or its deadline by two minutes;
- 9: no call of a trial key held or spent paid money;
- what foreign keys would promise of the two hot tables, and wallets, users and ledger accounts
  one to one.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.core import clock
from app.core.database import snapshot
from app.core.errors import AppError
from app.domain.billing.leases import LEASE_S
from app.domain.billing.models import Call, CallState
from app.domain.billing.verify_queries import QUERIES, Query
from app.domain.catalog.models import PriceVersion
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.units import Unit

OVERDUE_AFTER_S = 120
DRIFTS_SHOWN = 1000  # of one check: enough to see a pattern, little enough to print


@dataclass(frozen=True, slots=True)
class Drift:
    """One place where the books disagree with themselves."""

    check: str
    subject: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Examined:
    """One check's verdict. `count` is how many rows it looked at."""

    check: str
    title: str
    count: int
    drifts: tuple[Drift, ...]


def verify(session: Session) -> list[Drift]:
    """Every drift, at most `DRIFTS_SHOWN` of one check. The session must be fresh."""
    return [drift for examined in examine(session) for drift in examined.drifts]


def examine(session: Session) -> list[Examined]:
    """The verdict of every check, all of one moment. The session must be fresh."""
    with snapshot(session):
        return examine_within(session)


def examine_within(session: Session) -> list[Examined]:
    """As `examine`, within the transaction that the session has open."""
    at_ms = clock.now_ms()
    moments = {
        "lease_over_before": at_ms - (LEASE_S + OVERDUE_AFTER_S) * 1000,
        "over_before": at_ms - OVERDUE_AFTER_S * 1000,
    }
    return [*(_run(session, query, moments) for query in QUERIES), _examine_prices(session)]


def _run(session: Session, query: Query, moments: dict[str, int]) -> Examined:
    needed = {name: value for name, value in moments.items() if f":{name}" in query.drifts}
    # The texts are constants of `verify_queries`; every value is bound.
    count = session.execute(text(f"SELECT COUNT(*) FROM {query.counted}")).scalar_one()  # noqa: S608
    rows = session.execute(
        text(f"SELECT * FROM ({query.drifts}) AS drifts LIMIT {DRIFTS_SHOWN}"),  # noqa: S608
        needed,
    )
    drifts = (
        Drift(query.check, f"{query.noun} {subject}", str(expected), str(found))
        for subject, expected, found in rows
    )
    return Examined(query.check, query.title, count, tuple(drifts))


def _examine_prices(session: Session) -> Examined:
    """Each posted call's cost is its units times its price version: recomputed, call by call."""
    versions = session.execute(select(PriceVersion.id, PriceVersion.sheet))
    expect = _Repricer(dict(versions.all())).expected_cost
    drifts: list[Drift] = []
    count = 0
    for call_id, version_id, units, cost_nanos in _posted_calls(session):
        count += 1
        expected = expect(version_id, units)
        if expected != cost_nanos and len(drifts) < DRIFTS_SHOWN:
            drifts.append(Drift("prices", f"call {call_id}", str(expected), str(cost_nanos)))
    return Examined("prices", "charges are units × price version", count, tuple(drifts))


def _posted_calls(session: Session) -> Iterator[tuple[int, int, str | None, int | None]]:
    """(id, price version id, units, cost) of every posted call, streamed."""
    columns = select(Call.id, Call.price_version_id, Call.units, Call.cost_nanos)
    posted = columns.where(Call.state == CallState.POSTED).execution_options(yield_per=5000)
    yield from session.execute(posted)


class _Repricer:
    """Prices units again; each price version's sheet is read from its text once."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._texts = texts
        self._sheets: dict[int, PriceSheet] = {}

    def expected_cost(self, version_id: int, units_json: str | None) -> int | str:
        """The cost, or in words why there is none."""
        try:
            if version_id not in self._sheets:
                self._sheets[version_id] = PriceSheet.from_json(self._texts[version_id])
            return self._sheets[version_id].cost_nanos(_units(units_json))
        except KeyError:
            return "no such price version"
        except (AppError, ValueError) as error:
            return str(error)


def _units(units_json: str | None) -> dict[Unit, int]:
    """The units of a call's row. Raises ValueError for anything but counts of known units."""
    units = json.loads(units_json or "null")
    if not isinstance(units, dict):
        raise ValueError("units are missing")
    if not all(type(count) is int and count >= 0 for count in units.values()):
        raise ValueError("units are not counts")
    return {Unit(name): count for name, count in units.items()}
