"""Worker processes as tests see them: start, freeze, kill, read what they logged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Worker:
    """One worker process; the names are those of ``asyncio.subprocess.Process``."""

    log: Path
    ready: asyncio.Future[int] = field(default_factory=asyncio.Future)
    ended: asyncio.Future[int] = field(default_factory=asyncio.Future)

    @property
    def pid(self) -> int:
        return self.ready.result()

    @property
    def returncode(self) -> int | None:
        return self.ended.result() if self.ended.done() else None

    async def wait(self) -> int:
        return await self.ended

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        assert self.returncode is None, f"the worker died by itself: {self.log.read_text()[-2000:]}"
        self.send_signal(signal.SIGKILL)

    @property
    def frozen(self) -> bool:
        """Whether it was stopped by a signal (proc(5): state T)."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def said(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Lines of its log with that event and those fields."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event and fields.items() <= line.items()]


class Nursery:
    """The process that forks workers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._workers: dict[int, Worker] = {}

    async def start(self, log: Path, options: dict[str, Any], *, network: int | None = None) -> Worker:
        """A worker, once it is about to take work.

        Args:
            log: Where its log goes.
            options: See ``mortal_worker.main``.
            network: Process whose network namespace it joins.
        """
        number = len(self._workers)
        worker = self._workers[number] = Worker(log)
        request = {"number": number, "log": str(log), "options": options, "network": network}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        await asyncio.wait({worker.ready, worker.ended}, return_when=asyncio.FIRST_COMPLETED)
        assert worker.ready.done(), log.read_text()[-2000:]
        return worker

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            worker = self._workers[told["number"]]
            if "ready" in told:
                worker.ready.set_result(told["ready"])
            else:
                worker.ended.set_result(told["code"])
        for worker in self._workers.values():
            if not worker.ended.done():
                worker.ended.set_exception(RuntimeError("the nursery has died; what it said is above"))


@contextlib.asynccontextmanager
async def open_nursery() -> AsyncIterator[Nursery]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.nursery"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    nursery = Nursery(process)
    listening = asyncio.create_task(nursery.listen())
    yield nursery
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()
    await listening
