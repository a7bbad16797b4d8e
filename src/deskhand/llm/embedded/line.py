"""The line before the embedded model's one slot, in which every process of this machine stands.

Calls that wait inside the server wait on their own time: three workers with one call each would all run into their
time-outs. So they wait here, and a call's time begins when it is its turn.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path

PAUSE = 0.1
PATIENCE = 60.0
"""Seconds after which a call goes ahead all the same: whoever holds the place may be frozen, and the server has a line
of its own. A process that dies leaves its place at once."""


class ServerLine:
    """One place at the server, held by one call of one process.

    Args:
        file: Locked by whoever has the place; beside the server's address.
        patience: Seconds to wait for another process.
    """

    def __init__(self, file: Path, *, patience: float = PATIENCE) -> None:
        self._file = file
        self._patience = patience
        self._ours = asyncio.Semaphore(1)
        self._descriptor: int | None = None

    async def __aenter__(self) -> None:
        # Calls of this process wait for each other first, in their order and without polling; one of them at a time
        # asks for the lock.
        await self._ours.acquire()
        has_place = False
        try:
            # O_CLOEXEC: a child that inherited the descriptor would hold the place as long as it lives.
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._descriptor = descriptor
            until = time.monotonic() + self._patience
            while not _locked(descriptor) and time.monotonic() < until:  # noqa: ASYNC110 - of another process's lock no event tells
                await asyncio.sleep(PAUSE)
            has_place = True
        finally:
            if not has_place:  # the run was cancelled while it waited
                self._leave()

    async def __aexit__(self, *_error: object) -> None:
        self._leave()

    def _leave(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._ours.release()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
