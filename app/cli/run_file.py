"""``instance/run.json``: by it a command finds the product that runs on this instance."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import requests

NAME = "run.json"
ANSWERS_WITHIN_S = 2


@dataclass(frozen=True, slots=True)
class Running:
    """Where the product and, with the demonstration, its sandbox listen."""

    base_url: str
    sandbox_base_url: str | None


@contextlib.contextmanager
def kept(folder: Path, running: Running) -> Iterator[None]:
    """Write the file for as long as the block lasts."""
    path = folder / NAME
    path.write_text(json.dumps({"pid": os.getpid(), **asdict(running)}))
    try:
        yield
    finally:
        if _pid_in(path) == os.getpid():  # it may be another process's by now
            path.unlink(missing_ok=True)


def read(folder: Path) -> Running | None:
    """The product that runs now; None where none answers, whatever a crash left behind."""
    try:
        found = json.loads((folder / NAME).read_text())
        running = Running(found["base_url"], found["sandbox_base_url"])
        requests.get(f"{running.base_url}/healthz", timeout=ANSWERS_WITHIN_S).raise_for_status()
    except (OSError, ValueError, KeyError, TypeError, requests.RequestException):
        return None
    return running


def _pid_in(path: Path) -> int | None:
    try:
        pid = json.loads(path.read_text())["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) else None
