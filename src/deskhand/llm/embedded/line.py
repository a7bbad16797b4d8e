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
"""Seconds that one holder is waited for beyond what its call may take; then the call goes ahead all the same: that
holder is frozen, and the server has a line of its own. A process that dies leaves its place at once."""
_TURN_BYTES = 16


class ServerLine:
    """One place at the server, held by one call of one process.

    Args:
        file: Locked by whoever has the place; beside the server's address.
        call_seconds: What one call may take.
        patience: Seconds to wait for one holder of another process, beyond that.
    """

    def __init__(self, file: Path, *, call_seconds: float = 0.0, patience: float = PATIENCE) -> None:
        self._file = file
        self._patience = call_seconds + patience
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
            await self._wait(descriptor)
            has_place = True
        finally:
            if not has_place:  # the run was cancelled while it waited
                self._leave()

    async def _wait(self, descriptor: int) -> None:
        turn, until = os.pread(descriptor, _TURN_BYTES, 0), time.monotonic() + self._patience
        while not _locked(descriptor):
            now = os.pread(descriptor, _TURN_BYTES, 0)
            # The line moves: whoever waits behind several calls would else go ahead of one under way, on its own time.
            if now != turn:
                turn, until = now, time.monotonic() + self._patience
            if time.monotonic() >= until:
                return
            await asyncio.sleep(PAUSE)
        os.pwrite(descriptor, os.urandom(_TURN_BYTES), 0)

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
