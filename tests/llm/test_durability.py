from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from tests.llm.conftest import ANSWER, lookup, writer
from tests.llm.memory_journal import InDoubtError, Killed, MemoryJournal

from deskhand.llm.durability import StepUsage, measure_response
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
        self.die_after_write = False

    async def add_note(self, args: dict[str, Any]) -> Any:
        self.notes.append(args["text"])
        if self.die_after_write:
            self.die_after_write = False
            raise Killed("after the effect")
        return {"note_id": len(self.notes)}


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
        await attempt(journal, model, desk, reads=reads)
    finished = {key for key, row in journal.rows.items() if row.output is not None}
    second = journal.next_attempt()
    if boundary == "add_note":  # begun and not finished: only a person or the desk can say whether it was done
        with pytest.raises(InDoubtError):
            await attempt(second, model, desk, reads=reads)
        return
    outcome = await attempt(second, model, desk, reads=reads)
    assert outcome.output == {"category": "access"}
    assert not finished & set(second.ran)
    assert desk.notes == ["hello"]


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


class SameIds:
    """A scripted model whose gateway uses ids again: two look-ups, then one more, then the answer."""

    def __init__(self, naming: str) -> None:
        self.naming = naming
        self.asked = 0

    def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.asked += 1
        turns: list[list[str]] = [["1", "2"], ["3"]]
        if self.asked <= len(turns):
            ids = {"by place": "call_{place}", "by tool": "get_ticket", "all alike": "1", "empty": ""}[self.naming]
            calls = [
                ToolCallPart("get_ticket", {"ticket_id": ident}, tool_call_id=ids.format(place=place))
                for place, ident in enumerate(turns[self.asked - 1])
            ]
            return ModelResponse(parts=list(calls))
        return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, {"category": "access"}, tool_call_id="1")])


@pytest.mark.parametrize("with_journal", [True, False])
@pytest.mark.parametrize("naming", ["by place", "by tool", "all alike", "empty"])
async def test_an_id_used_again_gives_no_call_another_call_s_answer(naming: str, with_journal: bool) -> None:
    seen: list[ModelMessage] = []
    script = SameIds(naming)

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen[:] = messages
        return script(messages, info)

    async def echo(args: dict[str, Any]) -> Any:
        return f"ticket {args['ticket_id']}"

    tool = ToolSpec("get_ticket", "Reads.", {"type": "object", "properties": {"ticket_id": {"type": "string"}}}, echo)
    journal = MemoryJournal() if with_journal else None
    await run_agent(AgentTask("Help.", "Ticket 7", ANSWER, tools=[tool]), FunctionModel(model), journal)
    parts = [part for message in seen for part in message.parts]
    calls = {part.tool_call_id: part.args_as_dict()["ticket_id"] for part in parts if isinstance(part, ToolCallPart)}
    answers = {part.tool_call_id: part.content for part in parts if isinstance(part, ToolReturnPart)}
    assert sorted(calls.values()) == ["1", "2", "3"]
    assert answers == {ident: f"ticket {wanted}" for ident, wanted in calls.items()}


async def test_without_a_journal_the_agent_runs_plainly() -> None:
    desk = Desk()
    task = AgentTask("Help.", "Ticket 7", ANSWER, tools=[lookup([]), writer(desk.add_note)])
    outcome = await run_agent(task, FunctionModel(TwoTools()), None)
    assert (outcome.usage.requests, outcome.usage.tool_calls) == (3, 2)


def test_an_unknown_price_is_none_and_not_zero() -> None:
    assert measure_response({"usage": {"input_tokens": 5, "output_tokens": 2}}) == StepUsage(5, 2, None)
    assert measure_response({}) == StepUsage(0, 0, None)
