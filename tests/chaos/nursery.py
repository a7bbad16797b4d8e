"""A process that has imported the product once and forks a worker whenever a test asks for one.

Importing the product takes seconds of CPU, forking takes milliseconds: with it, a test can afford a real process for
every boundary. Requests come as JSON lines on stdin; answers go as JSON lines to stdout: ``ready`` from the worker
itself, ``code`` (the return code, negative for a signal) when it has ended. End of input ends all of them.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

from tests.chaos import mortal_worker

CLONE_NEWNET = 0x40000000  # linux/sched.h


def answer(number: int, **said: Any) -> None:
    os.write(1, json.dumps({"number": number, **said}).encode() + b"\n")


def enter_network(pid: int) -> None:
    """Join the network namespace of another process (``os.setns`` exists from Python 3.12 on)."""
    with Path(f"/proc/{pid}/ns/net").open("rb") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def be_a_worker(request: dict[str, Any]) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 2)
    if request.get("network"):
        enter_network(request["network"])
    asyncio.run(mortal_worker.main(request["options"], lambda: answer(request["number"], ready=os.getpid())))
    return 0


def start(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = be_a_worker(request)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        os._exit(code)


def bury(living: dict[int, int]) -> None:
    """Report every worker that has ended."""
    while living:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        answer(living.pop(pid), code=os.waitstatus_to_exitcode(status))


def main() -> None:
    died, wake = os.pipe()
    for end in (died, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.freeze()
    living: dict[int, int] = {}
    unread = b""
    while True:
        ready, _, _ = select.select([0, died], [], [])
        if died in ready:
            os.read(died, 4096)
            bury(living)
        if 0 in ready:
            chunk = os.read(0, 65536)
            if not chunk:
                break
            *lines, unread = (unread + chunk).split(b"\n")
            for request in map(json.loads, lines):
                living[start(request)] = request["number"]
    for pid in living:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
