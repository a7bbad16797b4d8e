"""One call at a time over all processes; whoever fails, is cancelled or dies leaves the place to the next."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deskhand.llm.embedded.line import ServerLine


@contextmanager
def another_process(file: Path) -> Iterator[None]:
    """Holds the place, as a lock of another open file does."""
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


async def turns(*lines: ServerLine, times: int = 3) -> list[str]:
    """Begins and ends of calls that are made at once."""
    seen: list[str] = []

    async def call(number: int, line: ServerLine) -> None:
        for _ in range(times):
            async with line:
                seen.append(f"{number} begins")
                await asyncio.sleep(0)
                seen.append(f"{number} ends")

    await asyncio.gather(*(call(number, line) for number, line in enumerate(lines)))
    return seen


@pytest.mark.parametrize("processes", [1, 2])
async def test_calls_never_overlap_within_a_process_or_between_two(tmp_path: Path, processes: int) -> None:
    lines = [ServerLine(tmp_path / "line") for _ in range(processes)] * (3 - processes)
    seen = await turns(*lines)
    assert len(seen) == 12
    for begin, end in zip(seen[::2], seen[1::2], strict=True):
        assert (begin.split()[1], end) == ("begins", begin.replace("begins", "ends"))


async def test_the_place_is_free_after_a_call_that_failed(tmp_path: Path) -> None:
    line = ServerLine(tmp_path / "line")
    with pytest.raises(LookupError):
        async with line:
            raise LookupError
    assert await turns(ServerLine(tmp_path / "line"), line, times=1)


async def test_a_run_that_is_cancelled_in_the_line_leaves_it(tmp_path: Path) -> None:
    line = ServerLine(tmp_path / "line")
    with another_process(tmp_path / "line"):
        waiting = asyncio.create_task(turns(line, times=1))
        behind = asyncio.create_task(turns(line, times=1))
        while line._descriptor is None:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await behind == ["0 begins", "0 ends"]


async def test_whoever_waits_for_a_frozen_process_goes_ahead_after_a_while(tmp_path: Path) -> None:
    line = ServerLine(tmp_path / "line", patience=0.0)
    with another_process(tmp_path / "line"):
        assert await turns(line, times=2) == ["0 begins", "0 ends"] * 2


async def test_a_folder_that_is_gone_holds_nobody_up(tmp_path: Path) -> None:
    line = ServerLine(tmp_path / "gone" / "line")
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            await turns(line, times=1)
    (tmp_path / "gone").mkdir()
    assert await turns(line, times=1)


async def test_the_lock_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    await turns(ServerLine(tmp_path / "line"), times=1)
    assert (tmp_path / "line").stat().st_mode & 0o077 == 0
