"""The embedded model answers one call at a time; the others stand in line in our process, where no time runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.messages import TextPart
from pydantic_ai.usage import RequestUsage
from tests.llm.conftest import ANSWER

from deskhand.llm.chat import ChatAnswer
from deskhand.llm.completion import Completion
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


async def test_a_run_that_is_cancelled_in_the_line_leaves_it(tmp_path: Path) -> None:
    first, second = ServerLine(tmp_path / "model.line"), ServerLine(tmp_path / "model.line")
    async with first:
        waiting = asyncio.create_task(second.__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    async with second, asyncio.timeout(30):
        pass
