"""A child process that is kept running: started again when it ends, and ended when it answers nobody any more.

One loop for whatever a machine has to keep: API, worker, the embedded model. The child's standard input is a pipe that
closes when we are gone, however we die; what reads it to its end never outlives us (``kit.parent``).
"""

from __future__ import annotations

import contextlib
import socket
import subprocess  # nosec B404
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from deskhand.kit.loops import watched

RESTART_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
STOP_SECONDS = 40.0

Address = tuple[str, int]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How to start the process this time.

    Attributes:
        command: What to run.
        environment: Its variables; None passes ours on.
        health: Where it answers HTTP as long as it lives, once it is ready; None for one that is not asked.
    """

    command: Sequence[str]
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    health: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When a process that lives counts as gone.

    Attributes:
        every: Seconds between two questions.
        limit: Seconds an answer may take.
        misses: Questions in a row without an answer. They are counted, not timed: a clock runs on while we are frozen
            ourselves, with the process or without it.
        grace: Seconds from asking it to stop to ending it.
    """

    every: float = 5.0
    limit: float = 10.0
    misses: int = 4
    grace: float = 5.0


def restart_pause(restarts: int) -> float:
    """Seconds before something that ended is started again, growing with the times it was."""
    return RESTART_PAUSES[min(restarts, len(RESTART_PAUSES) - 1)]


class KeptProcess:
    """Keeps one child process running, between ``start`` and ``stop``.

    Args:
        name: What people call it.
        prepare: Asked before each start.
        log_file: Where its output goes; None shows it.
        stop_seconds: How long it may take to stop when asked.
        patience: When it counts as gone although it lives.
    """

    def __init__(
        self,
        name: str,
        prepare: Callable[[], Start],
        *,
        log_file: Path | None = None,
        stop_seconds: float = STOP_SECONDS,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self.log_file = log_file
        self.restarts = 0
        self._prepare = prepare
        self._stop_seconds = stop_seconds
        self._patience = patience or Patience()
        self._process: subprocess.Popen[bytes] | None = None
        self._health: Address | None = None
        self._silence: Silence | None = None
        self._keeper: threading.Thread | None = None
        self._let_go = threading.Event()
        self._starting = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process that runs now, or ran last."""
        return None if self._process is None else self._process.pid

    @property
    def answered(self) -> bool:
        """Whether the process that runs now has been heard; from then on its silence counts."""
        return self._silence is not None and self._silence.answered

    def start(self) -> None:
        """Start it; returns at once."""
        self._let_go.clear()
        self._spawn()
        self._keeper = threading.Thread(target=self._keep, name=f"keep-{self.name}", daemon=True)
        self._keeper.start()

    def let_go(self) -> None:
        """Start it no more; whoever stops several does this for all of them first."""
        self._let_go.set()

    def stop(self) -> None:
        """Ask it to stop, wait, and end it where it does not; without effect on one that was never started."""
        with self._starting:  # what is just being started is there to be stopped
            self.let_go()
        if self._process is not None:
            _end(self._process, self.name, self._stop_seconds)
        if self._keeper is not None:
            self._keeper.join()
        self._process = self._keeper = None

    def _keep(self) -> None:
        while (process := self._process) is not None:
            with self._heard(process, self._health):
                code = process.wait()
            self._silence = None
            # The pipe belonged to the child that ended; each restart opens its own, and would leave this end behind.
            if process.stdin is not None:
                process.stdin.close()
            pause = restart_pause(self.restarts)
            # A child that we let go ends because we asked it to, which is no warning.
            if not self._let_go.is_set():
                log.warning("part_ended", part=self.name, exit_code=code, restart_in=pause)
            if not self._start_again(pause):
                return

    @contextmanager
    def _heard(self, process: subprocess.Popen[bytes], health: Address | None) -> Iterator[None]:
        """End the process inside the block when it has fallen silent."""
        if health is None:
            yield
            return
        patience = self._patience
        silence = self._silence = Silence(lambda: answers(health, patience.limit), patience)

        def look() -> None:
            if silence.look():
                log.error("part_silent", part=self.name, address=f"{health[0]}:{health[1]}", misses=patience.misses)
                _end(process, self.name, patience.grace)

        with watched(look, every=patience.every, passing=(OSError,), event=f"look-{self.name}"):
            yield

    def _start_again(self, pause: float) -> bool:
        while not self._let_go.wait(pause):
            self.restarts += 1
            pause = restart_pause(self.restarts)
            with self._starting:
                # `stop` may have come between the pause and the lock; a child spawned now would have nobody to end it.
                if self._let_go.is_set():
                    return False
                try:
                    self._spawn()
                except OSError as error:  # no memory or no process is left for it now
                    log.error("part_not_started", part=self.name, error=str(error), restart_in=pause)
                    continue
            return True
        return False

    def _spawn(self) -> None:
        start = self._prepare()
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(self.log_file.open("ab")) if self.log_file else None
            self._process = subprocess.Popen(  # noqa: S603 - our own programs  # nosec B603
                start.command, env=start.environment, stdin=subprocess.PIPE, stdout=out, stderr=out
            )
        self._health = start.health


class Silence:
    """Tells whether a process that lives has stopped answering.

    One that has never answered is slow to start, however long it takes.

    Args:
        ask: Whether it answers now.
        patience: How many misses are too many.
        clock: Of this machine, running on while we stand still.
    """

    def __init__(
        self, ask: Callable[[], bool], patience: Patience, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._patience = patience
        self._clock = clock
        self.answered = False
        self._misses = 0

    def look(self) -> bool:
        """Ask once; True when there were too many misses in a row."""
        asked_at = self._clock()
        if self._ask():
            self.answered, self._misses = True, 0
        elif self._clock() - asked_at > 2 * self._patience.limit:
            self._misses = 0  # we stood still ourselves, so nothing is known of the other
        elif self.answered:
            self._misses += 1
        return self._misses >= self._patience.misses


def answers(address: Address, limit: float) -> bool:
    """Whether something answers HTTP at ``/healthz`` of an address within so many seconds, whatever it says."""
    host, port = address
    try:
        with socket.create_connection((host, port), timeout=limit) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return bool(connection.recv(1))
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes], name: str, seconds: float) -> None:
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        log.warning("part_killed", part=name)
        process.kill()
        process.wait()
