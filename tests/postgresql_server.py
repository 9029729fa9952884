"""A throw-away PostgreSQL cluster on a free port, for tests; needs the server's programs."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL_HINT = "apt-get install -y postgresql"


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; Debian keeps them off the PATH."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


@contextmanager
def running_postgresql() -> Iterator[str]:
    """Yield the SQLAlchemy URL of a fresh server's maintenance database; it is gone afterwards."""
    programs = find_programs()
    assert programs is not None, INSTALL_HINT
    folder = Path(tempfile.mkdtemp(prefix="flowhub-postgresql-"))
    demote = _as_ordinary_user(folder)
    try:
        data = folder / "data"
        _run([programs / "initdb", "-D", data, "-U", "flowhub", "-A", "trust", "-N", "-E", "UTF8",
              "--locale=C"], demote)  # fmt: skip
        port = _free_port()
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        _run([programs / "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder / "log", "start"],
             demote)  # fmt: skip
        try:
            yield f"postgresql+psycopg://flowhub@127.0.0.1:{port}/postgres"
        finally:
            _run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], demote)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_ordinary_user(folder: Path) -> dict[str, int]:
    """PostgreSQL refuses to run as root: give the folder to its own user where we are root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid}


def _run(command: list[object], demote: dict[str, int]) -> None:
    subprocess.run(
        [str(part) for part in command], check=True, cwd="/", stdout=subprocess.DEVNULL,
        extra_groups=[] if demote else None, **demote,
    )  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
