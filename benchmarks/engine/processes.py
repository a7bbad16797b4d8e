"""Processes a benchmark starts, ends by pid, and reads the CPU time of."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Api:
    """An API process that answers."""

    url: str
    pid: int


@contextmanager
def process(
    command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command inside the block, its output in a file; asked to stop afterwards, and made to if it does not."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **(environment or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def free_port() -> int:
    """A TCP port of loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(url: str, child: subprocess.Popen[bytes], log: Path, *, limit: float = 60.0) -> None:
    """Return when the address answers 200.

    Raises:
        RuntimeError: The process ended, or the time is up; with the end of its log.
    """
    deadline = time.monotonic() + limit
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"nothing answers at {url}:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.05)


def wait_for_line(log: Path, words: bytes, child: subprocess.Popen[bytes], *, after: int = 0) -> None:
    """Return when a log says something.

    Args:
        log: The file.
        words: What to look for.
        child: Who writes it.
        after: Bytes of the file that are older.

    Raises:
        RuntimeError: The process ended first; with the end of its log.
    """
    while words not in log.read_bytes()[after:]:
        if child.poll() is not None:
            raise RuntimeError(f"{log.name}:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.02)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and everything below it, children that have ended included."""
    total = 0.0
    for one in _family(pid):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]
