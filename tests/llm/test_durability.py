from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from tests.llm.conftest import ANSWER, lookup, writer
from tests.llm.memory_journal import InDoubtError, Killed, MemoryJournal

from deskhand.llm.durability import NOT_DONE, StepUsage, measure_response
from deskhand.llm.loop import AgentOutcome, AgentTask, ToolSpec, run_agent


class TwoTools:
    """A scripted model: reads a ticket, writes a note, then answers. Counts how often it is really asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.asked += 1
        done = [part.tool_name for m in messages for part in m.parts if isinstance(part, ToolReturnPart)]
        # ids differ at every request, as a vendor's do: only the journal keeps them the same
        call_id = f"call-{id(self)}-{self.asked}"
        if "get_ticket" not in done:
            return ModelResponse(parts=[ToolCallPart("get_ticket", {"ticket_id": "7"}, tool_call_id=call_id)])
        if "add_note" not in done:
            return ModelResponse(parts=[ToolCallPart("add_note", {"text": "hello"}, tool_call_id=call_id)])
        return ModelResponse(
            parts=[ToolCallPart(info.output_tools[0].name, {"category": "access"})]
            if info.output_tools
            else [TextPart('{"category": "access"}')],
            provider_details={"cost_usd": "0.002"},
        )


class Desk:
    """Counts what reached it."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.asked_for: list[dict[str, Any]] = []
        self.die_after_write = False

    async def add_note(self, args: dict[str, Any]) -> Any:
        self.notes.append(args["text"])
        if self.die_after_write:
            self.die_after_write = False
            raise Killed("after the effect")
        return {"note_id": len(self.notes)}

    async def recover(self, args: dict[str, Any]) -> Any:
        self.asked_for.append(args)
        return {"note_id": 1} if args["text"] in self.notes else NOT_DONE


async def attempt(
    journal: MemoryJournal, model: TwoTools, desk: Desk, *, reads: list[Any], **more: Any
) -> AgentOutcome:
    tools: list[ToolSpec] = [lookup(reads), writer(desk.add_note, **more)]
    task = AgentTask("Help.", "Ticket 7", ANSWER, tools=tools, run_id="exec-1")
    return await run_agent(task, FunctionModel(model), journal)


async def test_a_whole_run_is_journaled_with_kinds_inputs_and_usage() -> None:
    journal, desk = MemoryJournal(), Desk()
    outcome = await attempt(journal, TwoTools(), desk, reads=[])
    assert outcome.output == {"category": "access"}
    assert [row.kind for row in journal.rows.values()] == ["model", "tool", "model", "write", "model"]
    read, write = (row for row in journal.rows.values() if row.kind in ("tool", "write"))
    assert read.input == {"ticket_id": "7"}
    assert (write.input, write.idempotent) == ({"text": "hello"}, False)
    first = journal.rows["model#1"]
    assert first.input["prompt"] == "Ticket 7"
    assert first.usage is not None
    assert first.usage.tokens_in > 0
    assert journal.rows["model#3"].usage is not None
    assert journal.rows["model#3"].usage.cost_usd == Decimal("0.002")


@pytest.mark.parametrize("boundary", ["model", "get_ticket", "add_note"])
@pytest.mark.parametrize("when", ["kill_before", "kill_after"])
async def test_a_killed_run_goes_on_without_repeating_a_finished_step(boundary: str, when: str) -> None:
    journal, desk, model, reads = MemoryJournal(), Desk(), TwoTools(), list[Any]()
    setattr(journal, when, boundary)
    with pytest.raises(Killed):
        await attempt(journal, model, desk, reads=reads, recover=desk.recover)
    finished = {key for key, row in journal.rows.items() if row.output is not None}
    second = journal.next_attempt()
    outcome = await attempt(second, model, desk, reads=reads, recover=desk.recover)
    assert outcome.output == {"category": "access"}
    assert not finished & set(second.ran)
    assert desk.notes == ["hello"]


async def test_an_interrupted_write_is_looked_up_and_its_found_output_used() -> None:
    journal, desk, model = MemoryJournal(), Desk(), TwoTools()
    desk.die_after_write = True
    with pytest.raises(Killed):
        await attempt(journal, model, desk, reads=[], recover=desk.recover)
    assert desk.notes == ["hello"]
    second = journal.next_attempt()
    await attempt(second, model, desk, reads=[], recover=desk.recover)
    assert desk.notes == ["hello"]
    assert desk.asked_for == [{"text": "hello"}]
    (write,) = (row for row in journal.rows.values() if row.kind == "write")
    assert write.output is not None
    assert '"note_id": 1' in write.output


async def test_an_interrupted_write_nobody_can_look_up_stays_in_doubt() -> None:
    journal, desk, model = MemoryJournal(), Desk(), TwoTools()
    desk.die_after_write = True
    with pytest.raises(Killed):
        await attempt(journal, model, desk, reads=[])
    with pytest.raises(InDoubtError, match="add_note:"):
        await attempt(journal.next_attempt(), model, desk, reads=[])
    assert desk.notes == ["hello"]


async def test_an_interrupted_read_is_simply_repeated() -> None:
    journal, desk, model, reads = MemoryJournal(kill_after="get_ticket"), Desk(), TwoTools(), list[Any]()
    with pytest.raises(Killed):
        await attempt(journal, model, desk, reads=reads)
    await attempt(journal.next_attempt(), model, desk, reads=reads)
    assert len(reads) == 2


async def test_a_model_answer_in_the_journal_is_not_paid_twice() -> None:
    journal, desk, model = MemoryJournal(kill_before="get_ticket"), Desk(), TwoTools()
    with pytest.raises(Killed):
        await attempt(journal, model, desk, reads=[])
    assert model.asked == 1
    await attempt(journal.next_attempt(), model, desk, reads=[])
    assert model.asked == 3


async def test_without_a_journal_the_agent_runs_plainly() -> None:
    desk = Desk()
    task = AgentTask("Help.", "Ticket 7", ANSWER, tools=[lookup([]), writer(desk.add_note)])
    outcome = await run_agent(task, FunctionModel(TwoTools()), None)
    assert (outcome.usage.requests, outcome.usage.tool_calls) == (3, 2)


def test_an_unknown_price_is_none_and_not_zero() -> None:
    assert measure_response({"usage": {"input_tokens": 5, "output_tokens": 2}}) == StepUsage(5, 2, None)
    assert measure_response({}) == StepUsage(0, 0, None)
