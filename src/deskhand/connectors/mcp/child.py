"""A process between us and a command that speaks MCP: it lives no longer than it must, and sees nothing of us.

Started by ``stdio`` as ``python child.py PARENT COMMAND…``; it needs the standard library alone. The command has an
empty environment, the root as its folder and no standard error; what it writes is passed on, up to a length. It and all
that it started are killed when we end, however we do, and after a time in any case. Linux alone can promise that.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess  # nosec B404
import sys
from collections.abc import Iterator
from pathlib import Path

LIFE_SECONDS = 120
"""Longer than any conversation."""
OUTPUT_BYTES = 16 * 1024 * 1024
_PIECE = 64 * 1024
_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36
"""Of ``prctl``: be told when the parent ends; inherit the children of children that end."""


def main() -> None:
    """Run the command until it, we or its time ends."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    # Before the command is there, so that nothing is ever left without somebody who ends it.
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, lambda _number, _frame: _end())
    _prctl(_SET_SUBREAPER, 1)
    _prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
    signal.alarm(LIFE_SECONDS)
    # Its standard input is ours: it ends with the pipe, and most servers end with that.
    with subprocess.Popen(  # nosec B603  # noqa: S603 - what the installation lists
        command,
        env={},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=_bind,  # noqa: PLW1509 - this process has one thread
    ) as process:
        assert process.stdout is not None
        _pass_on(process.stdout.fileno())
        _end()


def _bind() -> None:
    """In the command's process: end with this one, and leave no image of what was in memory on disk."""
    _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _pass_on(source: int) -> None:
    left = OUTPUT_BYTES
    while left > 0 and (piece := os.read(source, _PIECE)):
        left -= len(piece)
        view = memoryview(piece)
        while view:
            view = view[os.write(1, view) :]


def _end() -> None:
    """Kill everything that was started; what a killed process leaves behind comes to us, and is next."""
    while children := list(_children()):
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    os._exit(0)


def _children() -> Iterator[int]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything, brackets too.
            parent = status.read_text().rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == os.getpid():
            yield int(status.parent.name)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    main()
