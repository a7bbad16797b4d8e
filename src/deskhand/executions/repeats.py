"""A run done again as a new one: replayed as it was, or retried with another input.

Both make a new execution with a journal of its own; what they repeat stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.agents.models import Agent, AgentVersion
from deskhand.engine.births import DRY_RUN, NewRun, find_why_not_startable, start_run
from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError
from deskhand.executions import repository
from deskhand.executions.decision_schemas import ReplayRequest, RetryWith
from deskhand.executions.records import DISMISSAL, lock_execution, not_found, read_summary, record_change
from deskhand.executions.redaction import redact
from deskhand.executions.restoration import restored
from deskhand.executions.schemas import ExecutionSummary
from deskhand.kit.payloads.holding import check_schema

NAMED_VERSIONS = 20
QUOTED = 80


async def replay_execution(
    session: AsyncSession, execution_id: UUID, wanted: ReplayRequest, *, principal: Principal
) -> ExecutionSummary:
    """Run an ended execution again: same input, ticket and tool, with the version it ran or another.

    A dry run has no lane: it neither waits for live runs of its ticket nor holds them up.

    Args:
        session: A tenant session.
        execution_id: The run to repeat.
        wanted: With which version, and whether it may write.
        principal: Who asks; named in the audit log.

    Returns:
        The new execution.

    Raises:
        NotFoundError: There is no such run.
        ConflictError: It has not ended, its agent is not active, or another run of its ticket waits to start.
        InvalidInputError: There is no such version, or it has not the run's tool.
    """
    original = await lock_execution(session, execution_id)
    if not ExecutionStatus(original.status).is_final:
        raise ConflictError(f"The execution is {original.status}; only one that has ended can be replayed.")
    _ensure_no_undo(original)
    # Checked under the run's lock: between a look and the start the agent could be suspended.
    await _startable_agent(session, original, mode=wanted.mode)
    version = await _version(session, original, wanted.agent_version)
    # The version that ran had the tool by then; only another one may lack it.
    if version.id != original.agent_version_id:
        _ensure_has_tool(version, original.tool_type, pointer="/agent_version")
    run = NewRun(
        tenant_id=original.tenant_id,
        agent_id=original.agent_id,
        trigger_id=original.trigger_id,
        agent_version_id=version.id,
        tool_type=original.tool_type,
        ticket_ref=original.ticket_ref,
        mode=wanted.mode,
        input_payload=original.input_payload,
        replay_of=original.id,
    )
    execution = await start_run(session, run)
    details = {"replay_of": str(original.id), "agent_version": version.version_number, "mode": wanted.mode}
    await record_change(
        session, "execution.replay", execution, principal, details, after={"status": str(execution.status)}
    )
    return await read_summary(session, execution.id)


async def retry_with(
    session: AsyncSession, execution_id: UUID, change: RetryWith, *, principal: Principal
) -> ExecutionSummary:
    """Run a failed execution again with another input, ticket or tool, and dismiss the failed one.

    The new run starts afresh, with the agent as it is now, as a new event would.

    Args:
        session: A tenant session.
        execution_id: The failed run.
        change: What is different this time.
        principal: Who asks; named in the audit log.

    Returns:
        The new execution.

    Raises:
        NotFoundError: There is no such run.
        ConflictError: It has not failed, was repeated already, has written to the desk, or its agent is not active.
        InvalidInputError: The input does not fit the trigger's schema, or the agent has no such tool.
    """
    old = await lock_execution(session, execution_id)
    _ensure_no_undo(old)
    await _ensure_repeatable(session, old, change)
    agent = await _startable_agent(session, old, mode=old.mode)
    version = await _version(session, old, agent.current_version)
    tool_type = change.tool_type or old.tool_type
    _ensure_has_tool(version, tool_type, pointer="/tool_type")
    trigger = await repository.get_trigger(session, old.trigger_id)
    # The form showed hidden credentials as [hidden]; what comes back so stands for the stored value.
    payload = old.input_payload
    if change.input is not None:
        payload = restored(change.input, old.input_payload, at=("input",))
    await check_schema(payload or {}, trigger.payload_schema if trigger else None, at="/input")
    ticket_ref = change.ticket_ref or old.ticket_ref
    run = NewRun(
        tenant_id=old.tenant_id,
        agent_id=old.agent_id,
        trigger_id=old.trigger_id,
        agent_version_id=version.id,
        tool_type=tool_type,
        ticket_ref=ticket_ref,
        # A dry run is repeated as one: to write for the first time is a decision of its own.
        mode=old.mode,
        input_payload=payload,
        retry_of=old.id,
    )
    execution = await start_run(session, run)
    # Both times are the same one, by which find_successor() looks the new run up through an index.
    old.dismissed_at = execution.queued_at
    changed = [name for name in ("input", "ticket_ref", "tool_type") if getattr(change, name) is not None]
    details = {"retry_of": str(old.id), "changed": changed, "even_though_written": change.even_though_written}
    after = {"status": str(execution.status), "ticket_ref": ticket_ref, "tool_type": tool_type}
    await record_change(session, "execution.retry_with", execution, principal, details, after=after)
    # Two entries, because the trail of either run must show what became of it.
    await record_change(session, "execution.dismiss", old, principal, {"retried_as": str(execution.id)}, **DISMISSAL)
    return await read_summary(session, execution.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What there is to choose from when a run is done again.

    Attributes:
        versions: Of the agent, newest first.
        current_version: The one a new event would run.
        tools: Of the current version.
        payload_schema: What the trigger wants of an event.
        written: What the run wrote to the desk, or may have written, one phrase each.
        not_startable: Why nothing can be started now, or None.
    """

    versions: Sequence[AgentVersion]
    current_version: int
    tools: Sequence[str]
    payload_schema: dict[str, Any] | None
    written: Sequence[str]
    not_startable: str | None


async def choices_for(session: AsyncSession, execution_id: UUID) -> Choices:
    """What a form has to offer for a run.

    Raises:
        NotFoundError: There is no such run.
    """
    execution = await repository.get_execution(session, execution_id)
    if execution is None:
        raise not_found(execution_id)
    agent = await repository.get_agent(session, execution.agent_id)
    versions = await repository.list_versions(session, execution.agent_id)
    trigger = await repository.get_trigger(session, execution.trigger_id)
    current = next(version for version in versions if version.version_number == agent.current_version)
    return Choices(
        versions=versions,
        current_version=agent.current_version,
        tools=_tools(current),
        payload_schema=trigger.payload_schema if trigger else None,
        written=await describe_writes(session, execution_id),
        not_startable=await find_why_not_startable(session, agent.id, mode=DRY_RUN),
    )


async def describe_writes(session: AsyncSession, execution_id: UUID) -> list[str]:
    """What a run wrote to the desk, or may have written, one phrase each."""
    return [_describe(step) for step in await repository.list_writes(session, execution_id)]


def _describe(step: ExecutionStep) -> str:
    written = step.input if isinstance(step.input, dict) else {}
    # Redacted as everywhere that a journal is shown: the model may have quoted a secret out of the ticket.
    text = " ".join(str(redact(written.get("body") or "")).split())
    shown = text if len(text) <= QUOTED else text[: QUOTED - 1] + "\N{HORIZONTAL ELLIPSIS}"
    quoted = f" \N{LEFT DOUBLE QUOTATION MARK}{shown}\N{RIGHT DOUBLE QUOTATION MARK}" if text else ""
    receipt = step.output.get("id") if isinstance(step.output, dict) else None
    doubt = "" if step.state == StepState.FINISHED else " (perhaps: it is in doubt)"
    certainty = f" (id {receipt})" if receipt else doubt
    return f"{step.name}{quoted}{certainty}"


async def _ensure_repeatable(session: AsyncSession, old: AgentExecution, change: RetryWith) -> None:
    if old.status != ExecutionStatus.FAILED:
        raise ConflictError(f"The execution is {old.status}; only a failed one can be retried with another input.")
    successor = await repository.find_successor(session, old.id, old.dismissed_at)
    if successor is not None:
        raise ConflictError(f"It was retried with another input already, as execution {successor['id']}.")
    # The new run has a journal of its own and would not know the old run's writes.
    written = [] if change.even_though_written else await describe_writes(session, old.id)
    if written:
        raise ConflictError(
            f"This run has written to ticket {old.ticket_ref} already: {'; '.join(written)}. A new run would write"
            " again. If that is right, send even_though_written."
        )


async def _startable_agent(session: AsyncSession, execution: AgentExecution, *, mode: str) -> Agent:
    agent = await repository.get_agent(session, execution.agent_id)
    if reason := await find_why_not_startable(session, agent.id, mode=mode):
        raise ConflictError(f"{reason} Nothing was started.")
    return agent


async def _version(session: AsyncSession, execution: AgentExecution, number: int | None) -> AgentVersion:
    versions = await repository.list_versions(session, execution.agent_id)
    if number is None:
        return next(version for version in versions if version.id == execution.agent_version_id)
    version_wanted = next((version for version in versions if version.version_number == number), None)
    if version_wanted is None:
        named = _named([version.version_number for version in versions])
        raise _invalid("/agent_version", f"the agent has no version {number}; there is {named}")
    return version_wanted


def _ensure_no_undo(execution: AgentExecution) -> None:
    # What an undo does was previewed on tickets as they were then, and holds for that state of them alone.
    if execution.mode == "undo":
        raise ConflictError("An undo is bound to its preview; to go on with a failed one, retry it, else look anew.")


def _ensure_has_tool(version: AgentVersion, tool_type: str | None, *, pointer: str) -> None:
    tools = _tools(version)
    if tool_type is not None and tool_type not in tools:
        has = ", ".join(tools) or "none"
        raise _invalid(
            pointer, f"version {version.version_number} of the agent has no tool '{tool_type}'; it has {has}"
        )


def _tools(version: AgentVersion) -> list[str]:
    return sorted(str(tool["tool_id"]) for tool in version.tools)


def _named(numbers: Sequence[int]) -> str:
    # An agent that is changed daily has hundreds; the sentence would be longer than the page.
    if len(numbers) > NAMED_VERSIONS:
        return f"{min(numbers)} to {max(numbers)}"
    return ", ".join(str(number) for number in sorted(numbers))


def _invalid(pointer: str, detail: str) -> InvalidInputError:
    sentence = f"{detail[:1].upper()}{detail[1:]}."
    return InvalidInputError(sentence, errors=[FieldProblem(pointer, detail)])
