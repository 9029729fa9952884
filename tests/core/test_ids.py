"""Ids grow with time, never repeat, and have one public form."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import clock, ids
from app.core.ids import IdMint
from tests.conftest import NOW_S, FrozenTime

NOW_MS = int(NOW_S * 1000)


def test_ids_of_one_mint_only_grow(frozen_time: FrozenTime):
    mint = IdMint(3)
    minted = []
    for step_s in (0, 0, 0.001, 0, -60, 0, 120):
        frozen_time.advance(step_s)
        minted.append(mint.mint())
    assert minted == sorted(set(minted))


def test_more_ids_than_a_millisecond_holds_borrow_from_the_next(frozen_time: FrozenTime):
    mint = IdMint(3)
    minted = [mint.mint() for _ in range(3 * 4096)]
    assert minted == sorted(set(minted))
    assert ids.moment_ms_of(minted[0]) == NOW_MS
    assert ids.moment_ms_of(minted[-1]) == NOW_MS + 2


def test_threads_never_share_an_id():
    mint = IdMint(1)
    with ThreadPoolExecutor(8) as pool:
        batches = pool.map(lambda _: [mint.mint() for _ in range(2_000)], range(8))
    minted = [each for batch in batches for each in batch]
    assert len(set(minted)) == 16_000


def test_nodes_never_share_an_id(frozen_time: FrozenTime):
    mints = [IdMint(node) for node in range(1024)]
    minted = {mint.mint() for mint in mints for _ in range(3)}
    assert len(minted) == 3 * 1024


def test_serving_processes_and_commands_use_different_nodes():
    def node(minted: int) -> int:
        return minted >> 12 & 1023

    assert node(ids.mint()) >= 512
    for lease_id in (1, 511, 512, 1025):
        ids.serve_as(lease_id)
        assert node(ids.mint()) == lease_id % 512


def test_range_of_time_is_a_range_of_ids(frozen_time: FrozenTime):
    minted = IdMint(1023).mint()
    assert ids.first_id_at(NOW_MS) <= minted < ids.first_id_at(NOW_MS + 1)
    assert ids.moment_ms_of(minted) == NOW_MS == clock.now_ms()
    assert ids.first_id_at(0) == 0


def test_id_doubled_fits_a_signed_bigint_until_2059(frozen_time: FrozenTime):
    frozen_time.now_s = (ids.EPOCH_MS + 2**40 - 1) / 1000
    assert IdMint(1023).mint() * 2 + 1 < 2**63


@given(st.integers(0, 2**63 - 1))
def test_request_id_has_one_form_and_is_read_back(minted: int):
    public = ids.request_id(minted)
    assert len(public) == 17
    assert public == public.lower()
    assert ids.parse_request_id(public) == minted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "req_",
        "req_" + "A" * 13,
        "req_" + "a" * 12,
        "req_" + "a" * 14,
        "req_" + "a" * 12 + "b",
        "req_" + "1" * 13,
        "req_" + "é" * 13,
        "req_" + "ß" * 13,
        "REQ_" + "a" * 13,
        "key_" + "a" * 13,
        "req_" + base64.b32encode(b"\xff" * 8).decode().rstrip("=").lower(),
    ],
)
def test_anything_else_is_no_request_id(text: str):
    assert ids.parse_request_id(text) is None
