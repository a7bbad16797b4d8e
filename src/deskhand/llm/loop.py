"""The agent loop: a task, tools and limits in; structured output, usage and cost out.

pydantic-ai drives the conversation; this module adds what the product promises: output held to a JSON
schema with at most two corrections, tools given as plain JSON schema and handler, and every call carried
(and counted against the run's limits) by the journal.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import structlog
from pydantic_ai import (
    Agent,
    AgentRun,
    FunctionToolset,
    ModelRetry,
    NativeOutput,
    RunContext,
    StructuredDict,
    Tool,
    ToolOutput,
)
from pydantic_ai.agent import AgentRetries
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import UsageLimits

from deskhand.kit.judge import Judge, dotted
from deskhand.kit.masking.masker import Masker
from deskhand.kit.purse import Purse
from deskhand.llm.calls import DistinctCalls
from deskhand.llm.chain import ChainModel
from deskhand.llm.durability import JournalDurability, Sending, StepJournal, ToolJournalConfig
from deskhand.llm.embedded.constrained import ConstrainedModel
from deskhand.llm.errors import InvalidOutputError, ModelTimeoutError
from deskhand.llm.masked import Restoring, masker_of
from deskhand.llm.paid import Paid
from deskhand.llm.places import places_of

log = structlog.get_logger(__name__)

OUTPUT_RETRIES = 2
TOOL_RETRIES = 8
"""Calls of one tool in a row that may be wrong (bad arguments, a tool there is not) before the model is given up."""
_KEY_LENGTH = 200  # execution_steps.step_key
OUTPUT_NAME = "answer"
OUTPUT_TOOL = "give_answer"
_NO_PLACEHOLDER = "{words}: no such placeholder was given to you. Write those you were given exactly as they are."
Handler = Callable[[dict[str, Any]], Awaitable[Any]]
_call_id: ContextVar[str] = ContextVar("deskhand_call_id", default="")


class ToolInputError(Exception):
    """A handler's way to tell the model that its arguments will not do; the message goes to the model."""


def call_key(name: str) -> str:
    """Journal key of the call that is being handled: of a handler that keeps its own steps.

    The call's id is the same after a crash, because the response it stands in is journaled.
    """
    key = f"{name}:{_call_id.get()}"
    return key if len(key) <= _KEY_LENGTH else f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One thing the model may do.

    Attributes:
        name: Unique within the task.
        description: One short line; every word of it is read again at each call.
        parameters: JSON schema of the arguments, an object; checked before the handler runs.
        handler: Does it. Raises ``ToolInputError`` for the model to correct itself; any other error ends the run.
        kind: ``write`` for what changes something outside.
        idempotent: Whether an interrupted call may simply be repeated.
        keeps_own_steps: The handler journals what it does by itself, so the loop puts no step around it.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    handler: Handler
    kind: Literal["tool", "write"] = "tool"
    idempotent: bool = True
    keeps_own_steps: bool = False


@dataclass(frozen=True, slots=True)
class AgentTask:
    """What the model is asked to do.

    Attributes:
        instructions: The system prompt.
        prompt: The user message.
        output_schema: JSON schema of the answer, an object.
        tools: What it may call on the way.
        settings: Per call, over the model's own.
        deadline: ``time.monotonic()`` at which the model must be done; a call under way is abandoned.
        name: Names the agent in traces.
        run_id: Names the run inside messages; the execution's id, so that a resumed run keeps it.
        conversation: Which one of the run's it is. Vendors number calls anew in each, and the journal tells them apart.
    """

    instructions: str
    prompt: str
    output_schema: Mapping[str, Any]
    tools: Sequence[ToolSpec] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    deadline: float | None = None
    name: str = "agent"
    run_id: str = "run"
    conversation: int = 1


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What a run consumed so far."""

    requests: int = 0
    tool_calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def total_tokens(self) -> int:
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class AgentOutcome:
    """The answer and its price; ``cost_usd`` is None if any call's price is unknown."""

    output: dict[str, Any]
    usage: RunUsage
    cost_usd: Decimal | None
    model_name: str = ""


async def run_agent(task: AgentTask, model: Model[Any], journal: StepJournal | None) -> AgentOutcome:
    """Run a task to its answer.

    Args:
        task: What to do, with which tools, until when.
        model: From ``gateway.build_model``, or a scripted one.
        journal: Records every call, answers those a lost attempt had finished, and stops the run at its limits;
            None runs without.

    Raises:
        InvalidOutputError: The answer did not fit the schema, also after two corrections.
        ModelTimeoutError: The task's deadline passed.
        ModelError: The model could not be used.
    """
    agent = _agent(task, model, journal)
    try:
        # The journal counts steps, tokens and cost, and checks them before each call; pydantic-ai's limits are off.
        async with agent.iter(task.prompt, usage_limits=UsageLimits(request_limit=None)) as run:
            node = run.next_node
            while not Agent.is_end_node(node):
                # A model call changes nothing outside, so it may be abandoned at the deadline; a write may not.
                step = run.next(node)
                node = await (within(task.deadline, step) if Agent.is_model_request_node(node) else step)
            return _outcome(run, model)
    except UnexpectedModelBehavior as error:
        raise InvalidOutputError(
            f"The answer of '{model.model_name}' did not have the asked form after {OUTPUT_RETRIES} corrections:"
            f" {error}"
        ) from error


def _agent(task: AgentTask, model: Model[Any], journal: StepJournal | None) -> Agent[None, dict[str, Any]]:
    masker = masker_of(model)
    agent: Agent[None, dict[str, Any]] = Agent(
        DistinctCalls(payable(model, None if journal is None else journal.purse, task.deadline)),
        name=task.name,
        instructions=task.instructions,
        output_type=_output_type(task, model),
        toolsets=[FunctionToolset([_tool(spec, task.conversation, masker) for spec in task.tools], id="tools")]
        if task.tools
        else [],
        model_settings=ModelSettings(**dict(task.settings)),  # type: ignore[typeddict-item]  # keys come from LLMConfig
        capabilities=[
            *([] if masker is None else [Restoring(masker)]),
            *([] if journal is None else [JournalDurability(journal, task.run_id, Sending(masker, places_of(model)))]),
        ],
        retries=AgentRetries(tools=TOOL_RETRIES, output=OUTPUT_RETRIES),
    )
    judge, restored = Judge(task.output_schema), _Restored(masker)

    @agent.output_validator
    def fits(output: dict[str, Any]) -> dict[str, Any]:
        fault = _fault(judge, output)
        if fault:
            raise ModelRetry(fault)
        return restored.whole(output)

    return agent


class _Restored:
    """An answer without words that only look like placeholders: the model mends them once, then they are told."""

    def __init__(self, masker: Masker | None) -> None:
        self._masker = masker
        self._asked_again = False

    def whole(self, output: dict[str, Any]) -> dict[str, Any]:
        lost = self._masker.unknown(output) if self._masker is not None else []
        if self._masker is None or not lost:
            return output
        if not self._asked_again:
            self._asked_again = True
            raise ModelRetry(_NO_PLACEHOLDER.format(words=", ".join(lost[:3])))
        log.warning("placeholder_not_restored", count=len(lost))
        whole: dict[str, Any] = self._masker.without_unknown(output)
        return whole


def payable(model: Model[Any], purse: Purse | None, deadline: float | None) -> Model[Any]:
    """A model whose calls are paid for, until ``time.monotonic()`` is at the deadline."""
    if isinstance(model, ChainModel):
        return model.bound(purse, None if deadline is None else _loop_time(deadline))
    # The embedded model runs here: nobody bills it.
    return model if purse is None or isinstance(model, ConstrainedModel) else Paid(model, purse)


def _output_type(task: AgentTask, model: Model[Any]) -> Any:
    shape = StructuredDict(dict(task.output_schema), name=OUTPUT_NAME)
    # Such a server holds the answer itself to the schema; to others the answer is one more tool.
    if model.profile.get("default_structured_output_mode") == "native":
        return NativeOutput(shape, name=OUTPUT_NAME)
    return ToolOutput(shape, name=OUTPUT_TOOL, description="Give the final answer.")


def _tool(spec: ToolSpec, conversation: int, masker: Masker | None) -> Tool[None]:
    judge = Judge(spec.parameters)

    async def call(context: RunContext[None], /, **args: Any) -> Any:
        fault = _fault(judge, args)
        if fault:
            raise ModelRetry(fault)
        # Nothing outside is done with a word that stands for nobody knows what.
        if masker is not None and (lost := masker.unknown(args)):
            raise ModelRetry(_NO_PLACEHOLDER.format(words=", ".join(lost[:3])))
        ident = context.tool_call_id or ""
        token = _call_id.set(ident if conversation == 1 else f"{conversation}.{ident}")
        try:
            return await spec.handler(args)
        # What the model got wrong it can mend, so it is told; every other error is the run's, and ends the attempt.
        except ToolInputError as error:
            raise ModelRetry(str(error)) from error
        finally:
            _call_id.reset(token)

    # One write after the other, in the order the model asked: a journal that numbers them finds them again by it.
    tool: Tool[None] = Tool.from_schema(
        call, spec.name, spec.description, dict(spec.parameters), takes_ctx=True, sequential=spec.kind == "write"
    )
    journal: ToolJournalConfig = {
        "kind": spec.kind,
        "idempotent": spec.idempotent,
        "keeps_own_steps": spec.keeps_own_steps,
    }
    tool.metadata = {"journal": journal}
    return tool


def _fault(judge: Judge, value: object) -> str:
    """What is wrong with a value, in one line the model can act on; empty if nothing is."""
    # Three faults, in the order of the fields: a model mends a few at a time, and a long list crowds out its task.
    return "; ".join(f"{dotted(fault.path)}: {fault.sentence}"[:300] for fault in judge.faults(value)[:3])


def _usage(messages: Sequence[ModelMessage]) -> tuple[RunUsage, list[Decimal | None]]:
    """Counted from the messages, so that replayed calls count like fresh ones."""
    responses = [message for message in messages if isinstance(message, ModelResponse)]
    calls = sum(_is_call(part) for response in responses for part in response.parts)
    costs = [_cost(response) for response in responses]
    usage = RunUsage(
        requests=len(responses),
        tool_calls=calls,
        tokens_in=sum(response.usage.input_tokens for response in responses),
        tokens_out=sum(response.usage.output_tokens for response in responses),
    )
    return usage, costs


def _cost(response: ModelResponse) -> Decimal | None:
    cost = (response.provider_details or {}).get("cost_usd")
    return None if cost is None else Decimal(str(cost))


def _is_call(part: object) -> bool:
    return isinstance(part, ToolCallPart) and part.tool_name != OUTPUT_TOOL


async def within(deadline: float | None, step: Awaitable[Any]) -> Any:
    """What a step comes to, if it does before ``time.monotonic()`` is at the deadline.

    Raises:
        ModelTimeoutError: It did not.
    """
    limit = asyncio.timeout_at(None if deadline is None else _loop_time(deadline))
    try:
        async with limit:
            return await step
    except TimeoutError as error:
        if not limit.expired():
            raise  # somebody else's, for example the journal's database
        raise ModelTimeoutError("The model did not finish within its share of the run's time.") from error


def _loop_time(deadline: float) -> float:
    # The run's deadline is on time.monotonic(); the event loop may keep a clock of its own.
    return asyncio.get_running_loop().time() + deadline - time.monotonic()


def _outcome(run: AgentRun[None, dict[str, Any]], model: Model[Any]) -> AgentOutcome:
    assert run.result is not None
    if isinstance(model, ChainModel):
        model.note_answers(run.all_messages())
    usage, costs = _usage(run.all_messages())
    # A sum with an unknown part would be told as the price of the whole.
    known = [cost for cost in costs if cost is not None]
    return AgentOutcome(
        output=dict(run.result.output),
        usage=usage,
        cost_usd=sum(known, Decimal(0)) if known and len(known) == len(costs) else None,
        model_name=model.model_name,
    )
