"""Stopping `make run`, gently and not: nothing is left behind, and a second start goes on."""

import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.serving.product import Product, flask, living, refused, running_product

pytestmark = pytest.mark.slow

SERVERS = ["waitress", "granian"]


@pytest.mark.parametrize("server", SERVERS)
def test_second_start_keeps_key_and_password_and_is_quick(tmp_path: Path, server: str):
    """Also: both signals end the product and its sandbox, with exit code 0."""
    folder = tmp_path / "instance"
    shown = []
    for number in (signal.SIGTERM, signal.SIGINT):
        began_s = time.monotonic()
        with running_product(folder, "--server", server) as product:
            took_s = time.monotonic() - began_s
            assert product.chat().status_code == 200
            children = product.children
            assert children
            shown.append((product.api_key, product.shown(r"admin@\S+  (\S+)")))
            assert product.end(number) == 0
            assert living(children) == set()
        assert not (folder / "run.json").exists()
        assert "Traceback" not in product.log
    assert shown[0] == shown[1]
    assert took_s < 15


@pytest.mark.parametrize("server", SERVERS)
def test_kill_takes_the_children_along(tmp_path: Path, server: str):
    with running_product(tmp_path / "instance", "--server", server) as product:
        children = product.children
        assert product.end(signal.SIGKILL) == -signal.SIGKILL
        assert living(children) == set()


def test_second_process_is_refused_beside_granian_too(tmp_path: Path):
    with running_product(tmp_path / "instance", "--server", "granian") as product:
        code, said = refused(product.folder)
        assert (code, "Another process serves" in said) == (1, True)
        assert product.chat().status_code == 200


def test_call_of_a_killed_process_is_settled_at_the_next_start(tmp_path: Path):
    """Its lease would run for half a minute; the lock proves at once that nobody holds it."""
    folder = tmp_path / "instance"
    slowly = {"frames": 400, "delay_s": 0.05}
    with running_product(folder) as product, product.chat(stream=True, sandbox=slowly) as answer:
        assert next(answer.iter_lines()).startswith(b"data:")
        delivered = _wait_for_progress(folder)
        product.end(signal.SIGKILL)
    with running_product(folder) as product:
        state, reason, is_estimated, cost_nanos, frames = _wait_for_settlement(folder)
        assert (state, reason, is_estimated) == ("posted", "process_died", 1)
        assert frames == delivered
        assert cost_nanos >= delivered * 10_000  # a token a frame, at ten dollars a million
        verified = flask(folder, "ledger", "verify")
        assert verified.returncode == 0, verified.stdout
        wallet = json.loads(flask(folder, "wallet", "show", "demo@example.org", "--json").stdout)
        assert wallet["paid"]["held"] == "0"
        assert product.chat().status_code == 200


def _wait_for_progress(folder: Path) -> int:
    """Until the heartbeat has stored how many frames the call delivered."""
    return _wait_for(folder, "SELECT delivered_frames FROM calls WHERE delivered_frames > 0")[0]


def _wait_for_settlement(folder: Path) -> tuple:
    return _wait_for(
        folder,
        "SELECT state, reason, is_estimated, cost_nanos, delivered_frames FROM calls "
        "WHERE state <> 'pending'",
    )


def _wait_for(folder: Path, query: str) -> tuple:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with sqlite3.connect(f"file:{folder / 'flowhub.db'}?mode=ro", uri=True) as connection:
            row = connection.execute(query).fetchone()
        connection.close()
        if row is not None:
            return row
        time.sleep(0.1)
    raise AssertionError(query)


def test_product_ends_where_granian_s_worker_dies(tmp_path: Path):
    with running_product(tmp_path / "instance", "--server", "granian") as product:
        children = product.children
        worker = _worker_of(product)
        os.kill(worker, signal.SIGKILL)
        assert product.process.wait(timeout=20) == 1
        assert living(children) == set()


def _worker_of(product: Product) -> int:
    (worker,) = (
        pid
        for pid in product.children
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    return worker
