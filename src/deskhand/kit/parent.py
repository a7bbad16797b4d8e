"""A child process that ends with its parent, however the parent dies.

The parent starts it with ``CHILD_VARIABLES`` and a pipe as its standard input, and never writes to the pipe. The kernel
closes the pipe when the parent is gone, by SIGKILL too.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from threading import Thread

CHILD_VARIABLES = {"DESKHAND_CHILD": "1"}
GRACE_SECONDS = 40.0


def end_with_parent() -> None:
    """In a child: ask this process to stop when its parent is gone, and end it where it does not.

    Does nothing in a process that a person started.
    """
    if not CHILD_VARIABLES.items() <= os.environ.items():
        return

    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os._exit(1)

    Thread(target=watch, name="parent-watch", daemon=True).start()
