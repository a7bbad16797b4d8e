"""The embedded model answers one call at a time; the others stand in line in our process, where no time runs."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai.messages import TextPart
from pydantic_ai.usage import RequestUsage
from tests.llm.conftest import ANSWER

from deskhand.llm.chat import ChatAnswer
from deskhand.llm.completion import Completion
from deskhand.llm.embedded.constrained import ConstrainedModel
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


async def test_calls_of_one_process_stand_in_line_and_all_are_answered() -> None:
    server, slot = OneSlotServer(), asyncio.Semaphore(1)
    models = [ConstrainedModel("m", server, slot=slot) for _ in range(4)]  # type: ignore[arg-type]  # a scripted server
    runs = [asyncio.create_task(run_agent(AgentTask("Be brief.", "?", ANSWER), model, None)) for model in models]
    await server.asked.wait()
    runs[0].cancel()  # its run ended while it was answered: the line goes on
    server.go_on.set()
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    assert server.most == 1
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 3
