"""The embedded model answers one call at a time; the others stand in line in our process, where no time runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic_ai.messages import TextPart
from pydantic_ai.usage import RequestUsage
from tests.llm.conftest import ANSWER

from deskhand.llm.chat import ChatAnswer
from deskhand.llm.completion import Completion
from deskhand.llm.embedded import line
from deskhand.llm.embedded.constrained import ConstrainedModel
from deskhand.llm.embedded.line import ServerLine
from deskhand.llm.loop import AgentTask, run_agent


class OneSlotServer:
    """Answers when it is let; a second call under way would be one whose time runs while it waits."""

    def __init__(self) -> None:
        self.under_way = 0
        self.most = 0
        self.answered = 0
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def chat(self, _body: dict[str, Any], **_more: Any) -> ChatAnswer:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.asked.set()
        try:
            await self.go_on.wait()
            await asyncio.sleep(0)
            self.answered += 1
        finally:
            self.under_way -= 1
        text = TextPart('{"category": "access"}')
        return ChatAnswer(Completion([text], "", "stop", RequestUsage(), "m", "1"), {})


@pytest.mark.parametrize("processes", [1, 2])
async def test_calls_of_all_processes_stand_in_line_and_all_are_answered(tmp_path: Path, processes: int) -> None:
    server = OneSlotServer()
    lines = [ServerLine(tmp_path / "model.line") for _ in range(processes)]  # a lock on a file knows no processes
    slots = [lines[number % processes] for number in range(4)]
    models = [ConstrainedModel("m", server, slot=slot) for slot in slots]  # type: ignore[arg-type]  # a scripted server
    runs = [asyncio.create_task(run_agent(AgentTask("Be brief.", "?", ANSWER), model, None)) for model in models]
    await server.asked.wait()
    runs[0].cancel()  # its run ended while it was answered: the line goes on
    server.go_on.set()
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    assert server.most == 1
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 3


async def test_a_place_that_a_frozen_process_holds_does_not_stop_the_others(tmp_path: Path) -> None:
    frozen, other = ServerLine(tmp_path / "model.line"), ServerLine(tmp_path / "model.line", patience=0.0)
    await frozen.__aenter__()
    async with other:
        pass
    async with other:
        pass


async def test_patience_is_with_one_holder_and_not_with_a_line_that_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(line, "PAUSE", 0)
    monkeypatch.setattr(line, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    first, waiting, third = (ServerLine(tmp_path / "model.line", patience=60) for _ in range(3))
    await first.__aenter__()
    entered = asyncio.create_task(waiting.__aenter__())
    for moment, holder in ((50, first), (100, third), (150, first)):
        for _ in range(20):
            await asyncio.sleep(0)
        clock[0] = moment
        if moment < 150:  # one leaves, and the next takes its place before the one that waits looks again
            await holder.__aexit__()
            await (third if holder is first else first).__aenter__()
            assert not entered.done()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not entered.done()
    clock[0] = 161  # sixty seconds with the last holder: it is frozen
    async with asyncio.timeout(30):
        await entered
    await waiting.__aexit__()
    await first.__aexit__()


async def test_a_run_that_is_cancelled_in_the_line_leaves_it(tmp_path: Path) -> None:
    first, second = ServerLine(tmp_path / "model.line"), ServerLine(tmp_path / "model.line")
    async with first:
        waiting = asyncio.create_task(second.__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    async with second, asyncio.timeout(30):
        pass
