"""A throw-away Redis on a free port, for tests; needs the server's program."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

INSTALL_HINT = "apt-get install -y redis-server"
STARTS_WITHIN_S = 5.0


def find_program() -> str | None:
    return shutil.which("redis-server")


@dataclass
class RedisServer:
    """It keeps nothing on disk: after a restart on the same port it has forgotten everything."""

    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = find_program()
        assert program is not None, INSTALL_HINT
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen(
            [program, *options], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        by_s = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            assert time.monotonic() < by_s, "redis-server does not start"
            time.sleep(0.01)

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=0.5).close()
        except OSError:
            return False
        return True


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = RedisServer(int(probe.getsockname()[1]))
    try:
        server.start()
        yield server
    finally:
        server.kill()
