"""Loops end when they should: asked to stop, cancelled, or at an error that nobody said may pass."""

from __future__ import annotations

import asyncio

import pytest

from deskhand.kit.loops import repeat, watched


async def test_a_cancelled_loop_ends_although_its_clean_up_fails_with_what_may_pass() -> None:
    begun = asyncio.Event()

    async def work() -> float:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("the connection could not be given back")

    loop = asyncio.create_task(repeat(work, stop=asyncio.Event(), passing=(OSError,), pause=0, event="interrupted"))
    await begun.wait()
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop


async def test_what_may_pass_costs_a_pause_and_what_may_not_ends_the_loop() -> None:
    answers = iter([OSError("away"), 0.0, ValueError("a bug")])
    done: list[object] = []

    async def work() -> float:
        answer = next(answers)
        done.append(answer)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ValueError, match="a bug"):
        await repeat(work, stop=asyncio.Event(), passing=(OSError,), pause=0, event="interrupted")
    assert len(done) == 3


async def test_a_stop_ends_the_wait() -> None:
    stop = asyncio.Event()

    async def work() -> float:
        stop.set()
        return 3600.0

    await repeat(work, stop=stop, passing=(), pause=0, event="interrupted")


def test_a_thread_looks_again_after_what_may_pass() -> None:
    looked: list[int] = []

    def look() -> None:
        looked.append(len(looked))
        if len(looked) == 1:
            raise OSError("not yet")

    with watched(look, every=0.001, passing=(OSError,), event="not_mended"):
        while len(looked) < 3:
            pass
