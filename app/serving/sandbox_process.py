"""The sandbox provider as a child process that dies with its parent, however that ends."""

import json
import subprocess
import sys

import config


class SandboxProcess:
    """Started on a free loopback port; it ends when its standard input does."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.sandbox"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=config.ROOT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("The sandbox provider did not start; see the lines above.")
        self.base_url = f"http://127.0.0.1:{json.loads(line)['port']}/v1"

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
