"""A child process is started again when it ends and when it answers nobody, and never when it is merely slow."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.support.product import until

from deskhand.kit.kept import RESTART_PAUSES, KeptProcess, Patience, Silence, Start, restart_pause

NAP = "import sys; sys.stdin.buffer.read()"
DEAF = (
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); sys.stdin.buffer.read()"
)


@contextmanager
def kept(*codes: str, log_file: Path | None = None, stop_seconds: float = 60.0) -> Iterator[KeptProcess]:
    """A process that runs each of the texts once, and then the last one again and again."""
    left = list(codes)

    def prepare() -> Start:
        return Start(command=[sys.executable, "-c", left.pop(0) if len(left) > 1 else left[0]])

    process = KeptProcess("child", prepare, log_file=log_file, stop_seconds=stop_seconds)
    process.start()
    try:
        yield process
    finally:
        process.stop()


def test_pauses_grow_and_then_stay() -> None:
    assert [restart_pause(n) for n in range(7)] == [*RESTART_PAUSES, RESTART_PAUSES[-1]]


async def test_what_ends_is_started_again_and_what_is_stopped_is_not() -> None:
    with kept("", "", NAP) as process:

        async def restarted() -> bool:
            # Counted before the next one is there: until then the number is of the one that ended.
            return process.restarts == 2 and process.pid is not None and psutil.pid_exists(process.pid)

        await until(restarted)
        child = psutil.Process(process.pid)
    assert not child.is_running()
    assert process.restarts == 2


async def test_what_does_not_stop_when_asked_is_ended(tmp_path: Path) -> None:
    with kept(DEAF, log_file=tmp_path / "log", stop_seconds=0.01) as process:

        async def deaf() -> bool:
            return (tmp_path / "log").read_bytes() == b"x\n"

        await until(deaf)
        child = psutil.Process(process.pid)
    assert not child.is_running()


def test_a_frozen_child_is_ended(tmp_path: Path) -> None:
    with kept(NAP, stop_seconds=0.01) as process:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
    assert process.pid is None


@pytest.mark.parametrize(
    ("answers", "silent"),
    [
        ("......................", False),  # slow to start, for as long as it likes
        ("..!..!..!..!..!..!..!", False),  # now and then it is late
        ("..!...", True),
        ("!!!..!...", True),
        ("!..z..z..z..", False),  # this machine stood still meanwhile, again and again
        ("!..z...", True),
    ],
)
def test_silence_is_so_many_misses_in_a_row_of_one_that_answered(answers: str, silent: bool) -> None:
    patience, now = Patience(limit=10.0, misses=3), [0.0]

    def ask_for(sign: str) -> bool:
        now[0] += {"!": 0.1, ".": 10.0, "z": 3600.0}[sign]
        return sign == "!"

    signs = iter(answers)
    silence = Silence(lambda: ask_for(next(signs)), patience, clock=lambda: now[0])
    assert any(silence.look() for _ in answers) is silent
