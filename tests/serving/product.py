"""The product as `make run` starts it: a process of its own, on a free port."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

import config

STARTS_WITHIN_S = 40
ENDS_WITHIN_S = 20

_starts = itertools.count(1)


class Product:
    """A started product. `output` is what a newcomer reads, `log` what goes to standard error."""

    def __init__(self, folder: Path, *words: str, **settings: object) -> None:
        self.folder = folder
        self.port = int(str(settings.pop("PORT", free_port())))
        self.base_url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        start = f"{folder.name}.{next(_starts)}"
        self._files = [folder.with_name(f"{start}.{name}") for name in ("out", "err")]
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.serving", *words],
                cwd=config.ROOT,
                env=environment(folder, PORT=self.port, **settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def output(self) -> str:
        return self._files[0].read_text()

    @property
    def log(self) -> str:
        return self._files[1].read_text()

    @property
    def children(self) -> set[int]:
        return descendants(self.process.pid)

    def wait_until_ready(self) -> "Product":
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log
            try:
                if requests.get(f"{self.base_url}/readyz", timeout=5).ok:
                    return self
            except (requests.ConnectionError, requests.Timeout):  # not there, or busy starting
                time.sleep(0.05)
        raise AssertionError(f"not ready: {self.log}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=ENDS_WITHIN_S)

    def shown(self, pattern: str) -> str:
        """The one group of `pattern` in the output."""
        found = re.search(pattern, self.output)
        assert found is not None, self.output
        return found[1]

    @property
    def api_key(self) -> str:
        return self.shown(r"Bearer (sk-[A-Za-z0-9]+)")

    def chat(self, key: str | None = None, **members: Any) -> requests.Response:
        return requests.post(
            f"{self.base_url}/v1/chat/completions",
            headers={"Authorization": f"Bearer {key or self.api_key}"},
            json={"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], **members},
            stream=bool(members.get("stream")),
            timeout=20,
        )


@contextmanager
def running_product(folder: Path, *words: str, **settings: object) -> Iterator[Product]:
    """A product that answers; whatever is left of it is gone at the end of the block."""
    product = Product(folder, *words, **settings)
    try:
        yield product.wait_until_ready()
    finally:
        end_tree(product.process)


def refused(folder: Path, *words: str, **settings: object) -> tuple[int, str]:
    """Start a product that must not start; its exit code and what it says on standard error."""
    product = Product(folder, *words, **settings)
    try:
        code = product.process.wait(timeout=STARTS_WITHIN_S)
    finally:
        end_tree(product.process)
    assert product.output == ""
    return code, product.log


def flask(folder: Path, *words: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run an operator's command on the instance in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *words],
        cwd=config.ROOT,
        env=environment(folder, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STARTS_WITHIN_S,
        check=False,
    )


def environment(folder: Path, **settings: object) -> dict[str, str]:
    """The outer environment without our settings, and those given."""
    ours = {row.name for row in config.BOOT_SETTINGS}
    outer = {name: value for name, value in os.environ.items() if name not in ours}
    own = {"INSTANCE_DIR": folder, "SQLITE_SYNCHRONOUS": "NORMAL", **settings}
    return outer | {name: str(value) for name, value in own.items()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> set[int]:
    """The living processes below `pid`."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it ended while we looked
            continue
        if state != "Z":
            parents[int(folder.name)] = int(parent)
    found: set[int] = set()
    waiting = {pid}
    while waiting:
        waiting = {child for child, parent in parents.items() if parent in waiting}
        found |= waiting
    return found


def living(pids: set[int], *, within_s: float = ENDS_WITHIN_S) -> set[int]:
    """Which of the processes still live, after giving them time to end."""
    deadline = time.monotonic() + within_s
    while (left := {pid for pid in pids if _is_alive(pid)}) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its children, by their ids."""
    for pid in {*descendants(process.pid), process.pid} if process.poll() is None else set():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait(timeout=ENDS_WITHIN_S)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
