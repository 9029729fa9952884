"""`python -m app.sandbox [--port N]`: prints ``{"port": N}`` and serves until stdin ends.

A parent that holds the other end of stdin takes the sandbox along when it dies, however it dies.
"""

import argparse
import json
import signal
import sys
from threading import Thread

from app.sandbox.server import THREADS, SandboxServer, make_app


def main() -> None:
    arguments = _parse_arguments()
    if not sys.stdin.isatty():
        # A parent that is interrupted ends us through stdin, after its own streams.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = SandboxServer(make_app(), port=arguments.port, threads=arguments.threads)
    Thread(target=server.run, daemon=True).start()
    sys.stdout.write(json.dumps({"port": server.port}) + "\n")
    sys.stdout.flush()
    _wait_for_end_of_input()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m app.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--threads", type=int, default=THREADS, help="answers at one time")
    return parser.parse_args()


def _wait_for_end_of_input() -> None:
    try:
        while sys.stdin.buffer.read(4096):
            pass
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
