"""The agent loop: a task, tools and limits in; structured output, usage and cost out.

pydantic-ai drives the conversation; this module adds what the product promises: limits checked before
each call, output held to a JSON schema with at most two corrections, tools given as plain JSON schema
and handler, and every call carried by the journal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import jsonschema
from pydantic_ai import Agent, AgentRun, FunctionToolset, ModelRetry, NativeOutput, StructuredDict, Tool, ToolOutput
from pydantic_ai.exceptions import UnexpectedModelBehavior, UsageLimitExceeded
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import UsageLimits

from deskhand.llm.durability import (
    JournalDurability,
    StepJournal,
    ToolJournalConfig,
    journal_scope,
    recovered_value,
)
from deskhand.llm.errors import InvalidOutputError, LimitExceededError

OUTPUT_RETRIES = 2
_OUTPUT_NAME = "answer"
_OUTPUT_TOOL = "give_answer"
Handler = Callable[[dict[str, Any]], Awaitable[Any]]


class ToolInputError(Exception):
    """A handler's way to tell the model that its arguments will not do; the message goes to the model."""


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
        recover: For a write that may not: see ``StepJournal.step``; gets the arguments.
        keeps_own_steps: The handler journals what it does by itself, so the loop puts no step around it.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    handler: Handler
    kind: Literal["tool", "write"] = "tool"
    idempotent: bool = True
    recover: Handler | None = None
    keeps_own_steps: bool = False


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Limits of one run, each checked before the call that would pass it; None is no limit.

    Attributes:
        requests: Model calls.
        tool_calls: Tool calls.
        total_tokens: Tokens in and out together.
        cost_usd: Dollars; a call whose price is unknown counts as nothing.
        deadline: ``time.monotonic()`` at which the run must be over; a model call under way is abandoned.
    """

    requests: int | None = 10
    tool_calls: int | None = 20
    total_tokens: int | None = 50_000
    cost_usd: Decimal | None = None
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class AgentTask:
    """What the model is asked to do.

    Attributes:
        instructions: The system prompt.
        prompt: The user message.
        output_schema: JSON schema of the answer, an object.
        tools: What it may call on the way.
        settings: Per call, over the model's own.
        limits: When to stop.
        name: Names the agent in traces.
        run_id: Names the run inside messages; the execution's id, so that a resumed run keeps it.
    """

    instructions: str
    prompt: str
    output_schema: Mapping[str, Any]
    tools: Sequence[ToolSpec] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: RunLimits = RunLimits()
    name: str = "agent"
    run_id: str = "run"


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
        task: What to do, with which tools, within which limits.
        model: From ``gateway.build_model``, or a scripted one.
        journal: Records every call, and answers those a lost attempt had finished; None runs without.

    Raises:
        LimitExceededError: A limit of the task; nothing was sent after it was reached.
        InvalidOutputError: The answer did not fit the schema, also after two corrections.
        ModelError: The model could not be used.
    """
    if journal is None:
        return await _run(task, model)
    with journal_scope(journal, run_id=task.run_id):
        return await _run(task, model)


async def _run(task: AgentTask, model: Model[Any]) -> AgentOutcome:
    agent = _agent(task, model)
    try:
        # Our own limits below count cost too and are checked before the call, so pydantic-ai's are off.
        async with agent.iter(task.prompt, usage_limits=UsageLimits(request_limit=None)) as run:
            node = run.next_node
            while not Agent.is_end_node(node):
                node = await _advance(run, node, task.limits)
            return _outcome(run, model)
    except UsageLimitExceeded as error:
        raise LimitExceededError(str(error)) from error
    except UnexpectedModelBehavior as error:
        raise InvalidOutputError(
            f"The answer of '{model.model_name}' did not have the asked form after {OUTPUT_RETRIES} corrections:"
            f" {error}"
        ) from error


async def _advance(run: AgentRun[None, dict[str, Any]], node: Any, limits: RunLimits) -> Any:
    """One step of the conversation, if the limits allow it."""
    messages = run.all_messages()
    if Agent.is_model_request_node(node):
        _check_before_model(limits, messages)
        return await _within(limits.deadline, run.next(node))
    if Agent.is_call_tools_node(node):
        _check_before_tools(limits, messages, node.model_response)
    return await run.next(node)


def _agent(task: AgentTask, model: Model[Any]) -> Agent[None, dict[str, Any]]:
    agent: Agent[None, dict[str, Any]] = Agent(
        model,
        name=task.name,
        instructions=task.instructions,
        output_type=_output_type(task, model),
        toolsets=[FunctionToolset([_tool(spec) for spec in task.tools], id="tools")] if task.tools else [],
        model_settings=ModelSettings(**dict(task.settings)),  # type: ignore[typeddict-item]  # keys come from LLMConfig
        capabilities=[JournalDurability()],
        retries=OUTPUT_RETRIES,
    )
    validator = jsonschema.Draft202012Validator(dict(task.output_schema))

    @agent.output_validator
    def fits(output: dict[str, Any]) -> dict[str, Any]:
        fault = _fault(validator, output)
        if fault:
            raise ModelRetry(fault)
        return output

    return agent


def _output_type(task: AgentTask, model: Model[Any]) -> Any:
    shape = StructuredDict(dict(task.output_schema), name=_OUTPUT_NAME)
    if model.profile.get("default_structured_output_mode") == "native":
        return NativeOutput(shape, name=_OUTPUT_NAME)
    return ToolOutput(shape, name=_OUTPUT_TOOL, description="Give the final answer.")


def _tool(spec: ToolSpec) -> Tool[None]:
    validator = jsonschema.Draft202012Validator(dict(spec.parameters))

    async def call(**args: Any) -> Any:
        found = recovered_value()
        if found is not None:
            return found[0]
        fault = _fault(validator, args)
        if fault:
            raise ModelRetry(fault)
        try:
            return await spec.handler(args)
        except ToolInputError as error:
            raise ModelRetry(str(error)) from error

    # One write after the other, in the order the model asked: a journal that numbers them finds them again by it.
    tool: Tool[None] = Tool.from_schema(
        call, spec.name, spec.description, dict(spec.parameters), sequential=spec.kind == "write"
    )
    journal: ToolJournalConfig = {
        "kind": spec.kind,
        "idempotent": spec.idempotent,
        "recover": spec.recover,
        "keeps_own_steps": spec.keeps_own_steps,
    }
    tool.metadata = {"journal": journal}
    return tool


def _fault(validator: jsonschema.Draft202012Validator, value: object) -> str:
    """What is wrong with a value, in one line the model can act on; empty if nothing is."""
    errors = sorted(validator.iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    return "; ".join(f"{error.json_path}: {error.message}"[:300] for error in errors[:3])


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


def _check_before_model(limits: RunLimits, messages: Sequence[ModelMessage]) -> None:
    usage, costs = _usage(messages)
    spent = sum((cost for cost in costs if cost is not None), Decimal(0))
    if limits.requests is not None and usage.requests >= limits.requests:
        raise LimitExceededError(f"The run may make {limits.requests} model calls and made them.", limit="requests")
    if limits.total_tokens is not None and usage.total_tokens >= limits.total_tokens:
        raise LimitExceededError(
            f"The run may use {limits.total_tokens} tokens and used {usage.total_tokens}.", limit="total_tokens"
        )
    if limits.cost_usd is not None and spent >= limits.cost_usd:
        raise LimitExceededError(f"The run may cost ${limits.cost_usd} and cost ${spent:f}.", limit="cost_usd")
    _check_deadline(limits)


def _check_before_tools(limits: RunLimits, messages: Sequence[ModelMessage], response: ModelResponse) -> None:
    usage, _ = _usage(messages)
    if limits.tool_calls is not None and usage.tool_calls > limits.tool_calls:
        raise LimitExceededError(
            f"The run may make {limits.tool_calls} tool calls; the model asked for more.", limit="tool_calls"
        )
    if _has_calls(response):
        _check_deadline(limits)


def _has_calls(response: ModelResponse) -> bool:
    return any(_is_call(part) for part in response.parts)


def _is_call(part: object) -> bool:
    return isinstance(part, ToolCallPart) and part.tool_name != _OUTPUT_TOOL


def _check_deadline(limits: RunLimits) -> None:
    if limits.deadline is not None and time.monotonic() >= limits.deadline:
        raise LimitExceededError("The run used up its time.", limit="deadline")


async def _within(deadline: float | None, step: Awaitable[Any]) -> Any:
    """A model call changes nothing outside, so it may be abandoned at the deadline; a write may not."""
    if deadline is None:
        return await step
    limit = asyncio.timeout(max(0.0, deadline - time.monotonic()))
    try:
        async with limit:
            return await step
    except TimeoutError as error:
        if not limit.expired():
            raise  # somebody else's, for example the journal's database
        raise LimitExceededError("The run used up its time while the model was answering.", limit="deadline") from error


def _outcome(run: AgentRun[None, dict[str, Any]], model: Model[Any]) -> AgentOutcome:
    assert run.result is not None
    usage, costs = _usage(run.all_messages())
    known = [cost for cost in costs if cost is not None]
    return AgentOutcome(
        output=dict(run.result.output),
        usage=usage,
        cost_usd=sum(known, Decimal(0)) if known and len(known) == len(costs) else None,
        model_name=model.model_name,
    )
