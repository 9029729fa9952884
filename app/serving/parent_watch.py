"""A worker must not outlive the server that started it, or it would hold port and lock for ever."""

import multiprocessing
import os
import signal
import threading


def end_with_parent() -> None:
    """In a worker process, as granian starts them: end when its parent has, however that ended.

    Elsewhere this does nothing: a server that is no worker may outlive its shell.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
