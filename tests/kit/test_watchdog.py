"""An event loop that stands still is reported, once, with what held it up."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs
from tests.support.product import until

from deskhand.kit.watchdog import watching_loop

Lines = list[MutableMapping[str, Any]]


def waits() -> None:
    time.sleep(1)


def computes() -> None:
    """As one call into C does: no other thread runs meanwhile."""
    began = time.thread_time()
    while time.thread_time() - began < 0.3:
        sum(range(1_000_000))


def holds_the_interpreter() -> None:
    count, began = 1_000_000, time.monotonic()
    while time.monotonic() - began < 0.5:  # the last call alone takes a good part of it, however fast the machine
        began, count = time.monotonic(), count * 2
        json.loads("[" + "1," * count + "1]")


def blocked(lines: Lines) -> Lines:
    return [line for line in lines if line["event"] == "event_loop_blocked"]


@pytest.mark.parametrize("block", [waits, computes, holds_the_interpreter])
async def test_a_stall_is_reported_once_with_the_culprits_stack(block: Callable[[], None]) -> None:
    stalls: list[float] = []

    async def observed() -> bool:
        return bool(stalls)

    with capture_logs() as lines, watching_loop(stalls.append):
        await asyncio.sleep(0.2)  # a beat or more: the watchdog is awake
        block()
        await until(observed)
    [line] = [one for one in blocked(lines) if f" {block.__name__}" in " ".join(one["frames"])]
    assert line["seconds"] > 0.2
    assert line["seconds"] <= round(max(stalls), 3)
    assert any(frame.startswith("tests/kit/test_watchdog.py:") for frame in line["frames"])
    assert not any("asyncio/runners.py" in frame for frame in line["frames"])
    assert block.__name__ in structlog.dev.ConsoleRenderer(colors=False)(None, "error", dict(line))  # a terminal's log


async def test_a_stall_that_lasts_is_reported_meanwhile_and_not_again() -> None:
    stalls: list[float] = []

    async def observed() -> bool:
        return bool(stalls)

    with capture_logs() as lines, watching_loop(stalls.append, lasting=0.5):
        await asyncio.sleep(0.2)
        while not blocked(lines):
            time.sleep(0.01)
        time.sleep(0.5)
        await until(observed)
    assert [line["going_on"] for line in blocked(lines)] == [True]
    assert stalls[0] > 1.0


async def test_a_machine_that_stood_still_is_no_stall() -> None:
    """Between two callbacks, and nothing was computed: whoever stopped the process, it was none of our code."""
    stalls: list[float] = []
    with capture_logs() as lines, watching_loop(stalls.append):
        await asyncio.sleep(0.2)
        loop = asyncio.get_running_loop()
        selector = loop._selector  # type: ignore[attr-defined]  # of asyncio's own loop
        select = selector.select

        def late(timeout: float | None = None) -> Any:
            answer = select(timeout)
            selector.select = select
            return (time.sleep(0.6), answer)[1]

        late.__code__ = late.__code__.replace(co_filename="lib/selectors.py")
        selector.select = late
        await asyncio.sleep(0.5)
        await asyncio.sleep(0.5)
    assert blocked(lines) == []
    assert stalls == []
