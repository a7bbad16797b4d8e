"""Reports an event loop that stood still, with what it was doing: one tenant's work must not stop everybody's.

The loop beats: a timer says how late it is. A thread looks on; while a beat is overdue, one callback has not come back
and the loop's thread stands in it, so its stack is taken then.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import structlog

STALL_SECONDS = 0.2
LASTING_SECONDS = 5.0
"""A stall is reported after so long although it goes on: the process may be killed before it ends."""
MOST_FRAMES = 25
_LOOP_FILES = ("asyncio/runners.py", "asyncio/base_events.py", "asyncio/events.py", "selectors.py")

log = structlog.get_logger(__name__)


@contextmanager
def watching_loop(
    observe: Callable[[float], None], *, stall: float = STALL_SECONDS, lasting: float = LASTING_SECONDS
) -> Iterator[None]:
    """Report each stall of the running event loop inside the block, once: ``event_loop_blocked``.

    Args:
        observe: Given the seconds of each stall when it is over, in a thread of its own.
        stall: Seconds from which the loop is said to have stood still.
        lasting: Seconds from which it is said although the stall goes on.
    """
    watchdog = _Watchdog(asyncio.get_running_loop(), observe, stall, lasting)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()


@dataclass(frozen=True, slots=True)
class _Stall:
    beat: int
    seconds: float
    cpu_seconds: float


class _Watchdog:
    def __init__(
        self, loop: asyncio.AbstractEventLoop, observe: Callable[[float], None], stall: float, lasting: float
    ) -> None:
        self._loop = loop
        self._observe = observe
        self._stall = stall
        self._lasting = lasting
        # A beat in every quarter of a stall, so that the thread finds one while it lasts and takes its stack.
        self._every = stall / 4
        self._loop_thread = threading.get_ident()
        self._number = 0
        self._due = time.monotonic()
        self._cpu_then = time.thread_time()
        # The loop's thread only appends: to log or to count there would delay the loop that has just fallen behind.
        self._stalls: deque[_Stall] = deque()
        self._seen: tuple[int, list[str]] = (0, [])
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)

    def start(self) -> None:
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()
        self._thread.join()

    def _beat(self) -> None:
        """In the loop: say how late it is, and when the next beat is due."""
        now, cpu = time.monotonic(), time.thread_time()
        if now - self._due > self._stall:
            self._stalls.append(_Stall(self._number, now - self._due, cpu - self._cpu_then))
        self._number += 1
        self._due, self._cpu_then = now + self._every, cpu
        self._timer = self._loop.call_later(self._every, self._beat)

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            self._look()
            while self._stalls:
                self._report(self._stalls.popleft())

    def _look(self) -> None:
        # Read twice around the clock: a beat in between would make the lateness that of another beat.
        number, late = self._number, time.monotonic() - self._due
        if number != self._number or late < self._stall:
            return
        # One stack a stall, the first: later ones show the same callback, and reading frames costs the loop its lock.
        if self._seen[0] != number:
            self._seen = (number, _callback_of(sys._current_frames().get(self._loop_thread)))
        if late > self._lasting and self._told != number:
            self._told = number
            log.error("event_loop_blocked", seconds=round(late, 3), going_on=True, frames=self._seen[1])

    def _report(self, stall: _Stall) -> None:
        stack = self._seen[1] if self._seen[0] == stall.beat else []
        if not stack and stall.cpu_seconds < stall.seconds / 2:
            return  # no callback was under way and nothing was computed: the machine stood still, not the loop
        self._observe(stall.seconds)
        if self._told != stall.beat:
            log.error(
                "event_loop_blocked",
                seconds=round(stall.seconds, 3),
                cpu_seconds=round(stall.cpu_seconds, 3),
                going_on=False,
                frames=stack,  # not "stack": structlog renders that key by itself, as text
            )


def _callback_of(frame: FrameType | None) -> list[str]:
    """Frames of the callback that the loop is in, outermost first, as ``file:line function``; none between two."""
    frames = list(traceback.walk_stack(frame))[::-1] if frame is not None else []
    first = next((at for at, (one, _) in enumerate(frames) if _is_loops(one)), 0)
    callback = next((at for at in range(first, len(frames)) if not _is_loops(frames[at][0])), len(frames))
    return [
        f"{'/'.join(Path(one.f_code.co_filename).parts[-3:])}:{line} {one.f_code.co_qualname}"
        for one, line in frames[callback:][-MOST_FRAMES:]
    ]


def _is_loops(frame: FrameType) -> bool:
    return frame.f_code.co_filename.endswith(_LOOP_FILES)
